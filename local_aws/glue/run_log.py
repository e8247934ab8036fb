"""Carries what a job run and its Spark write on to CloudWatch Logs, as it comes."""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

LOG_GROUP = "/aws-glue/jobs"
#: A run's files, and the log group that each goes to.
GROUPS = {"output": f"{LOG_GROUP}/output", "error": f"{LOG_GROUP}/error"}
KEPT_LOG = 5_000_000  # bytes of each file that go to the logs

logger = logging.getLogger("local_aws")


class RunLog:
    """The log streams of one run, whose id is their name. ``logs`` is a boto3 client."""

    def __init__(self, logs: Any, directory: Path, run_id: str) -> None:
        self._logs = logs
        self._directory = directory
        self._stream = run_id
        self._read = dict.fromkeys(GROUPS, 0)

    def create(self) -> None:
        """Creates the run's two log streams."""
        for group in GROUPS.values():
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_group(logGroupName=group)
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_stream(logGroupName=group, logStreamName=self._stream)

    def ship(self, *, last: bool = False) -> None:
        """Sends the whole lines that were not sent yet; at the ``last`` call also an unfinished one."""
        for name, group in GROUPS.items():
            with (self._directory / name).open("rb") as file:
                file.seek(self._read[name])
                new = file.read(max(0, KEPT_LOG - self._read[name]))
            new = new if last else new[: new.rfind(b"\n") + 1]
            self._read[name] += len(new)
            lines = [line for line in new.decode(errors="replace").splitlines() if line.strip()]
            if new and self._read[name] >= KEPT_LOG:
                lines.append(f"... cut here; all of it is in {self._directory / name}")
            try:
                self._put(group, lines)
            except (BotoCoreError, ClientError):  # a job does not fail for want of its log
                logger.exception("The log of run %s", self._stream)

    def delete(self) -> None:
        """Deletes the run's two log streams, if they are there."""
        for group in GROUPS.values():
            with contextlib.suppress(ClientError):
                self._logs.delete_log_stream(logGroupName=group, logStreamName=self._stream)

    def _put(self, group: str, lines: list[str]) -> None:
        for start in range(0, len(lines), 1000):
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": line} for line in lines[start : start + 1000]]
            self._logs.put_log_events(logGroupName=group, logStreamName=self._stream, logEvents=events)
