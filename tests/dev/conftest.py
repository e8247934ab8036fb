"""Local state of the tests' own, and the commands as a user types them."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev import lake
from local_aws import service
from local_aws.settings import LocalAws, free_port

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A directory of local state that does not exist yet."""
    monkeypatch.setenv("STEDI_LOCAL", str(tmp_path / "local"))
    monkeypatch.setenv("LOCAL_AWS_PORT", str(free_port()))
    return tmp_path / "local"


@pytest.fixture(scope="session")
def started_aws(tmp_path_factory):
    root = tmp_path_factory.mktemp("dev")
    with pytest.MonkeyPatch.context() as environment:
        aws = LocalAws(free_port(), root / "aws")
        environment.setenv("STEDI_LOCAL", str(root))
        environment.setenv("LOCAL_AWS_PORT", str(aws.port))
        lake.start_local_aws()
    yield aws
    service.stop(aws)


@pytest.fixture
def lake_aws(started_aws, monkeypatch):
    """A running local AWS, which the commands find."""
    monkeypatch.setenv("STEDI_LOCAL", str(started_aws.state.parent))
    monkeypatch.setenv("LOCAL_AWS_PORT", str(started_aws.port))
    for name, value in started_aws.client_environment().items():
        monkeypatch.setenv(name, value)
    return started_aws


@pytest.fixture
def command():
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "dev", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=240
        )

    return run


@pytest.fixture
def held():
    """Another process's lock on a file, as a running command holds it."""

    @contextmanager
    def hold(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        script = (
            "import sys, time; from pathlib import Path; from dev.locks import Lock\n"
            "with Lock(Path(sys.argv[1])).acquired(Exception('taken')): print('held', flush=True); time.sleep(60)"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()
            holder.wait()

    return hold
