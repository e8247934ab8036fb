"""Where the lakehouse lives: every setting of the DAG, from the environment, in one place."""

import os
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Settings:
    """The defaults suit a local AWS; a deployment sets the environment variables ``STEDI_<FIELD IN CAPITALS>``."""

    #: The bucket for landing files, tables, code and query results.
    bucket: str = "stedi-lakehouse"
    #: The database in the Glue catalog.
    database: str = "stedi"
    #: The role that Glue assumes to run the jobs.
    glue_role_arn: str = "arn:aws:iam::000000000000:role/stedi-glue"
    athena_workgroup: str = "primary"
    #: Size of a Glue job.
    worker_type: str = "G.1X"
    number_of_workers: int = 2
    #: What a run delivers when it is not told otherwise: a directory or an ``s3://`` prefix.
    landing: str = str(PROJECT / "include" / "sample")
    #: When a run of the lakehouse starts by itself, in UTC: a cron expression, or one of Airflow's names for one.
    schedule: str = "@daily"
    #: How often a task is tried again, and the seconds between two tries.
    retries: int = 2
    retry_seconds: int = 60
    #: Seconds between two looks at a running job or query.
    poll_seconds: float = 2

    @classmethod
    def from_environment(cls) -> "Settings":
        """Raises ValueError, naming the variable, where a number is not one."""
        given = {}
        for name, kind in cls.__annotations__.items():
            text = os.environ.get(f"STEDI_{name.upper()}")
            if not text:
                continue
            try:
                given[name] = kind(text)
            except ValueError:
                raise ValueError(f"STEDI_{name.upper()} is {text!r}; it must be a number") from None
        return cls(**given)

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
