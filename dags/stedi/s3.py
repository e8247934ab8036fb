"""The S3 client of the DAGs."""

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from stedi.settings import Settings


def s3_client(settings: Settings) -> Any:
    """A boto3 client for which the lakehouse's bucket is there only as long as the account of the settings owns it.

    Names of buckets are everybody's: one that is deleted, or mistyped, can be somebody else's.
    """
    s3 = S3Hook().get_conn()

    def expect_owner(params: dict[str, Any], model: Any, **_: Any) -> None:
        # For each request that a call takes: a large upload has many.
        if params.get("Bucket") == settings.bucket and "ExpectedBucketOwner" in model.input_shape.members:
            params["ExpectedBucketOwner"] = settings.account

    s3.meta.events.register("provide-client-params.s3", expect_owner)
    return s3
