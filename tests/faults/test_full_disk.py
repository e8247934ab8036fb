"""A disk that is full while a job writes: Spark's own, and the one of the whole local AWS."""

import os
import resource
import signal
import time

import pytest
from botocore.exceptions import ClientError

from local_aws import service
from local_aws.glue.processes import processes

from .conftest import BUCKET, Readers, at, reading, writing


@pytest.mark.exhaustive
def test_a_job_whose_spark_can_write_no_file_fails_and_leaves_the_old_table(lake):
    job = "accelerometer_trusted"
    lake.put_back(lake.before[job])

    def no_more_files() -> None:
        # Every write to a file fails from now on, as on a full disk: Spark's shuffles, and what it stages for S3.
        for pid in lake.spark():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    with Readers(lake, job) as readers:
        with at(lake, reading(), no_more_files) as came:
            failed = lake.run(job)
        assert came.is_set()
        assert failed["JobRunState"] == "FAILED"
        assert set(readers.look().values()) == {"old"}

        retried = lake.run(job)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    assert all(readers.history(table) == ["old", "new"] for table in readers.seen)
    assert readers.failed == []


@pytest.mark.exhaustive
def test_a_full_disk_under_the_local_aws_loses_nothing_and_the_retry_ends_green_when_there_is_room(lake, disk):
    job = "customer_trusted"
    lake.put_back(lake.before[job])

    with Readers(lake, job) as readers:
        with at(lake, writing(job), disk.fill) as came:
            run_id = lake.start(job)
            assert came.wait(300)
            while processes(run_id):
                time.sleep(0.1)
        assert set(readers.look().values()) <= {"old", "new"}
        disk.empty()
        failed = lake.wait(job, run_id)
        assert failed["JobRunState"] == "FAILED"
        assert "The local AWS failed" not in failed["ErrorMessage"]
        assert readers.look()[job] == "old"

        retried = lake.run(job)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    assert all(readers.history(table) == ["old", "new"] for table in readers.seen)
    assert readers.failed == []
    os.kill(service._server(lake.aws)["pid"], signal.SIGKILL)
    service.start(lake.aws)
    assert set(readers.look().values()) == {"new"}


def test_what_the_local_aws_cannot_keep_it_refuses(aws, disk):
    s3, glue = aws.client("s3"), aws.client("glue")
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"old")
    glue.create_database(DatabaseInput={"Name": "kept"})

    disk.fill()
    with pytest.raises(ClientError, match="Internal Server Error"):
        s3.put_object(Bucket=BUCKET, Key="kept", Body=b"new")
    with pytest.raises(ClientError, match="is the disk full"):
        glue.create_database(DatabaseInput={"Name": "lost"})
    assert "lost" not in [database["Name"] for database in glue.get_databases()["DatabaseList"]]

    disk.empty()
    os.kill(service._server(aws)["pid"], signal.SIGKILL)
    service.start(aws)
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"old"
    databases = [database["Name"] for database in glue.get_databases()["DatabaseList"]]
    assert ("kept" in databases, "lost" in databases) == (True, False)
