"""The stack on a local AWS: it is created, updated and deleted, and what becomes of the bucket."""

import os
import signal
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from local_aws import service
from local_aws.resources import Stack, StackError, deploy
from local_aws.settings import LocalAws, free_port
from tests.infra.policies import BUCKET, DATABASE, PARAMETERS, ROLE, TEMPLATE

STACK = Stack(TEMPLATE, PARAMETERS)


@pytest.fixture(scope="module")
def started_aws(tmp_path_factory):
    local_aws = LocalAws(port=free_port(), state=tmp_path_factory.mktemp("stack"))
    service.start(local_aws)
    yield local_aws
    service.stop(local_aws)


@pytest.fixture
def empty_aws(started_aws):
    yield started_aws
    delete(started_aws)
    s3, glue = started_aws.client("s3"), started_aws.client("glue")
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    with suppress(glue.exceptions.EntityNotFoundException):
        glue.delete_database(Name=DATABASE)
    (started_aws.state / "stedi.deployed").unlink(missing_ok=True)


def delete(aws):
    cloudformation = aws.client("cloudformation")
    cloudformation.delete_stack(StackName="stedi")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="stedi", WaiterConfig={"Delay": 0.1})


def resources(aws):
    """{logical id: physical id}"""
    found = aws.client("cloudformation").describe_stack_resources(StackName="stedi")["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}


def workgroup(aws, name):
    return aws.client("athena").get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]


def test_a_new_stack_has_what_the_lakehouse_needs_and_outlives_a_kill(empty_aws):
    assert deploy(empty_aws, STACK)
    os.kill(service._server(empty_aws)["pid"], signal.SIGKILL)
    service.start(empty_aws)

    s3, iam, glue = (empty_aws.client(name) for name in ("s3", "iam", "glue"))
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    assert glue.get_database(Name=DATABASE)["Database"]["Name"] == DATABASE
    [trust] = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "glue.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "000000000000"}}
    [attached] = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    assert attached["PolicyArn"] == resources(empty_aws)["GluePolicy"]
    for name, prefix in ((DATABASE, "athena-results"), (f"{DATABASE}-readers", "reader-results")):
        configuration = workgroup(empty_aws, name)
        assert configuration["EnforceWorkGroupConfiguration"]
        assert configuration["EngineVersion"]["SelectedEngineVersion"] == "Athena engine version 3"
        assert configuration["ResultConfiguration"]["OutputLocation"] == f"s3://{BUCKET}/{prefix}/"
        assert configuration["ResultConfiguration"]["ExpectedBucketOwner"] == "000000000000"


def test_a_workgroup_decides_where_its_results_go(empty_aws):
    deploy(empty_aws, STACK)
    athena = empty_aws.client("athena")

    elsewhere = {"OutputLocation": f"s3://{BUCKET}/athena-results/"}
    query = athena.start_query_execution(
        QueryString="select 1", WorkGroup=f"{DATABASE}-readers", ResultConfiguration=elsewhere
    )

    execution = athena.get_query_execution(QueryExecutionId=query["QueryExecutionId"])["QueryExecution"]
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{BUCKET}/reader-results/")


def test_it_is_deployed_once_and_then_only_when_it_has_changed(empty_aws):
    service.start(empty_aws, stack=STACK)
    events = empty_aws.client("cloudformation").describe_stack_events(StackName="stedi")["StackEvents"]

    service.start(empty_aws, stack=STACK)
    assert empty_aws.client("cloudformation").describe_stack_events(StackName="stedi")["StackEvents"] == events

    before = resources(empty_aws)
    assert deploy(empty_aws, Stack(TEMPLATE, PARAMETERS | {"BytesScannedPerQuery": "20000000"}))
    assert resources(empty_aws) == before
    assert int(workgroup(empty_aws, DATABASE)["BytesScannedCutoffPerQuery"]) == 20_000_000


def test_a_changed_policy_replaces_the_one_that_was_there(empty_aws, tmp_path):
    deploy(empty_aws, STACK)
    changed = tmp_path / TEMPLATE.name
    changed.write_text(TEMPLATE.read_text().replace("Action: logs:GetLogEvents", "Action: logs:FilterLogEvents"))

    assert deploy(empty_aws, Stack(changed, PARAMETERS))

    iam, arn = empty_aws.client("iam"), resources(empty_aws)["DagPolicy"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    actions = {s["Sid"]: s["Action"] for s in document["Statement"]}
    assert actions["ReadJobLogs"] == "logs:FilterLogEvents"


def test_a_deleted_stack_leaves_the_bucket_and_the_database_and_nothing_else(empty_aws):
    deploy(empty_aws, STACK)
    made = resources(empty_aws)
    s3 = empty_aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="customer_landing/1.json", Body=b"{}")

    delete(empty_aws)

    assert s3.get_object(Bucket=BUCKET, Key="customer_landing/1.json")["Body"].read() == b"{}"
    assert empty_aws.client("glue").get_database(Name=DATABASE)
    iam = empty_aws.client("iam")
    for gone in (
        lambda: iam.get_role(RoleName=ROLE),
        lambda: iam.get_policy(PolicyArn=made["DagPolicy"]),
        lambda: iam.get_policy(PolicyArn=made["ReaderPolicy"]),
        lambda: workgroup(empty_aws, DATABASE),
    ):
        with pytest.raises(ClientError):
            gone()
    assert empty_aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws-glue")["logGroups"] == []


def test_a_stack_that_cannot_be_made_says_what_failed_and_leaves_nothing(empty_aws):
    empty_aws.client("s3").create_bucket(Bucket=BUCKET)

    with pytest.raises(StackError, match=f"Lake: Resource of type .* with identifier '{BUCKET}' already exists"):
        deploy(empty_aws, STACK)

    with pytest.raises(ClientError):
        empty_aws.client("iam").get_role(RoleName=ROLE)
