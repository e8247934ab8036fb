"""The package where MWAA runs it: in an environment that has what MWAA's images have, and nothing of the project."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from athena_client import Athena

from dev import package
from local_aws import service
from parsed_dags import parse

PROJECT = Path(__file__).resolve().parents[2]
UV = shutil.which("uv") or PROJECT / ".local" / "uv" / "bin" / "uv"
BUCKET = "mwaa-lake"


@dataclass(frozen=True)
class Release:
    """An Airflow of MWAA. Its constraints are what the package index had on the day when Airflow made them."""

    airflow: str
    amazon: str
    boto3: str
    constraints: str

    @property
    def packages(self):
        versions = (("apache-airflow", self.airflow), ("apache-airflow-providers-amazon", self.amazon))
        return [f"{name}=={version}" for name, version in (*versions, ("boto3", self.boto3))]


#: The oldest and the newest, from MWAA's images (aws/amazon-mwaa-docker-images, images/airflow/*/etc).
RELEASES = (Release("3.2.1", "9.25.0", "1.42.84", "2026-04-22"), Release("3.3.1", "9.34.0", "1.43.56", "2026-08-13"))
#: What the tests of the DAGs themselves import.
OF_THE_TESTS = ("pytest", "pytest-xdist", "pyarrow", "pyiceberg[glue,pyiceberg-core]", "sqlglot", "pyyaml")

pytestmark = pytest.mark.exhaustive


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def python_of_mwaa():
    """MWAA's Python, from the PATH or from pyenv, which has it there only when it is asked to."""
    installed = (Path.home() / ".pyenv" / "versions").glob("3.12*/bin/python3.12")
    for python in filter(None, (shutil.which("python3.12"), *map(str, installed))):
        if subprocess.run([python, "--version"], capture_output=True).returncode == 0:
            return python
    pytest.skip("Python 3.12, which MWAA has, is not installed")


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.airflow)
def release(request):
    return request.param


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The package, with the settings of a local AWS."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STEDI_LOCAL", str(tmp_path_factory.mktemp("local")))
        environment.setenv("STEDI_BUCKET", BUCKET)
        environment.setenv("STEDI_GLUE_ROLE_ARN", "arn:aws:iam::000000000000:role/stedi-glue")
        environment.setenv("STEDI_POLL_SECONDS", "0.2")
        return package.build()


@pytest.fixture(scope="module")
def install(tmp_path_factory):
    """Gives a function that installs packages into a new environment, as MWAA does; it returns the Python there."""

    def install(release, requirements):
        python = tmp_path_factory.mktemp("mwaa") / "bin" / "python"
        run(UV, "venv", "--no-python-downloads", "--python", python_of_mwaa(), python.parents[1])
        constrained = (UV, "pip", "install", "--python", python, "--exclude-newer", release.constraints)
        run(*constrained, *release.packages, "-r", requirements)
        return python

    return install


@pytest.fixture(scope="module")
def mwaa(release, install, built):
    return install(release, built / "requirements.txt")


def environment(aws, home, dags):
    """That of an Airflow process: nothing of the tests' own, and the clients of AWS find the local one."""
    own = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)}
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return own | settings | aws.client_environment()


def test_both_dags_are_found(mwaa, built):
    found = parse(built / "dags", mwaa)
    assert found["errors"] == {}
    assert sorted(found["tasks"]) == ["stedi_lakehouse", "stedi_maintenance"]
    assert found["deprecations"] == []


def test_the_lakehouse_runs_green(release, mwaa, built, aws, tmp_path):
    service.start(aws, bucket=BUCKET, role="stedi-glue")
    database = f"mwaa_{release.airflow.replace('.', '_')}"
    process = {"env": environment(aws, tmp_path, built / "dags") | {"STEDI_DATABASE": database}, "cwd": tmp_path}
    airflow = f". {built}/startup.sh && exec {mwaa} -m airflow"
    run("sh", "-c", f"{airflow} db migrate", **process)
    run("sh", "-c", f"{airflow} dags test stedi_lakehouse", **process)
    athena = Athena(aws, BUCKET, database)
    # The other release's lakehouse has the same bucket.
    main = "select snapshot_id from \"machine_learning_curated$refs\" where name = 'main'"
    [[released]] = athena.query(f"select count(*) from releases where snapshot_id = ({main})")
    [[rows]] = athena.query("select count(*) from machine_learning_curated")
    assert int(released) == 1
    assert int(rows) > 0


def test_the_tests_of_the_dags_pass(release, install, built, aws, tmp_path):
    python = install(release, built / "requirements.txt")
    run(UV, "pip", "install", "--python", python, *release.packages, *OF_THE_TESTS)
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TESTS_LOCAL_AWS": f"{aws.port}:{aws.state}"}
    summary = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/dags", cwd=PROJECT, env=own)
    assert " passed" in summary.splitlines()[-1]
