"""Where the local AWS keeps its state, and how clients are told of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

PROJECT = Path(__file__).resolve().parent.parent

REGION = "us-east-1"
#: MiniStack takes any key; twelve digits would choose the account.
ACCESS_KEY = "local"


@dataclass(frozen=True)
class LocalAws:
    """One local AWS: the port on 127.0.0.1 that it serves, and the directory that holds all of its state."""

    port: int
    state: Path
    #: How long a Glue job's minute lasts, in seconds: a test of a job's timeout cannot wait for a real one.
    seconds_per_minute: float = 60.0

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
