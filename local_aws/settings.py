"""Where a local AWS keeps its state, how clients are pointed at it, and the environment variables that it knows."""

import functools
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

#: The directory that holds this package.
PROJECT = Path(__file__).resolve().parent.parent


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file that `docker compose` reads too: NAME=value lines, and comments."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


#: What points an AWS client here, beside the endpoint.
_CLIENT_VARIABLES = read_env_file(Path(__file__).with_name("client.env"))
REGION = _CLIENT_VARIABLES["AWS_REGION"]
#: The access key of clients that are given no other. Any key is taken; it says in the record of calls who called.
ACCESS_KEY = _CLIENT_VARIABLES["AWS_ACCESS_KEY_ID"]
#: The access key of the Glue jobs, and of what Glue does in the name of their role.
GLUE_KEY = "glue"

#: The account that owns everything here.
ACCOUNT = "000000000000"

HEALTH = "/_local_aws/health"
#: The file that a server locks for as long as it lives; it says which process that is.
LOCK = "server.lock"


@dataclass(frozen=True)
class LocalAws:
    """One local AWS: the port on 127.0.0.1 that it serves, and the directory that holds all of its state."""

    port: int
    state: Path
    #: How long a minute of Glue lasts, in seconds: a test of a job's timeout, or of an idle JVM, cannot wait for a real
    #: one.
    seconds_per_minute: float = 60.0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_environment(self, key: str = ACCESS_KEY) -> dict[str, str]:
        """The environment variables that point every AWS client (boto3, PyAthena, Airflow's hooks) here."""
        return {"AWS_ENDPOINT_URL": self.endpoint, **_CLIENT_VARIABLES, "AWS_ACCESS_KEY_ID": key}

    def client(self, service: str, key: str = ACCESS_KEY) -> Any:
        """A boto3 client of one service here, whatever the environment says of endpoints, keys and proxies."""
        with _one_at_a_time:
            return _session().client(
                service,
                REGION,
                endpoint_url=self.endpoint,
                aws_access_key_id=key,
                aws_secret_access_key=key,
                config=Config(proxies={}, retries={"max_attempts": 1}),
            )


#: Two threads may not make a client at once.
_one_at_a_time = threading.Lock()


@functools.cache
def _session() -> boto3.session.Session:
    """One for all clients: each session would read the descriptions of the AWS services again, for 0.15 s."""
    return boto3.session.Session()


def default_port() -> int:
    """``LOCAL_AWS_PORT``, or 4566."""
    return int(os.environ.get("LOCAL_AWS_PORT") or 4566)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def jars_directory() -> Path:
    """The directory of Spark's jars: ``LOCAL_AWS_JARS``, or ``.local/jars`` beside this package."""
    return Path(os.environ.get("LOCAL_AWS_JARS") or PROJECT / ".local" / "jars")


def calls_file() -> Path | None:
    """``LOCAL_AWS_CALLS``: the file to which a server writes each call, for ``local_aws.calls``."""
    name = os.environ.get("LOCAL_AWS_CALLS")
    return Path(name) if name else None


def java_options() -> str:
    """``LOCAL_AWS_JAVA_OPTIONS``: more options for the Java of all Glue jobs."""
    return os.environ.get("LOCAL_AWS_JAVA_OPTIONS", "")
