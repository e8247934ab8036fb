"""What Glue accepts as a job: checks what a request gives, and fills in Glue's defaults."""

import time
from typing import Any

from local_aws.json_api import ApiError, Json

#: Glue versions with Spark 3.5, Python 3.11 and Java 17: what runs here.
GLUE_VERSIONS = ("5.0", "5.1")
DPUS = {"Standard": 1, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "G.12X": 12, "G.16X": 16}
DPUS |= {"R.1X": 1, "R.2X": 2, "R.4X": 4, "R.8X": 8}
DEFAULT_TIMEOUT = 480  # minutes; Glue's own for these versions


def definition(name: str, given: Json) -> Json:
    """The whole job definition out of what was given. Raises ``ApiError`` where Glue, or the local AWS, refuses it."""
    command = required(given, "Command")
    if command.get("Name") != "glueetl":
        raise invalid(f"Command.Name {command.get('Name')!r}: the local AWS runs Spark jobs only (glueetl).")
    if not command.get("ScriptLocation", "").startswith("s3://"):
        raise invalid("Command.ScriptLocation must be an S3 path (s3://bucket/key).")
    if command.get("PythonVersion", "3") != "3":
        raise invalid(f"Python version {command['PythonVersion']} is not supported; it must be 3.")
    if given.get("GlueVersion") not in GLUE_VERSIONS:
        raise invalid(f"GlueVersion {given.get('GlueVersion')!r} is not supported; use {' or '.join(GLUE_VERSIONS)}.")
    if "Tags" in given:
        raise invalid("The local AWS keeps no tags of jobs.")
    if not 0 <= given.get("MaxRetries", 0) <= 10:
        raise invalid("MaxRetries must be between 0 and 10.")
    checked_class(given.get("ExecutionClass", "STANDARD"))
    now = time.time()
    job = {
        "Name": name,
        "JobMode": "SCRIPT",
        "CreatedOn": now,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": DEFAULT_TIMEOUT,
        "ExecutionClass": "STANDARD",
        **given,
        "Command": {"PythonVersion": "3", **command},
        "LastModifiedOn": now,
    }
    return job | capacity(given) | {"Timeout": checked_timeout(job["Timeout"])}


def invalid(message: str) -> ApiError:
    """Glue's refusal of a request that makes no sense."""
    return ApiError("InvalidInputException", message)


def required(request: Json, key: str) -> Any:
    """A member that must be there and not empty."""
    if not request.get(key):
        raise invalid(f"{key} is required.")
    return request[key]


def checked_timeout(minutes: Any) -> int:
    """A job's timeout, in minutes."""
    if not isinstance(minutes, int) or not 1 <= minutes <= 10080:
        raise invalid("Timeout must be between 1 and 10080 minutes.")
    return minutes


def checked_class(name: str) -> str:
    """A job's execution class; here both run alike."""
    if name not in ("STANDARD", "FLEX"):
        raise invalid(f"ExecutionClass {name!r} is not valid; it must be STANDARD or FLEX.")
    return name


def capacity(given: Json) -> Json:
    """The capacity that a job or a run gets: by workers, or in DPUs (10 if nothing is said)."""
    kind, workers, dpus = (given.get(key) for key in ("WorkerType", "NumberOfWorkers", "MaxCapacity"))
    if kind is None and workers is None:
        dpus = float(10 if dpus is None else dpus)
        return {"MaxCapacity": dpus, "AllocatedCapacity": int(dpus)}
    if kind is None or workers is None:
        raise invalid("WorkerType and NumberOfWorkers must be given together.")
    if dpus is not None and dpus != DPUS.get(kind, 0) * workers:
        raise invalid("Please do not set Max Capacity if using Worker Type and Number of Workers.")
    if kind not in DPUS or workers < 1:
        raise invalid(f"WorkerType {kind} with {workers} workers is not valid.")
    total = DPUS[kind] * workers
    return {"WorkerType": kind, "NumberOfWorkers": workers, "MaxCapacity": float(total), "AllocatedCapacity": total}
