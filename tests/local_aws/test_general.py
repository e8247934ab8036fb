"""The local AWS belongs to no project in particular."""

from local_aws.settings import PROJECT


def test_it_knows_nothing_of_the_project_around_it():
    files = [path for path in (PROJECT / "local_aws").rglob("*") if path.suffix in (".py", ".md", ".env")]
    assert len(files) > 10
    assert [path.name for path in files if "stedi" in path.read_text().lower()] == []
