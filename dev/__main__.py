"""The commands behind the Makefile: ``python -m dev {run,maintain,query,ui,stop,clean}``."""

import argparse
import os
import shutil
import sys

from botocore.exceptions import BotoCoreError, ClientError

from dev.settings import CommandError, local_aws, local_root
from local_aws.service import ServiceError

#: What ``clean`` leaves, since it is installed and not state.
INSTALLED = {"uv", "jars"}


def isolate() -> None:
    """Points this process and all it starts at the local AWS, whatever AWS account or proxy the user has set."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(local_aws().client_environment())
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))
    # A job or a query on this machine takes seconds, and what made it fail does not go away in a minute.
    os.environ.setdefault("STEDI_POLL_SECONDS", "0.2")
    os.environ.setdefault("STEDI_RETRY_SECONDS", "5")


def run(arguments: argparse.Namespace) -> int:
    """Runs the lakehouse once."""
    from dev import run

    shares = {"max_refused": arguments.max_refused, "max_lost": arguments.max_lost}
    return run.run(arguments.landing, arguments.consent_policy, arguments.match_on, keep=arguments.keep, **shares)


def maintain(arguments: argparse.Namespace) -> int:
    """Runs the maintenance once."""
    from dev import run

    return run.maintain(arguments.snapshot_hours, arguments.orphan_hours)


def query(arguments: argparse.Namespace) -> int:
    """Asks Athena."""
    from dev import query, run

    output_format = arguments.format or "table"
    if not arguments.sql.strip():
        raise CommandError('SQL is empty; for example: make query SQL="select count(*) from customer_trusted"')
    if output_format not in query.FORMATS:
        raise CommandError(f"FORMAT is {output_format!r}; it can be {' or '.join(query.FORMATS)}")
    run.start_local_aws()
    query.show(arguments.sql, output_format)
    return 0


def ui(arguments: argparse.Namespace) -> int:
    """Serves Airflow's UI until Ctrl-C."""
    from dev import ui

    if not arguments.port.isdecimal() or not 0 < int(arguments.port) < 65536:
        raise CommandError(f"UI_PORT is {arguments.port!r}; it must be a port's number")
    return ui.ui(int(arguments.port), arguments.landing)


def stop(_: argparse.Namespace | None = None) -> int:
    """Ends a run, the UI and the local AWS, those that there are."""
    from dev.run import STOP_SECONDS, run_lock, ui_lock
    from local_aws import service

    for name, lock in (("the run", run_lock()), ("the UI", ui_lock())):
        if lock.end_holders(2 * STOP_SECONDS):
            print(f"stopped {name}")
    if service.is_running(local_aws()):
        service.stop(local_aws())
        print("stopped the local AWS")
    return 0


def clean(_: argparse.Namespace) -> int:
    """Stops everything, and deletes the local state: the lake, Airflow's database and logs, the summary."""
    stop()
    for path in local_root().glob("*"):
        if path.name not in INSTALLED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 0


def main() -> int:
    """Runs the command that the arguments name; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev", description="See `make help`.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run", help=run.__doc__)
    command.set_defaults(function=run)
    command.add_argument("--landing", help="a directory or an s3:// prefix")
    command.add_argument("--consent-policy")
    command.add_argument("--match-on")
    command.add_argument("--max-refused")
    command.add_argument("--max-lost")
    command.add_argument("--keep", action="store_true", help="deliver into the lake that is there")
    command = commands.add_parser("maintain", help=maintain.__doc__)
    command.set_defaults(function=maintain)
    command.add_argument("--snapshot-hours")
    command.add_argument("--orphan-hours")
    command = commands.add_parser("query", help=query.__doc__)
    command.set_defaults(function=query)
    command.add_argument("--format", help="table or csv")
    command.add_argument("sql")
    command = commands.add_parser("ui", help=ui.__doc__)
    command.set_defaults(function=ui)
    command.add_argument("--port", default="8080")
    command.add_argument("--landing", help="what the form proposes")
    for function in (stop, clean):
        commands.add_parser(function.__name__, help=function.__doc__).set_defaults(function=function)
    arguments = parser.parse_args()
    isolate()
    try:
        return arguments.function(arguments)
    except (CommandError, ServiceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"error: the local AWS did not answer as it should: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `make query … | head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


if __name__ == "__main__":
    sys.exit(main())
