"""Airflow on this machine: its environment, and what the commands read and mark in its metadata database."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dev import PROJECT
from dev.settings import CommandError, display_path, lakehouse_environment, local_root
from local_aws.settings import read_env_file

DAGS = PROJECT / "dags"
DAG_ID = "stedi_lakehouse"
MAINTENANCE_DAG_ID = "stedi_maintenance"
_DAGS = f"('{DAG_ID}', '{MAINTENANCE_DAG_ID}')"
#: A task in one of these states waits for, or is in the hands of, a process that executes it.
_UNFINISHED_TASK = ("scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule")


def home() -> Path:
    """``AIRFLOW_HOME``: settings with generated secrets, metadata database, logs. Only its owner may read it."""
    path = local_root() / "airflow"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def logs() -> Path:
    """The directory of all of Airflow's logs; a task's own are where Airflow's UI looks for them."""
    path = home() / "logs"
    path.mkdir(exist_ok=True)
    return path


def environment(ui_port: int = 8080) -> dict[str, str]:
    """The environment of every Airflow process. What the user has set for an Airflow of their own does not get in.

    Fernet key, API secret and JWT secret are not here: Airflow generates them into ``airflow.cfg`` at its first start.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {
        **read_env_file(Path(__file__).with_name("airflow.env")),
        **inherited,
        **lakehouse_environment(),
        # Who calls, in the local AWS's record of calls.
        "AWS_ACCESS_KEY_ID": "airflow",
        "AIRFLOW_HOME": str(home()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ui_port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ui_port),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs()),
    }


def prepare() -> None:
    """Creates or upgrades the metadata database, once for each version of Airflow."""
    stamp = home() / "migrated"
    if stamp.exists() and stamp.read_text() == version("apache-airflow"):
        return
    log = logs() / "migrate.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=environment(), stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise CommandError(f"Airflow's metadata database could not be prepared; see {display_path(log)}")
    stamp.write_text(version("apache-airflow"))


def _database() -> sqlite3.Connection:
    # autocommit, each statement its own transaction; the wait covers an Airflow process that is writing
    return sqlite3.connect(home() / "airflow.db", timeout=30, isolation_level=None)


def active_runs() -> list[str]:
    """The ids of the DAGs' runs that are running or queued."""
    with closing(_database()) as database:
        query = (
            f"SELECT run_id FROM dag_run WHERE dag_id IN {_DAGS} AND state IN ('running', 'queued') ORDER BY run_after"
        )
        return [run_id for (run_id,) in database.execute(query)]


def fail_abandoned_runs(*, only_of_make_run: bool) -> None:
    """Marks as failed the runs that no process executes any more; the caller knows that there is none.

    only_of_make_run: leaves alone the runs that a scheduler looks after.
    """
    whose = "AND triggered_by = 'TEST'" if only_of_make_run else ""
    runs = f"SELECT dag_id, run_id FROM dag_run WHERE dag_id IN {_DAGS} AND state IN ('running', 'queued') {whose}"
    unfinished = ", ".join(f"'{state}'" for state in _UNFINISHED_TASK)
    values = {"now": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")}
    with closing(_database()) as database:
        database.execute(
            f"UPDATE task_instance SET state = 'failed', end_date = :now "
            f"WHERE (dag_id, run_id) IN ({runs}) AND state IN ({unfinished})",
            values,
        )
        database.execute(
            f"UPDATE dag_run SET state = 'failed', end_date = :now WHERE (dag_id, run_id) IN ({runs})", values
        )


def pause(paused: bool) -> None:
    """Pauses the DAGs, so that a scheduler leaves their runs alone, or lets the scheduler have them."""
    with closing(_database()) as database:
        database.execute(f"UPDATE dag SET is_paused = ? WHERE dag_id IN {_DAGS}", (paused,))
