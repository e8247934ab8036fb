import io
import zipfile
from pathlib import Path

import pytest

from stedi.glue_code import upload_code


@pytest.fixture
def glue_scripts(tmp_path):
    """A folder with one job and the package that jobs share."""
    (tmp_path / "job_a.py").write_text("print('a')\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("")
    (tmp_path / "shared" / "rules.py").write_text("RULE = 1\n")
    return tmp_path


def content(s3, location):
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_every_script_and_the_package_as_a_zip_are_uploaded(s3, bucket, glue_scripts):
    locations = upload_code(s3, glue_scripts, bucket)
    assert set(locations) == {"job_a", "shared"}
    assert content(s3, locations["job_a"]) == b"print('a')\n"
    names = zipfile.ZipFile(io.BytesIO(content(s3, locations["shared"]))).namelist()
    assert names == ["shared/__init__.py", "shared/rules.py"]


def test_the_same_code_keeps_its_location(s3, bucket, glue_scripts):
    assert upload_code(s3, glue_scripts, bucket) == upload_code(s3, glue_scripts, bucket)


def test_changed_code_gets_another_location_and_the_old_stays(s3, bucket, glue_scripts):
    before = upload_code(s3, glue_scripts, bucket)
    (glue_scripts / "shared" / "rules.py").write_text("RULE = 2\n")
    after = upload_code(s3, glue_scripts, bucket)
    assert after["job_a"] == before["job_a"]
    assert after["shared"] != before["shared"]
    assert content(s3, before["shared"]) != content(s3, after["shared"])


def test_the_projects_own_jobs_share_the_package_lakehouse_with_the_description_of_the_tables(s3, bucket):
    locations = upload_code(s3, Path(__file__).resolve().parents[3] / "glue_scripts", bucket)
    assert locations["lakehouse"].endswith("/lakehouse.zip")
    assert locations["customer_trusted"].endswith("/customer_trusted.py")
    names = zipfile.ZipFile(io.BytesIO(content(s3, locations["lakehouse"]))).namelist()
    assert {"lakehouse/__init__.py", "lakehouse/tables.toml"} <= set(names)
