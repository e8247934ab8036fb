"""Starting and stopping the local AWS."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws import service
from local_aws.settings import LocalAws, free_port
from tests.local_aws.glue_jobs import BUCKET, processes_with


@pytest.fixture
def new_aws(tmp_path):
    """A local AWS that does not run yet."""
    local_aws = LocalAws(free_port(), tmp_path / "aws")
    yield local_aws
    service.stop(local_aws)


def test_a_start_of_what_runs_changes_nothing(aws):
    before = service._server(aws)

    service.start(aws, bucket=BUCKET)

    assert service._server(aws) == before


def test_two_starts_at_once_give_one_server(new_aws):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: service.start(new_aws, bucket=BUCKET, role="glue"), range(4)))

    servers = [p for p in processes_with(str(new_aws.state)) if b"local_aws.server" in (p / "cmdline").read_bytes()]
    assert [int(process.name) for process in servers] == [service._server(new_aws)["pid"]]


def test_it_runs_after_a_start_and_not_after_a_stop(new_aws):
    assert not service.is_running(new_aws)
    service.start(new_aws)
    assert service.is_running(new_aws)

    service.stop(new_aws)

    assert not service.is_running(new_aws)
    assert processes_with(str(new_aws.state)) == []
    service.stop(new_aws)  # of what does not run: nothing


def test_a_port_that_another_program_holds_is_a_clear_error(new_aws):
    with socket.socket() as other:
        other.bind(("127.0.0.1", new_aws.port))
        other.listen()

        with pytest.raises(service.ServiceError, match=f"Port {new_aws.port} is held by another program"):
            service.start(new_aws)

    assert not service.is_running(new_aws)


def test_a_state_directory_serves_on_one_port_only(aws):
    with pytest.raises(service.ServiceError, match=f"already serves on port {aws.port}"):
        service.start(LocalAws(free_port(), aws.state))
