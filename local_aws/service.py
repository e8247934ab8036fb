"""Starts and stops the local AWS in the background, gives it what ``infra/`` gives a real account, and empties it."""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

from local_aws.server import HEALTH, LOCK
from local_aws.settings import PROJECT, REGION, LocalAws

SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 60.0
TRUST_GLUE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class ServiceError(Exception):
    """The local AWS could not be started or stopped; the message says what to do."""


def start(local_aws: LocalAws, *, bucket: str | None = None, role: str | None = None) -> None:
    """Starts the local AWS unless it runs already, and creates the bucket and the Glue role of these names.

    Its log is ``<state>/server.log``. Raises ``ServiceError`` if it cannot be started there.
    """
    local_aws.state.mkdir(parents=True, exist_ok=True)
    with (local_aws.state / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _wait_for_the_one_there(local_aws):
            _launch(local_aws)
    furnish(local_aws, bucket, role)


def furnish(local_aws: LocalAws, bucket: str | None, role: str | None) -> None:
    """Creates the bucket and the Glue role of these names in the local AWS that serves, unless they are there."""
    if bucket:
        s3 = local_aws.client("s3")
        location = {} if REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket, **location)
    if role:
        iam = local_aws.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST_GLUE))


def stop(local_aws: LocalAws) -> None:
    """Stops the local AWS, with the runs under way, and returns when all is saved. Does nothing if it does not run."""
    server = _server(local_aws)
    if server is None:
        return
    os.kill(server["pid"], signal.SIGTERM)
    deadline = time.monotonic() + SECONDS_TO_STOP
    while _server(local_aws) is not None:
        if time.monotonic() > deadline:
            raise ServiceError(f"The local AWS (process {server['pid']}) did not end in {SECONDS_TO_STOP:.0f} s.")
        time.sleep(0.05)


def is_running(local_aws: LocalAws) -> bool:
    """Whether the local AWS answers on its port, with its state directory."""
    server = _server(local_aws)
    return server is not None and server["port"] == local_aws.port and _answers(local_aws)


def reset_lake(local_aws: LocalAws, bucket: str, database: str) -> None:
    """Leaves an empty lake: no object in the bucket, no database with its tables, no Glue job with its runs."""
    glue = local_aws.client("glue")
    for page in glue.get_paginator("get_jobs").paginate():
        for job in page["Jobs"]:
            glue.delete_job(JobName=job["Name"])
    with contextlib.suppress(glue.exceptions.EntityNotFoundException):
        tables = [
            t["Name"] for p in glue.get_paginator("get_tables").paginate(DatabaseName=database) for t in p["TableList"]
        ]
        for table in tables:
            glue.delete_table(DatabaseName=database, Name=table)
        glue.delete_database(Name=database)
    s3 = local_aws.client("s3")
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        while objects := s3.list_objects_v2(Bucket=bucket).get("Contents"):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": o["Key"]} for o in objects], "Quiet": True})


def _server(local_aws: LocalAws) -> dict | None:
    """The process and port of the server that lives on this state directory: whoever holds its lock is the server."""
    with contextlib.suppress(FileNotFoundError), (local_aws.state / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            # Written right after the lock is taken.
            for _ in range(100):
                if text := (local_aws.state / LOCK).read_text():
                    return json.loads(text)
                time.sleep(0.01)
    return None


def _wait_for_the_one_there(local_aws: LocalAws) -> bool:
    """Whether a server is there and answers; one that is about to end is waited for, and is then not there."""
    deadline = time.monotonic() + SECONDS_TO_STOP
    while server := _server(local_aws):
        if server["port"] != local_aws.port:
            raise ServiceError(f"The local AWS of {local_aws.state} already serves on port {server['port']}.")
        if _answers(local_aws):
            return True
        if time.monotonic() > deadline:
            raise ServiceError(
                f"The local AWS (process {server['pid']}) is there and does not answer. {_log(local_aws)}"
            )
        time.sleep(0.05)
    return False


def _launch(local_aws: LocalAws) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", local_aws.port))
        except OSError as error:
            raise ServiceError(
                f"Port {local_aws.port} is held by another program ({error.strerror}). End it, or choose another port "
                "with LOCAL_AWS_PORT."
            ) from error
    command = [sys.executable, "-m", "local_aws.server", "--port", str(local_aws.port), "--state", str(local_aws.state)]
    command += ["--seconds-per-minute", str(local_aws.seconds_per_minute)]
    with (local_aws.state / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + SECONDS_TO_START
    while not _answers(local_aws):
        if process.poll() is not None:
            raise ServiceError(f"The local AWS ended at once. {_log(local_aws)}")
        if time.monotonic() > deadline:
            process.terminate()
            raise ServiceError(f"The local AWS does not answer after {SECONDS_TO_START:.0f} s. {_log(local_aws)}")
        time.sleep(0.05)


def _log(local_aws: LocalAws) -> str:
    log = local_aws.state / "server.log"
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([f"The end of {log}:", *lines])


def _answers(local_aws: LocalAws) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", local_aws.port, timeout=5)
    try:
        connection.request("GET", HEALTH)
        response = connection.getresponse()
        health = json.loads(response.read())
        return response.status == 200 and health["state"] == str(local_aws.state.resolve())
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        connection.close()
