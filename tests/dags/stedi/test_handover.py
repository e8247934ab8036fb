from stedi.handover import delete_handovers


def keys(s3, bucket):
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_the_handovers_of_runs_that_have_ended_are_deleted_and_nothing_else(s3, bucket):
    for key in ("handover/manual__2026@3A1/job/part-0.parquet", "handover/now/job/_SUCCESS", "warehouse/t/data"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert delete_handovers(s3, bucket, keep=lambda run_id: run_id == "now") == ["manual__2026:1"]
    assert keys(s3, bucket) == {"handover/now/job/_SUCCESS", "warehouse/t/data"}


def test_a_bucket_without_handovers_is_left_alone(s3, bucket):
    assert delete_handovers(s3, bucket, keep=lambda run_id: False) == []
