"""Where the local AWS keeps its state, and how clients are told of it."""

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse_settings import Settings
from typing import Any

import boto3
from botocore.config import Config

PROJECT = Path(__file__).resolve().parent.parent

REGION = "us-east-1"
#: MiniStack takes any key; twelve digits would choose the account.
ACCESS_KEY = "local"


class CommandError(Exception):
    """Ends a command: its message is one line that tells the user what is wrong."""


def local_root() -> Path:
    """The directory of all local state: ``STEDI_LOCAL``, or ``.local`` in the project."""
    return Path(os.environ.get("STEDI_LOCAL") or PROJECT / ".local").resolve()


def pipeline(module: str) -> ModuleType:
    """A module of the pipeline's, which Airflow finds in its plugins folder."""
    plugins = str(PROJECT / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
    return importlib.import_module(module)


def lakehouse_settings() -> "Settings":
    """The pipeline's own settings (bucket, database, workgroup, …)."""
    return pipeline("lakehouse_settings").Settings.from_environment()


@dataclass(frozen=True)
class LocalAws:
    """One local AWS: the port on 127.0.0.1 that it serves, and the directory that holds all of its state."""

    port: int
    state: Path
    #: How long a Glue job's minute lasts, in seconds: a test of a job's timeout cannot wait for a real one.
    seconds_per_minute: float = 60.0

    @classmethod
    def from_environment(cls) -> "LocalAws":
        """The one that the Makefile's commands share: ``LOCAL_AWS_PORT`` (4566) and ``aws`` in the local state."""
        return cls(port=int(os.environ.get("LOCAL_AWS_PORT", "4566")), state=local_root() / "aws")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_environment(self) -> dict[str, str]:
        """The environment variables that point every AWS client (boto3, PyAthena, Airflow's hooks) here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of one service here, whatever the environment says of endpoints, keys and proxies."""
        return boto3.session.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION).client(
            service, endpoint_url=self.endpoint, config=Config(proxies={}, retries={"max_attempts": 1})
        )
