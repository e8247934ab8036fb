"""A local AWS on which the template is deployed."""

import pytest

from local_aws import service
from local_aws.resources import Stack
from local_aws.settings import LocalAws, free_port
from tests.infra import policies


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """A local AWS with the stack, and with everything that is optional."""
    local_aws = LocalAws(port=free_port(), state=tmp_path_factory.mktemp("infra"))
    service.start(local_aws, stack=Stack(policies.TEMPLATE, policies.ALL))
    yield local_aws
    service.stop(local_aws)
