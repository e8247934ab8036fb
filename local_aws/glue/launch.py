"""Turns a job run into a ``spark-submit``: its files in a directory of its own, its command, its environment."""

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local_aws.glue import class_archive, spark
from local_aws.glue.jars import spark_home
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
) -> tuple[list[str], dict[str, str]]:
    """Makes the run's directory; gives the command and its whole environment.

    script: the script's ``s3://`` location; s3: a boto3 client. Raises ``LaunchError``, and ``JarsError``.
    """
    directory.mkdir()
    for name in ("stdout", "stderr"):
        (directory / name).touch()
    for name in UNSUPPORTED:
        if name in arguments:
            raise LaunchError(f"LAUNCH ERROR | The local AWS does not support {name}.")
    formats = arguments.get("--datalake-formats", "")
    if formats not in ("", "iceberg"):
        raise LaunchError(f"LAUNCH ERROR | --datalake-formats {formats}: the local AWS knows iceberg only.")
    iceberg = formats == "iceberg"
    settings = dict(
        pair.partition("=")[::2] for pair in re.split(r"\s+--conf\s+", arguments.get("--conf", "").strip()) if pair
    )
    catalogs = [match[1] for key in settings if (match := re.fullmatch(r"spark\.sql\.catalog\.([^.]+)", key))]
    script_file = _fetch(s3, script, directory / "script")
    extra = [uri.strip() for uri in arguments.get("--extra-py-files", "").split(",") if uri.strip()]
    packages = [_fetch(s3, uri, directory / "packages") for uri in extra]
    runner = shutil.copy(Path(__file__).with_name("run_script.py"), directory / "run_script.py")
    spark.write_log4j2(directory / "log4j2.properties")
    java = f"-Dlog4j2.configurationFile={(directory / 'log4j2.properties').as_uri()}"
    # Java asks no environment where its temporary files go: what a killed run had staged for S3 would stay in /tmp.
    java += f' "-Djava.io.tmpdir={directory / "tmp"}"'
    java += f" {class_archive.options(directory)}" if iceberg else ""
    local = spark.settings(local_aws, catalogs=catalogs) | {"spark.driver.extraJavaOptions": java}
    spark.write_properties(directory / "spark.properties", local)
    command: list[str | Path] = [spark_home() / "bin" / "spark-submit", "--name", run["JobName"]]
    command += ["--properties-file", directory / "spark.properties"]
    for key, value in settings.items():
        command += ["--conf", f"{key}={value}"]
    command += ["--py-files", ",".join(map(str, packages))] if packages else []
    command += [runner, directory / "error.json", script_file]
    command += ["--JOB_ID", f"j_{run['JobName']}", "--JOB_RUN_ID", run["Id"], "--JOB_NAME", run["JobName"]]
    for key, value in arguments.items():
        command += [] if key in GLUE_ARGUMENTS else [key, value]
    environment = spark.submit_environment(local_aws, directory, iceberg=iceberg)
    return list(map(str, command)), environment | {RUN_ID_VARIABLE: run["Id"]}


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
