"""What jobs and queries expect of an account before the first of them runs: a bucket and a role for Glue, or what a
CloudFormation template makes."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from local_aws.settings import REGION, LocalAws

TRUST_GLUE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class StackError(Exception):
    """A template cannot be deployed; the message says which resource failed, and why."""


@dataclass(frozen=True)
class Stack:
    """A CloudFormation template and its parameters; the stack has the name of the file."""

    template: Path
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.template.stem


def deploy(local_aws: LocalAws, stack: Stack) -> bool:
    """Creates the stack in a local AWS that serves, or updates it; False if it is deployed as it is.

    Raises ``StackError``.
    """
    body = stack.template.read_text()
    content = hashlib.sha256(json.dumps([body, dict(stack.parameters)], sort_keys=True).encode()).hexdigest()
    # Asking CloudFormation would take half a second.
    deployed = local_aws.state / f"{stack.name}.deployed"
    if deployed.exists() and deployed.read_text() == content:
        return False
    cloudformation = local_aws.client("cloudformation")
    request = {
        "StackName": stack.name,
        "TemplateBody": body,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    try:
        change = "update" if _exists(cloudformation, stack.name) else "create"
        if change == "create":
            cloudformation.create_stack(**request, OnFailure="DELETE")
        else:
            cloudformation.update_stack(**request)
        waiter = cloudformation.get_waiter(f"stack_{change}_complete")
        waiter.wait(StackName=stack.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    except (ClientError, WaiterError) as error:
        if "No updates are to be performed" not in str(error):
            reason = _reason(cloudformation, stack) or error
            raise StackError(
                f"The stack {stack.name} cannot be deployed: {reason} (The state of the local AWS is in "
                f"{local_aws.state}; if you delete it, the local AWS begins empty.)"
            ) from error
    deployed.write_text(content)
    return True


def _exists(cloudformation: Any, name: str) -> bool:
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError:
        return False
    return str(found[0]["StackStatus"]) != "DELETE_COMPLETE"


def _reason(cloudformation: Any, stack: Stack) -> str:
    """The first failure of a resource in the last deployment; "" if there is none."""
    with contextlib.suppress(ClientError):
        for event in reversed(cloudformation.describe_events(StackName=stack.name)["OperationEvents"]):
            reason = event.get("ValidationStatusReason") or event.get("ResourceStatusReason")
            if reason and event["LogicalResourceId"] != stack.name and "FAILED" in event["OperationStatus"]:
                return f"{event['LogicalResourceId']}: {reason}"
    return ""


def ensure_bucket_and_role(local_aws: LocalAws, bucket: str | None, role: str | None) -> None:
    """Creates the bucket and the Glue role of these names in a local AWS that serves, unless they are there."""
    if bucket:
        s3 = local_aws.client("s3")
        location = {} if REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket, **location)
    if role:
        iam = local_aws.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST_GLUE))
