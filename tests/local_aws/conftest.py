"""One local AWS for the tests of this directory: a real server, real Spark, on a free port of its own."""

from collections.abc import Iterator

import pytest

from local_aws import service
from local_aws.settings import LocalAws, free_port
from tests.local_aws.glue_jobs import BUCKET, ROLE, Jobs


@pytest.fixture(scope="session")
def aws(tmp_path_factory) -> Iterator[LocalAws]:
    """A running local AWS, with a bucket and a Glue role; a job's minute lasts a tenth of a second."""
    local_aws = LocalAws(free_port(), tmp_path_factory.mktemp("aws"), seconds_per_minute=0.1)
    service.start(local_aws, bucket=BUCKET, role=ROLE)
    yield local_aws
    service.stop(local_aws)


@pytest.fixture
def own_aws(tmp_path) -> Iterator[LocalAws]:
    """A local AWS that one test may kill: running, with the bucket and the role."""
    local_aws = LocalAws(free_port(), tmp_path / "aws")
    service.start(local_aws, bucket=BUCKET, role=ROLE)
    yield local_aws
    service.stop(local_aws)


@pytest.fixture
def jobs(aws) -> Jobs:
    return Jobs(aws)
