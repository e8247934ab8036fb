"""The S3 client of the DAGs, in an account that owns the bucket and for one that does not."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from dev.settings import lakehouse_settings
from stedi.delivery import SAMPLE, deliver
from stedi.glue_code import upload_code
from stedi.handover import delete_handovers
from stedi.s3 import s3_client
from stedi.settings import PROJECT


@pytest.fixture
def settings(aws_environment, bucket):
    return replace(lakehouse_settings(), bucket=bucket)


@pytest.fixture
def stranger(settings):
    """The client of somebody who takes the bucket for one of another account."""
    return s3_client(replace(settings, account="123456789012"))


def test_a_client_reads_and_writes_in_a_bucket_of_its_account(settings, bucket):
    s3 = s3_client(settings)
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


@pytest.mark.parametrize("megabytes", [1, 17], ids=["at_once", "in_parts"])
def test_nothing_is_uploaded_or_copied_to_a_bucket_of_another_account(stranger, s3, bucket, tmp_path, megabytes):
    file = tmp_path / "readings.json"
    file.write_bytes(bytes(megabytes * 2**20))
    source = f"{bucket}-source"
    s3.create_bucket(Bucket=source)
    s3.upload_file(str(file), source, "readings.json")
    with pytest.raises(Exception, match="Access Denied"):
        stranger.upload_file(str(file), bucket, "uploaded")
    with pytest.raises(ClientError, match="Access Denied"):
        stranger.copy({"Bucket": source, "Key": "readings.json"}, bucket, "copied")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_the_steps_before_the_jobs_fail_on_a_bucket_of_another_account(stranger, s3, bucket):
    s3.put_object(Bucket=bucket, Key="handover/run/a", Body=b"")
    for step in (
        lambda: deliver(stranger, SAMPLE, bucket),
        lambda: upload_code(stranger, PROJECT / "glue_scripts", bucket),
        lambda: delete_handovers(stranger, bucket, keep=lambda run_id: False),
    ):
        with pytest.raises(ClientError, match="Access Denied"):
            step()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["handover/run/a"]
