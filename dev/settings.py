"""What the commands share: where local state is, which local AWS they use, and the pipeline's own settings."""

import os
from pathlib import Path

from dev import PROJECT
from local_aws.settings import LocalAws
from stedi.settings import Settings


class CommandError(Exception):
    """Ends a command: its message is one line that tells the user what is wrong."""


def local_root() -> Path:
    """The directory of all local state: ``STEDI_LOCAL``, or ``.local`` in the project."""
    return Path(os.environ.get("STEDI_LOCAL") or PROJECT / ".local").resolve()


def local_aws() -> LocalAws:
    """The local AWS that the commands share: ``LOCAL_AWS_PORT`` (4566), and ``aws`` in the local state."""
    return LocalAws(port=int(os.environ.get("LOCAL_AWS_PORT", "4566")), state=local_root() / "aws")


def lakehouse_settings() -> Settings:
    """The pipeline's own settings (bucket, database, workgroup, …)."""
    return Settings.from_environment()
