"""Where the lakehouse lives: every setting of the DAG, from the environment, in one place."""

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

DAG_FOLDER = Path(__file__).resolve().parents[1]


def _project() -> Path:
    """Where ``glue_scripts/`` and ``include/`` are: inside the DAG folder if that is all that was deployed, else beside
    it, as in a checkout."""
    for folder in (DAG_FOLDER, DAG_FOLDER.parent):
        if (folder / "glue_scripts").is_dir() and (folder / "include").is_dir():
            return folder
    raise FileNotFoundError(f"glue_scripts/ and include/ are neither in {DAG_FOLDER} nor beside it")


PROJECT = _project()


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names its environment variable."""


def _variable(name: str) -> str:
    return f"STEDI_{name.upper()}"


@dataclass(frozen=True)
class Settings:
    """A deployment sets the environment variables ``STEDI_<FIELD IN CAPITALS>``; it must set those without a default.

    Raises SettingsError.
    """

    #: The bucket for landing files, tables, code and query results.
    bucket: str
    #: The role that Glue assumes to run the jobs.
    glue_role_arn: str
    #: The account that owns the bucket; if not given, that of the role. Nothing is written to a bucket of another.
    account: str = ""
    #: The database in the Glue catalog; its name is in the names of the Glue jobs, too.
    database: str = "stedi"
    athena_workgroup: str = "primary"
    #: Size of a Glue job.
    worker_type: str = "G.1X"
    number_of_workers: int = 2
    #: STANDARD, or FLEX, which costs less and may wait for capacity.
    execution_class: str = "STANDARD"
    #: What a run delivers when it is not told otherwise: a directory, an ``s3://`` prefix, or ``sample``.
    landing: str = "sample"
    #: When a run of the lakehouse starts by itself, in UTC: a cron expression, or one of Airflow's names for one.
    schedule: str = "@daily"
    #: How often a task is tried again, and the seconds between two tries.
    retries: int = 2
    retry_seconds: int = 60
    #: Seconds between two looks at a running job or query.
    poll_seconds: float = 2
    #: Prices in dollars, for the report's estimate: a DPU-hour of a STANDARD job and of a FLEX job, and a TB scanned in
    #: Athena. These are AWS's in us-east-1.
    dpu_hour_price: float = 0.44
    flex_dpu_hour_price: float = 0.29
    athena_tb_price: float = 5.0

    def __post_init__(self) -> None:
        role = re.fullmatch(r"arn:aws[a-z-]*:iam::(\d{12}):role/.+", self.glue_role_arn)
        if not role:
            raise SettingsError(f"{_variable('glue_role_arn')} is {self.glue_role_arn!r}; it must be the ARN of a role")
        object.__setattr__(self, "account", self.account or role[1])
        for name, pattern, rule in (
            ("account", r"\d{12}", "the 12 digits of an AWS account"),
            # Athena takes such a name in every statement without quotes.
            ("database", "[a-z][a-z0-9_]*", "a letter, then letters, digits and underscores, all in lower case"),
            ("execution_class", "STANDARD|FLEX", "STANDARD or FLEX"),
        ):
            if not re.fullmatch(pattern, getattr(self, name)):
                raise SettingsError(f"{_variable(name)} is {getattr(self, name)!r}; it must be {rule}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Raises SettingsError, naming the variable, where one is missing or wrong."""
        given: dict[str, Any] = {}
        for field in fields(cls):
            text, kind = environment.get(_variable(field.name)), field.type
            if not text:
                continue
            try:
                given[field.name] = kind(text)  # type: ignore[operator]
            except ValueError:
                raise SettingsError(f"{_variable(field.name)} is {text!r}; it must be a number") from None
        required = [field.name for field in fields(cls) if field.default is MISSING]
        if missing := [_variable(name) for name in required if name not in given]:
            raise SettingsError(
                f"Set {' and '.join(missing)} in the environment of all Airflow processes: there is no default that "
                "is safe. docs/aws.md lists the settings."
            )
        return cls(**given)

    def job_name(self, job: str) -> str:
        """A job's name in Glue: with the database, so that two lakehouses in one account have jobs of their own."""
        return f"{self.database}_{job}"

    @property
    def athena_output(self) -> str:
        """Where Athena puts the results of the DAG's queries."""
        return f"s3://{self.bucket}/athena-results/"

    @property
    def task_defaults(self) -> dict[str, Any]:
        """The ``default_args`` of a DAG."""
        return {
            "owner": "stedi",
            "retries": self.retries,
            "retry_delay": timedelta(seconds=self.retry_seconds),
            "execution_timeout": timedelta(minutes=10),
        }
