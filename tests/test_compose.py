"""docker-compose.yaml: what can be read off it, and, where a Docker engine answers, the whole of it from nothing."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from dev import airflow_home, lake
from local_aws import resources
from local_aws.settings import free_port, read_env_file
from stedi.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
SERVICES = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
LASTING = {name: service for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
DAG = airflow_home.DAG_ID


def test_ports_are_published_on_loopback_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_lasts_has_a_health_check_and_everything_has_a_memory_limit():
    assert set(LASTING) == {"postgres", "local-aws", "api-server", "scheduler", "dag-processor"}
    assert [name for name, service in LASTING.items() if not service["healthcheck"]["test"]] == []
    assert [name for name, service in SERVICES.items() if not service.get("mem_limit")] == []


def test_no_secret_is_written_down():
    """A secret comes from a file or a command."""
    given = {key: value for service in SERVICES.values() for key, value in service.get("environment", {}).items()}
    for file in ("airflow.env", "stedi.env"):
        given |= read_env_file(PROJECT / "dev" / file)
    secret = {key for key in given if re.search("PASSWORD|SECRET|KEY|TOKEN|CONN", key)}
    assert {key for key in secret if not key.endswith(("_FILE", "_CMD"))} == set()
    assert all("/secrets/" in given[key] for key in secret if key.endswith(("_FILE", "_CMD")))


def test_the_local_aws_has_the_stack_and_the_name_that_airflow_uses():
    command = SERVICES["local-aws"]["command"]
    parameters = dict(word.removeprefix("--parameter=").split("=") for word in command if "--parameter=" in word)
    # The same as those of the commands, or each would deploy the stack anew.
    assert resources.Stack(PROJECT / "infra" / "stedi.yaml", parameters) == lake.stack()
    assert {"--template=infra/stedi.yaml", "--port=4566", "--name=local-aws"} <= set(command)
    assert SERVICES["scheduler"]["environment"]["AWS_ENDPOINT_URL"] == "http://local-aws:4566"


ON_AWS = {
    "AWS_REGION": "eu-central-1",
    "STEDI_BUCKET": "acme-lakehouse",
    "STEDI_GLUE_ROLE_ARN": "arn:aws:iam::123456789012:role/acme-glue",
}


def rendered_on_aws(settings):
    """What ``docker compose config`` makes of both files; skips where there is no compose."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not there")
    command = ["docker", "compose", "--file", "docker-compose.yaml", "--file", "compose.aws.yaml", "config"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **settings}
    return subprocess.run([*command, "--format", "json"], cwd=PROJECT, env=environment, capture_output=True, text=True)


def services_on_aws(**settings):
    """{service: what Docker is told of it}"""
    done = rendered_on_aws(ON_AWS | settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


AIRFLOW = {"migrate", "api-server", "scheduler", "dag-processor"}


def test_on_aws_there_is_no_local_aws_and_nothing_that_points_at_one():
    services = services_on_aws()
    assert set(services) == {"secrets", "postgres", *AIRFLOW}
    assert set(services["scheduler"]["depends_on"]) == {"api-server"}
    for name in AIRFLOW:
        given = services[name]["environment"]
        aws = {key: value for key, value in given.items() if key.startswith("AWS_")}
        assert aws == {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
        assert Settings.from_environment(given) == Settings(
            bucket="acme-lakehouse",
            glue_role_arn="arn:aws:iam::123456789012:role/acme-glue",
            landing="/landing",
            poll_seconds=15,
        )
        assert given["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
        assert "169.254.169.254" in given["NO_PROXY"]
    assert "local-aws:" not in json.dumps(services)


@pytest.mark.parametrize("missing", ON_AWS)
def test_on_aws_compose_says_what_must_be_set(missing):
    done = rendered_on_aws(ON_AWS | {missing: ""})
    assert done.returncode != 0
    assert f"required variable {missing} is missing a value: set it to the" in done.stderr


def test_on_aws_every_setting_reaches_airflow():
    given = {f"STEDI_{field.name.upper()}": f"some {field.name}" for field in dataclasses.fields(Settings)}
    scheduler = services_on_aws(**given)["scheduler"]["environment"]
    assert {name: value for name, value in scheduler.items() if name.startswith("STEDI_")} == given


class Stack:
    """``docker compose`` with a project name, ports and volumes of the test's own."""

    def __init__(self) -> None:
        self.ui, self.environment = free_port(), os.environ | {"LOCAL_AWS_PORT": str(free_port())}
        self.environment["UI_PORT"] = str(self.ui)

    def __call__(self, *arguments: str) -> str:
        command = ["docker", "compose", "--project-name", "stedi-test", *arguments]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, token: str | None = None, body: dict | None = None) -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.ui}/{path}", body and json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)


@pytest.fixture
def stack():
    stack = Stack()
    try:
        stack("version")
        subprocess.run(["docker", "version"], check=True, capture_output=True)
    except (AssertionError, OSError, subprocess.CalledProcessError):
        pytest.skip("no Docker engine with compose answers")
    try:
        yield stack
    finally:
        stack("down", "--volumes")


@pytest.mark.exhaustive
def test_compose_runs_the_lakehouse_from_nothing_and_again_on_what_it_left(stack):
    for _ in range(2):
        stack("up", "--detach", "--wait")
        token = stack.ask("auth/token")["access_token"]
        deadline = time.monotonic() + 900
        run = None
        while not run:
            try:
                run = stack.ask(f"api/v2/dags/{DAG}/dagRuns", token, {"logical_date": None})
            except urllib.error.HTTPError as error:  # the DAG is not read yet
                assert error.code == 404
                assert time.monotonic() < deadline
                time.sleep(1)
        path = f"api/v2/dags/{DAG}/dagRuns/{urllib.request.quote(run['dag_run_id'])}"
        while (state := stack.ask(path, token)["state"]) in ("queued", "running"):
            assert time.monotonic() < deadline
            time.sleep(1)
        assert state == "success", stack("logs", "scheduler")
        sql = "select count(*) as n from machine_learning_curated"
        query = ("python", "-m", "dev", "query", "--format", "csv", "--", sql)
        assert int(stack("exec", "-T", "local-aws", *query).split()[1]) > 0
        stack("down")
