"""The commands of the Makefile as a user types them: what they refuse, what they print, how they stop."""

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dev import airflow_home, query, run
from dev.locks import Lock
from local_aws.settings import free_port

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A directory of local state of the test's own."""
    monkeypatch.setenv("STEDI_LOCAL", str(tmp_path / "local"))
    monkeypatch.setenv("LOCAL_AWS_PORT", str(free_port()))
    return tmp_path / "local"


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "dev", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def held(path):
    """Another process's lock on a file, as a command at work holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from dev.locks import Lock\n"
            "with Lock(Path(sys.argv[1])).acquired(Exception('taken')): print('held', flush=True); time.sleep(60)",
            str(path),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--landing", "nowhere"], "error: LANDING is 'nowhere'; there is no such directory\n"),
        (["run", "--consent-policy", "x"], "error: CONSENT_POLICY is 'x'; it can be customer or reading_time\n"),
        (["run", "--match-on", "x"], "error: MATCH_ON is 'x'; it can be customer_and_time or time\n"),
        (["run", "--max-refused", "5"], "error: MAX_REFUSED is '5'; it must be a share, from 0 to 1\n"),
        (
            ["maintain", "--orphan-hours", "-1"],
            "error: ORPHAN_HOURS is '-1'; it must be a whole number of hours, 0 to 8760\n",
        ),
        (["query", "--format", "xml", "--", "select 1"], "error: FORMAT is 'xml'; it can be table or csv\n"),
        (["ui", "--port", "http"], "error: UI_PORT is 'http'; it must be a port's number\n"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else None,
)
def test_a_wrong_value_is_refused_in_one_line_and_nothing_is_started(local, arguments, message):
    refused = command(*arguments)
    assert (refused.returncode, refused.stderr, refused.stdout) == (1, message, "")
    assert not local.exists()


def test_an_empty_query_says_how_to_ask(local):
    refused = command("query", "--", " ")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: SQL is empty; for example: make query SQL=")


def test_a_landing_directory_that_lacks_a_folder_is_refused_with_its_name(tmp_path):
    (tmp_path / "customer").mkdir()
    (tmp_path / "step_trainer").mkdir()
    with pytest.raises(run.CommandError, match=r"it lacks accelerometer/$"):
        run.run_conf(str(tmp_path), None, None)


def test_a_relative_landing_directory_reaches_the_dag_as_a_full_path(tmp_path, monkeypatch):
    for zone in run.LANDING_ZONES:
        (tmp_path / "data" / zone).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert run.run_conf("data", "", "time") == {"landing": str(tmp_path / "data"), "match_on": "time"}


def test_an_s3_prefix_is_not_looked_for_on_the_disk():
    assert run.run_conf("s3://deliveries/today", None, None) == {"landing": "s3://deliveries/today"}


def test_a_second_run_is_refused_while_the_first_is_at_work(local):
    with held(local / "run.lock"):
        refused = command("run")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: another run is at work on this lake")
    assert not (local / "aws").exists()


def test_the_ui_does_not_start_while_a_run_is_at_work(local):
    with held(local / "run.lock"):
        refused = command("ui", "--port", str(free_port()))
    assert refused.stderr == "error: `make run` is at work; start the UI when it has ended\n"


def test_a_lock_ends_with_the_process_that_was_killed(local):
    with held(local / "run.lock") as holder:
        assert Lock(local / "run.lock").is_held()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not Lock(local / "run.lock").is_held()


def test_stop_ends_the_process_that_works_under_the_lock(local):
    with held(local / "run.lock") as holder:
        stopped = command("stop")
        assert holder.wait(10) == -signal.SIGTERM
    assert stopped.stdout == "stopped the run\n"


def test_stop_leaves_a_process_alone_whose_id_was_used_before(local):
    path = local / "run.lock"
    local.mkdir()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            path.write_text(json.dumps([[bystander.pid, 1.0]]))
            assert Lock(path).end_holders(seconds=0.2)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_clean_forgets_the_state_and_keeps_what_is_installed(local):
    for name in ("aws/s3/object", "airflow/airflow.db", "summary.json", "jars/a.jar", "uv/bin/uv"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text("")
    assert command("clean").returncode == 0
    assert sorted(path.name for path in local.iterdir()) == ["jars", "uv"]


@pytest.fixture
def runs(local):
    """A metadata database with an active run of ``make run`` and one of the scheduler; gives their states."""
    with closing(sqlite3.connect(airflow_home.home() / "airflow.db")) as database:
        database.executescript(
            """
            CREATE TABLE dag_run (dag_id, run_id, state, triggered_by, run_after, end_date);
            CREATE TABLE task_instance (dag_id, run_id, task_id, state, end_date);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'by_hand', 'running', 'UI', 1, NULL);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'make_run', 'running', 'TEST', 2, NULL);
            INSERT INTO dag_run VALUES ('stedi_maintenance', 'make_maintain', 'running', 'TEST', 3, NULL);
            INSERT INTO dag_run VALUES ('somebody_elses', 'theirs', 'running', 'TEST', 4, NULL);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'earlier', 'success', 'TEST', 0, NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'make_run', 'done', 'success', NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'make_run', 'at_work', 'running', NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'by_hand', 'at_work', 'running', NULL);
            """
        )
        yield lambda table: database.execute(f"SELECT * FROM {table} ORDER BY run_id, 3").fetchall()


def test_a_run_that_was_killed_is_marked_failed_and_the_schedulers_is_left_alone(runs):
    airflow_home.fail_abandoned_runs(only_of_make_run=True)
    assert {row[1]: row[2] for row in runs("dag_run")} == {
        "by_hand": "running",
        "make_run": "failed",
        "make_maintain": "failed",
        "theirs": "running",
        "earlier": "success",
    }
    assert {(row[1], row[2]): row[3] for row in runs("task_instance")} == {
        ("make_run", "done"): "success",
        ("make_run", "at_work"): "failed",
        ("by_hand", "at_work"): "running",
    }
    assert airflow_home.active_runs() == ["by_hand"]


def test_without_a_scheduler_no_run_stays_active(runs):
    airflow_home.fail_abandoned_runs(only_of_make_run=False)
    assert airflow_home.active_runs() == []


def test_neither_an_aws_profile_nor_an_airflow_of_the_users_gets_into_the_commands(local):
    script = (
        "import os; from dev.__main__ import isolate; from dev import airflow_home; isolate()\n"
        "environment = airflow_home.environment()\n"
        "print(*sorted(v for k, v in environment.items() if 'theirs' in v))\n"
        "print(environment['AWS_ENDPOINT_URL'], environment['AWS_SHARED_CREDENTIALS_FILE'])"
    )
    names = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AIRFLOW_HOME", "AIRFLOW__CORE__X")
    theirs = dict.fromkeys(names, "theirs")
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=os.environ | theirs, capture_output=True, text=True, check=True
    )
    endpoint = f"http://127.0.0.1:{os.environ['LOCAL_AWS_PORT']}"
    assert process.stdout.splitlines() == ["", f"{endpoint} {os.devnull}"]


def test_csv_quotes_what_needs_it_and_leaves_null_empty(capsys):
    query.print_csv(["a", "b"], [["x,y", None], ['"', "1"]])
    assert capsys.readouterr().out == 'a,b\n"x,y",\n"""",1\n'


def test_a_table_is_not_cut_at_the_width_of_a_terminal_that_is_none(capsys):
    query.print_table(["text"], iter([["x" * 300], ["[bold]"], [None]]))
    printed = capsys.readouterr().out
    assert "x" * 300 in printed
    assert "[bold]" in printed
    assert "NULL" in printed
    assert printed.endswith("3 rows\n")


def test_a_table_says_when_there_are_more_rows_than_it_shows(capsys):
    query.print_table(["n"], ([str(n)] for n in range(query.TABLE_ROWS + 1)))
    printed = capsys.readouterr().out
    assert f"the first {query.TABLE_ROWS} rows; FORMAT=csv prints all" in printed
    assert str(query.TABLE_ROWS) not in printed.split("the first")[0]


def make(target, *variables):
    """What ``make`` hands to the command: the arguments, seen by a Python that only prints them."""
    return subprocess.run(
        ["make", "--no-print-directory", "-f", PROJECT / "Makefile", "-o", "install", target, *variables],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def printing_python(tmp_path):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    return f"PYTHON={program}"


@pytest.mark.parametrize(
    "sql",
    [
        """select "it's", 'a "b"' from t""",
        'select * from "customer_trusted$snapshots"',
        "select 1\nfrom t -- # `id` $(shell touch evil) \\",
        "-- a comment\nselect 1",
    ],
)
def test_make_hands_sql_over_as_it_was_written(printing_python, sql):
    assert json.loads(make("query", printing_python, f"SQL={sql}").stdout)[-1] == sql


def test_make_hands_the_options_of_a_run_over(printing_python):
    made = make("run", printing_python, "LANDING=a b/c", "CONSENT_POLICY=reading_time", "KEEP=1")
    assert json.loads(made.stdout) == (
        [
            "-m",
            "dev",
            "run",
            "--landing",
            "a b/c",
            "--consent-policy",
            "reading_time",
            "--match-on",
            "",
            "--max-refused",
            "",
            "--max-lost",
            "",
            "--keep",
        ]
    )


def test_make_hands_the_hours_of_a_maintenance_over(printing_python):
    made = make("maintain", printing_python, "SNAPSHOT_HOURS=0", "ORPHAN_HOURS=48")
    assert json.loads(made.stdout)[2:] == ["maintain", "--snapshot-hours", "0", "--orphan-hours", "48"]


def test_make_alone_lists_every_target():
    listed = make("help").stdout
    targets = next(line for line in (PROJECT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert [target for target in targets.split()[2:] if f"make {target}" not in listed] == []
    # Without the option, make under make (as in `make test`) announces the directory that it enters.
    alone = subprocess.run(["make", "--no-print-directory"], cwd=PROJECT, capture_output=True, text=True)
    assert alone.stdout == listed
