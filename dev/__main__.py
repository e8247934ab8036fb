"""The command line behind the Makefile: ``python -m dev COMMAND``."""

import argparse
import os
import shutil
import signal
import sys

from botocore.exceptions import BotoCoreError, ClientError

from dev.settings import CommandError, display_path, local_aws, local_root
from local_aws.resources import StackError
from local_aws.service import ServiceError

#: The parameters of the DAGs that a command hands over; the DAG itself says which values it accepts.
PARAMETERS = {
    "run": ("consent_policy", "max_rejected", "max_lost"),
    "maintain": ("snapshot_hours", "keep_releases", "orphan_hours"),
}
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


def run(arguments: argparse.Namespace) -> int:
    """Runs the lakehouse once."""
    from dev import airflow_home, run

    conf = run.run_conf({name: getattr(arguments, name) for name in ("landing", *PARAMETERS["run"])})
    return run.run(airflow_home.DAG_ID, conf, keep=arguments.keep)


def maintain(arguments: argparse.Namespace) -> int:
    """Runs the maintenance once, on the lake that is there."""
    from dev import airflow_home, run

    conf = run.run_conf({name: getattr(arguments, name) for name in PARAMETERS["maintain"]})
    return run.run(airflow_home.MAINTENANCE_DAG_ID, conf, keep=True)


def query(arguments: argparse.Namespace) -> int:
    """Asks Athena."""
    from dev import query
    from dev.lake import start_local_aws

    output_format = arguments.format or "table"
    if not arguments.sql.strip():
        raise CommandError('SQL is empty; for example: make query SQL="select count(*) from customer_trusted"')
    if output_format not in query.FORMATS:
        raise CommandError(f"FORMAT is {output_format!r}; it can be {' or '.join(query.FORMATS)}")
    start_local_aws()
    query.show(arguments.sql, output_format, run=arguments.run or "", at=arguments.at or "")
    return 0


def rejected(arguments: argparse.Namespace) -> int:
    """Prints the text of a rejected record."""
    from dev.lake import start_local_aws
    from dev.rejected import rejected_lines

    if not arguments.file or not arguments.position:
        raise CommandError("FILE and POSITION are needed, as in the table landing_quarantine")
    start_local_aws()
    sys.stdout.buffer.write(rejected_lines(arguments.file, arguments.position, arguments.source))
    sys.stdout.buffer.flush()
    return 0


def drop_tables(_: argparse.Namespace) -> int:
    """Drops all tables; the landing zone stays, and the next run rebuilds them."""
    from dev import airflow_home, lake
    from dev.locks import run_lock, ui_lock

    if ui_lock().is_held() and (active := airflow_home.active_runs()):
        raise CommandError(f"the run {active[0]} is active in the Airflow UI; wait for its end, or mark it failed")
    with run_lock().acquired(CommandError("a run uses this lake; wait for it, or end it with `make stop`")):
        lake.start_local_aws()
        lake.drop_tables()
    print("Dropped all tables; the landing zone is as it was. `make run KEEP=1` rebuilds them.")
    return 0


def ui(arguments: argparse.Namespace) -> int:
    """Serves Airflow's UI until Ctrl-C."""
    from dev import ui

    if not arguments.port.isdecimal() or not 0 < int(arguments.port) < 65536:
        raise CommandError(f"UI_PORT is {arguments.port!r}; it must be the number of a port")
    return ui.serve(int(arguments.port), arguments.landing)


def bench(arguments: argparse.Namespace) -> int:
    """Measures what the pipeline costs at several sizes of the data, beside bare scripts."""
    from dev.bench.command import bench

    return bench(arguments.scales, rounds=arguments.rounds, docs=arguments.docs)


def package(_: argparse.Namespace) -> int:
    """Builds what MWAA and Airflow's Helm chart take."""
    from dev.package import build

    print(f"Built {display_path(build())}")
    return 0


def stop(_: argparse.Namespace | None = None) -> int:
    """Ends a run, the UI, a benchmark and the local AWS, those that there are."""
    from dev.locks import bench_lock, run_lock, ui_lock
    from dev.run import STOP_SECONDS
    from local_aws import service

    for name, lock in (("the run", run_lock()), ("the UI", ui_lock()), ("the benchmark", bench_lock())):
        if lock.end_holders(2 * STOP_SECONDS):
            print(f"stopped {name}")
    # With it end the queries that a killed run has left.
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
    subparsers = parser.add_subparsers(required=True)
    commands = {}
    for function in (run, maintain, query, rejected, ui, drop_tables, bench, package, stop, clean):
        command = commands[function.__name__] = subparsers.add_parser(
            function.__name__.replace("_", "-"), help=function.__doc__
        )
        command.set_defaults(function=function)
        for name in PARAMETERS.get(function.__name__, ()):
            command.add_argument(f"--{name.replace('_', '-')}")
    commands["run"].add_argument("--landing", help="a directory or an s3:// prefix")
    commands["run"].add_argument("--keep", action="store_true", help="deliver into the lake that is there")
    commands["query"].add_argument("--format", help="table or csv")
    commands["query"].add_argument("--run", help="the tables as this run has staged them")
    commands["query"].add_argument("--at", help="the tables as this run has released them")
    commands["query"].add_argument("sql")
    commands["rejected"].add_argument("--file", help="its path below the source's folder")
    commands["rejected"].add_argument("--position", help="the number of a line, from 1")
    commands["rejected"].add_argument("--source", help="the landing table, where several have such a file")
    commands["ui"].add_argument("--port", default="8080")
    commands["ui"].add_argument("--landing", help="what the form for a new run proposes")
    commands["bench"].add_argument("--scales", default="", help="such as '1 30 100 30h', which is the default")
    commands["bench"].add_argument("--rounds", type=int, default=3, help="how often a scale up to 1 is measured")
    commands["bench"].add_argument("--docs", action="store_true", help="write docs/benchmark.md too")
    arguments = parser.parse_args()
    isolate()
    # Whatever asks a command to end, it ends what it has started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return int(arguments.function(arguments))
    except (CommandError, ServiceError, StackError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"error: the local AWS failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `make query … | head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


if __name__ == "__main__":
    sys.exit(main())
