"""``make run`` without its installing: the whole DAG, its real operators, a lake of the tests' own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from athena_client import Athena

from dev.settings import lakehouse_settings
from local_aws.settings import LocalAws, free_port

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = lakehouse_settings()
TRUSTED = ("customer_trusted", "accelerometer_trusted", "customers_curated", "step_trainer_trusted")


def copy_project(folder: Path) -> Path:
    """A checkout for a test that changes it."""
    for name in ("dags", "dev", "glue_scripts", "include", "infra", "local_aws"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@dataclass
class Lake:
    """The commands of the Makefile on a lake, a local AWS and an Airflow database of their own."""

    root: Path
    port: int
    #: The checkout whose commands they are.
    project: Path = PROJECT

    @property
    def environment(self) -> dict[str, str]:
        own = {"STEDI_LOCAL": str(self.root), "LOCAL_AWS_PORT": str(self.port), "LOCAL_AWS_CALLS": str(self.calls)}
        return os.environ | own

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "dev", *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of one command."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def run(self, landing: Path, *options: str) -> dict:
        """A run that must end green; gives its summary."""
        exit_code, output = self.command("run", "--landing", str(landing), *options)
        assert exit_code == 0, output
        return self.summary()

    @property
    def report(self) -> Path:
        """What ``make run`` left of the last run's report."""
        return self.root / "report"

    def summary(self) -> dict:
        return json.loads((self.root / "summary.json").read_text())

    @property
    def calls(self) -> Path:
        """The record of who called what."""
        return self.root / "calls.jsonl"

    @property
    def aws(self) -> LocalAws:
        return LocalAws(self.port, self.root / "aws")

    def query(self, sql: str) -> list[list[str]]:
        """The rows of Athena's answer, as text; NULL is empty."""
        rows = Athena(self.aws, SETTINGS.bucket, SETTINGS.database).query(sql)
        return [[value or "" for value in row] for row in rows]

    def content(self) -> dict[str, list[list[str]]]:
        """Every row of every trusted and curated table, sorted."""
        return {table: sorted(self.query(f"select * from {table}")) for table in (*TRUSTED, "machine_learning_curated")}


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"), free_port())
    yield lake
    lake.command("stop")
