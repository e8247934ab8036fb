"""Where the local AWS keeps its state, and how clients are told of it."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

REGION = "us-east-1"
#: MiniStack takes any key; twelve digits would choose the account.
ACCESS_KEY = "local"


@dataclass(frozen=True)
class LocalAws:
    """One local AWS: the port on 127.0.0.1 that it serves, and the directory that holds all of its state."""

    port: int
    state: Path

    @classmethod
    def from_environment(cls) -> "LocalAws":
        """The one that the Makefile's commands share: ``LOCAL_AWS_PORT`` (4566) and ``.local/aws``."""
        return cls(port=int(os.environ.get("LOCAL_AWS_PORT", "4566")), state=PROJECT / ".local" / "aws")

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
