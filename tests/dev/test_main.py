"""The command line: wrong values, and how the commands keep out of each other's way."""

import os
import subprocess
import sys

import pytest

from local_aws.settings import free_port

from .conftest import PROJECT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--landing", "nowhere"], "error: LANDING is 'nowhere'; there is no such directory\n"),
        (["query", "--format", "xml", "--", "select 1"], "error: FORMAT is 'xml'; it can be table or csv\n"),
        (["ui", "--port", "http"], "error: UI_PORT is 'http'; it must be the number of a port\n"),
        (["rejected", "--file", "a.json"], "error: FILE and POSITION are needed, as in the table landing_quarantine\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_wrong_value_is_an_error_of_one_line_and_nothing_is_started(local, command, arguments, message):
    failed = command(*arguments)
    assert (failed.returncode, failed.stderr, failed.stdout) == (1, message, "")
    assert not local.exists()


def test_a_value_that_the_dag_does_not_accept_starts_no_local_aws(local, command):
    failed = command("run", "--max-lost", "5")
    assert (failed.returncode, failed.stderr, failed.stdout) == (
        1,
        "error: MAX_LOST: 5 is greater than the maximum of 1\n",
        "",
    )
    assert not (local / "aws").exists()


def test_an_empty_query_says_how_to_ask(local, command):
    failed = command("query", "--", " ")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: SQL is empty; for example: make query SQL=")


@pytest.mark.parametrize("name", ["run", "drop-tables"])
def test_a_command_that_changes_the_lake_does_not_start_during_a_run(local, command, held, name):
    with held(local / "run.lock"):
        failed = command(name)
    assert failed.returncode == 1
    assert failed.stderr.endswith("wait for it, or end it with `make stop`\n")
    assert not (local / "aws").exists()


def test_the_ui_does_not_start_during_a_run(local, command, held):
    with held(local / "run.lock"):
        failed = command("ui", "--port", str(free_port()))
    assert failed.stderr == "error: `make run` is running; start the UI when it has ended\n"


@pytest.mark.parametrize(("lock", "what"), [("run.lock", "the run"), ("bench/bench.lock", "the benchmark")])
def test_stop_ends_the_process_that_holds_the_lock(local, command, held, lock, what):
    with held(local / lock) as holder:
        stopped = command("stop")
        assert holder.wait(10) == -15
    assert stopped.stdout == f"stopped {what}\n"


def test_a_benchmark_of_no_scale_is_an_error_of_one_line_and_nothing_is_started(local, command):
    failed = command("bench", "--scales", "1 x")
    assert failed.stderr == "error: SCALES has 'x'; a scale is a number like 30, or 30h: all in the same hour\n"
    assert not local.exists()


def test_clean_forgets_the_state_and_keeps_what_is_installed(local, command):
    for name in ("aws/s3/object", "airflow/airflow.db", "summary.json", "jars/a.jar", "uv/bin/uv"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text("")
    assert command("clean").returncode == 0
    assert sorted(path.name for path in local.iterdir()) == ["jars", "uv"]


def test_the_users_own_aws_profile_and_airflow_do_not_reach_the_commands(local):
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
