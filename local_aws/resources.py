"""What jobs and queries expect of an account before the first of them runs: a bucket, and a role for Glue."""

import contextlib
import json

from local_aws.settings import REGION, LocalAws

TRUST_GLUE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


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
