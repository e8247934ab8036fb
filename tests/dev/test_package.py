"""``make package``: a DAG folder that needs nothing beside it, and the settings for MWAA and Helm."""

import subprocess

import pytest
import yaml

from dev import package
from dev.settings import CommandError
from parsed_dags import parse

from .conftest import PROJECT

BUCKET, ROLE = "my-lake", "arn:aws:iam::123456789012:role/stedi-glue"


@pytest.fixture
def settings(local, monkeypatch):
    monkeypatch.setenv("STEDI_BUCKET", BUCKET)
    monkeypatch.setenv("STEDI_GLUE_ROLE_ARN", ROLE)


@pytest.fixture(scope="module")
def checkout():
    """What Airflow finds in the checkout."""
    return parse(PROJECT / "dags")


def missing(dags):
    """The files of the pipeline that a DAG folder does not have as they are in the checkout."""
    pipeline = [path for folder in ("dags", "glue_scripts", "include") for path in (PROJECT / folder).rglob("*")]
    names = {
        path.relative_to(PROJECT).as_posix().removeprefix("dags/"): path.read_bytes()
        for path in pipeline
        if path.is_file() and "__pycache__" not in path.parts
    }
    return [name for name, content in names.items() if not _has(dags / name, content)]


def _has(path, content):
    return path.is_file() and path.read_bytes() == content


def test_the_package_has_every_file_of_the_pipeline_and_airflow_finds_the_same_in_it(settings, checkout):
    dags = package.build() / "dags"
    assert missing(dags) == []
    found = parse(dags)
    assert found["errors"] == {}
    assert found["tasks"] == checkout["tasks"]


#: A file of each kind, and whether Airflow misses it before a task does.
KINDS = {
    ".airflowignore": False,
    "stedi_lakehouse.py": True,
    "stedi/turn_sensor.py": True,
    "stedi/report/index.html": False,
    "glue_scripts/publish.py": True,
    "glue_scripts/lakehouse/landing/fast.py": False,
    "glue_scripts/lakehouse/tables.toml": True,
    "include/sql/checks/consent.sql": True,
    "include/sql/published.sql": True,
    "include/sql/report/audit.sql": False,
    "include/sample/customer/customer-1717200000000.json": False,
}


@pytest.mark.parametrize("left_out", KINDS)
def test_a_package_that_lacks_a_file_is_noticed(settings, left_out):
    dags = package.build() / "dags"
    (dags / left_out).unlink()
    assert missing(dags) == [left_out]


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(file, marks=() if file == "include/sql/checks/consent.sql" else pytest.mark.exhaustive)
        for file, missed in KINDS.items()
        if missed
    ],
)
def test_airflow_does_not_find_the_same_in_a_package_that_lacks_what_the_dags_are_made_of(settings, checkout, left_out):
    dags = package.build() / "dags"
    (dags / left_out).unlink()
    found = parse(dags)
    assert found["errors"] or found["tasks"] != checkout["tasks"]


def test_the_startup_script_sets_what_the_environment_sets_and_nothing_else(settings, monkeypatch):
    monkeypatch.setenv("STEDI_SCHEDULE", "0 3 * * MON-FRI")
    script = package.build() / "startup.sh"
    printed = subprocess.run(
        ["sh", "-c", f". {script}; env"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    ).stdout
    assert {line for line in printed.splitlines() if line.startswith("STEDI_")} == {
        f"STEDI_BUCKET={BUCKET}",
        f"STEDI_GLUE_ROLE_ARN={ROLE}",
        "STEDI_SCHEDULE=0 3 * * MON-FRI",
    }


def test_the_values_of_the_helm_chart_set_the_same_and_name_the_dag_folder(settings):
    values = yaml.safe_load((package.build() / "values.yaml").read_text())
    assert {entry["name"]: entry["value"] for entry in values["env"]} == {
        "STEDI_BUCKET": BUCKET,
        "STEDI_GLUE_ROLE_ARN": ROLE,
    }
    assert (PROJECT / values["dags"]["gitSync"]["subPath"] / "stedi_lakehouse.py").is_file()


def test_the_requirements_name_nothing_that_mwaa_brings(settings):
    requirements = (package.build() / "requirements.txt").read_text()
    assert [line for line in requirements.splitlines() if not line.startswith("#")] == []


def test_a_package_without_bucket_and_role_is_refused(local):
    with pytest.raises(CommandError, match="Set STEDI_BUCKET and STEDI_GLUE_ROLE_ARN"):
        package.build()


def test_a_setting_that_is_not_one_is_refused(settings, monkeypatch):
    monkeypatch.setenv("STEDI_RETRIES", "two")
    with pytest.raises(CommandError, match="STEDI_RETRIES is 'two'"):
        package.build()


def test_a_package_is_built_anew(settings):
    (left := package.build() / "dags" / "old.py").touch()
    package.build()
    assert not left.exists()
