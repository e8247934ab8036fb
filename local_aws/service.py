"""Starts and stops a local AWS in the background."""

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

from local_aws.resources import Stack, deploy, ensure_bucket_and_role
from local_aws.settings import HEALTH, LOCK, PROJECT, LocalAws

SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 60.0


class ServiceError(Exception):
    """The local AWS could not be started or stopped; the message says what to do."""


def start(
    local_aws: LocalAws, *, bucket: str | None = None, role: str | None = None, stack: Stack | None = None
) -> None:
    """Starts the local AWS unless it runs already, and creates the bucket and the Glue role of these names, or what a
    stack describes.

    Its log is ``<state>/server.log``. Raises ``ServiceError`` if it cannot be started there, and ``StackError``.
    """
    local_aws.state.mkdir(parents=True, exist_ok=True)
    with (local_aws.state / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _wait_for_running_server(local_aws):
            _launch(local_aws)
        if stack:
            deploy(local_aws, stack)
    ensure_bucket_and_role(local_aws, bucket, role)


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


def _server(local_aws: LocalAws) -> dict[str, int] | None:
    """The process and port of the server that lives on this state directory: whoever holds its lock is the server."""
    with contextlib.suppress(FileNotFoundError), (local_aws.state / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            # Written right after the lock is taken.
            for _ in range(100):
                if text := (local_aws.state / LOCK).read_text():
                    server: dict[str, int] = json.loads(text)
                    return server
                time.sleep(0.01)
    return None


def _wait_for_running_server(local_aws: LocalAws) -> bool:
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
        return response.status == 200 and bool(health["state"] == str(local_aws.state.resolve()))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        connection.close()
