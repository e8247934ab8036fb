"""Turns a job run into a script to run: its files in a directory of its own, and what it asks of a JVM."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local_aws.glue import spark
from local_aws.glue.jvm import JvmSettings, Script
from local_aws.glue.processes import RUN_ID_VARIABLE
from local_aws.json_api import Json
from local_aws.settings import LocalAws

#: Arguments that Glue itself acts on; the script does not see them.
GLUE_ARGUMENTS = ("--conf", "--extra-py-files", "--datalake-formats")
UNSUPPORTED = ("--additional-python-modules", "--extra-jars", "--extra-files", "--user-jars-first")


class LaunchError(Exception):
    """The run cannot start: the message becomes the run's."""


def prepare(
    local_aws: LocalAws, s3: Any, run: Json, script: str, arguments: dict[str, str], directory: Path
) -> tuple[JvmSettings, Script]:
    """Makes the run's directory; gives what the run asks of a JVM, and its script.

    script: the script's ``s3://`` location; s3: a boto3 client. Raises ``LaunchError``.
    """
    directory.mkdir()
    for name in ("output", "error"):
        (directory / name).touch()
    for name in UNSUPPORTED:
        if name in arguments:
            raise LaunchError(f"LAUNCH ERROR | The local AWS does not support {name}.")
    formats = arguments.get("--datalake-formats", "")
    if formats not in ("", "iceberg"):
        raise LaunchError(f"LAUNCH ERROR | --datalake-formats {formats}: the local AWS knows iceberg only.")
    conf = dict(
        pair.partition("=")[::2] for pair in re.split(r"\s+--conf\s+", arguments.get("--conf", "").strip()) if pair
    )
    script_file = _fetch(s3, script, directory / "script")
    extra = [uri.strip() for uri in arguments.get("--extra-py-files", "").split(",") if uri.strip()]
    packages = [_fetch(s3, uri, directory / "packages") for uri in extra]
    arguments = {"--JOB_ID": f"j_{run['JobName']}", "--JOB_RUN_ID": run["Id"], "--JOB_NAME": run["JobName"]} | {
        key: value for key, value in arguments.items() if key not in GLUE_ARGUMENTS
    }
    environment = spark.environment(local_aws, directory) | {RUN_ID_VARIABLE: run["Id"]}
    # A module is found beside the packages, what is in a package inside it.
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [directory / "packages", *packages] if packages else []))
    words = [word for argument in arguments.items() for word in argument]
    return JvmSettings(conf, iceberg=formats == "iceberg"), Script(
        directory, script_file, run["JobName"], packages, words, environment
    )


def _fetch(s3: Any, uri: str, directory: Path) -> Path:
    """Downloads one S3 object into a directory of the run."""
    directory.mkdir(exist_ok=True)
    parts = urlsplit(uri)
    path = directory / Path(parts.path).name
    try:
        s3.download_file(parts.netloc, parts.path.lstrip("/"), str(path))
    except (ClientError, ValueError) as error:
        raise LaunchError(f"LAUNCH ERROR | File Doesn't Exist: {uri}") from error
    return path
