"""S3 and Glue answer with errors, or are gone for a while."""

import os
import signal
from itertools import count
from threading import Lock

import pytest

from local_aws import service

from .conftest import WRITES, Readers, after_commit, at, before_commit
from .proxy import CUT, Request


def old_then_new(readers: Readers) -> bool:
    return all(readers.history(table) == ["old", "new"] for table in readers.seen)


def test_a_job_succeeds_although_s3_fails_every_fifth_request(lake):
    job = "accelerometer_trusted"
    lake.put_back(lake.before[job])
    number, failed, lock = count(1), [], Lock()

    def every_fifth(request: Request) -> int | None:
        with lock:
            if request.action or next(number) % 5:
                return None
            failed.append((503, 500)[len(failed) % 2])
            return failed[-1]

    with Readers(lake, job) as readers:
        lake.proxy.before = every_fifth
        run = lake.run(job)

    assert run["JobRunState"] == "SUCCEEDED", run
    assert len(failed) > 10
    assert old_then_new(readers)
    assert readers.failed == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("job", WRITES)
def test_a_job_that_s3_lets_write_nothing_fails_and_leaves_the_old_table(lake, job):
    lake.put_back(lake.before[job])
    with Readers(lake, job) as readers:
        lake.proxy.before = lambda request: 500 if request.method == "PUT" and f"/{job}/data/" in request.path else None
        failed = lake.run(job)
        assert failed["JobRunState"] == "FAILED"
        assert readers.look()[job] == "old"

        lake.proxy.recover()
        retried = lake.run(job)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    assert old_then_new(readers)
    assert readers.failed == []


@pytest.mark.parametrize(
    "job",
    ["customers_curated", *(pytest.param(job, marks=pytest.mark.exhaustive) for job in WRITES if "curated" not in job)],
)
def test_a_commit_whose_answer_is_lost_stays_whole(lake, job):
    lake.put_back(lake.before[job])
    with Readers(lake, job) as readers:
        # The client then tries a second time, and learns that somebody has changed the table: itself.
        with at(lake, after_commit(job), lambda: 503) as came:
            run = lake.run(job)
        assert came.is_set()
        assert readers.look()[job] == "new"
        if run["JobRunState"] != "SUCCEEDED":
            assert lake.run(job)["JobRunState"] == "SUCCEEDED"

    assert old_then_new(readers)
    assert readers.failed == []


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "moment",
    [before_commit("machine_learning_curated"), after_commit("machine_learning_curated")],
    ids=str,
)
def test_a_killed_local_aws_has_the_old_or_the_new_table_when_it_is_back_and_the_retry_ends_green(lake, moment):
    job = "machine_learning_curated"
    lake.put_back(lake.before[job])

    def kill_and_restart() -> int:
        os.kill(service._server(lake.aws)["pid"], signal.SIGKILL)
        service.start(lake.aws)
        return CUT

    with Readers(lake, job, outage=True) as readers:
        with at(lake, moment, kill_and_restart) as came:
            failed = lake.run(job)
        assert came.is_set()
        assert failed["ErrorMessage"].startswith("The local AWS died while the job was running")
        assert readers.look()[job] == ("new" if moment.after else "old")

        retried = lake.run(job)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    assert old_then_new(readers)
