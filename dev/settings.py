"""What the commands share: where local state is, which local AWS they use, and the pipeline's own settings."""

import os
from pathlib import Path

from dev import PROJECT
from local_aws.settings import ACCOUNT, LocalAws, default_port, read_env_file
from stedi.delivery import SAMPLE
from stedi.settings import Settings, SettingsError


class CommandError(Exception):
    """Ends a command: its message is one line that tells the user what is wrong."""


def local_root() -> Path:
    """The directory of all local state: ``STEDI_LOCAL``, or ``.local`` in the project."""
    return Path(os.environ.get("STEDI_LOCAL") or PROJECT / ".local").resolve()


def local_aws() -> LocalAws:
    """The local AWS that the commands share: ``LOCAL_AWS_PORT`` (4566), and ``aws`` in the local state."""
    return LocalAws(port=default_port(), state=local_root() / "aws")


def lakehouse_environment() -> dict[str, str]:
    """The pipeline's own settings as environment variables: dev/stedi.env, and what the user has set instead."""
    users = {name: value for name, value in os.environ.items() if name.startswith("STEDI_")}
    # The user's may be those of an AWS account; here there is only this one.
    return {**read_env_file(Path(__file__).with_name("stedi.env")), **users, "STEDI_ACCOUNT": ACCOUNT}


def lakehouse_settings() -> Settings:
    """The pipeline's own settings (bucket, database, workgroup, …); raises ``CommandError``."""
    try:
        return Settings.from_environment(lakehouse_environment())
    except SettingsError as error:
        raise CommandError(str(error)) from None


def landing_source(landing: str) -> str:
    """``sample`` or an ``s3://`` prefix as it is, or the full path of a directory; raises ``CommandError`` if there is
    none."""
    if landing == SAMPLE or landing.startswith("s3://"):
        return landing
    directory = Path(landing).expanduser()
    if not directory.is_dir():
        raise CommandError(f"LANDING is {landing!r}; there is no such directory")
    return str(directory.resolve())


def display_path(path: Path) -> str:
    """A path as a user in the project's directory would type it."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
