"""Spark killed with SIGKILL while a job works: its readers, its tables, its retry."""

import os
import signal

import pytest

from stedi.tables import WRITTEN_TABLES

from .conftest import WRITES, Moment, Readers, after_commit, at, before_commit, reading, writing
from .proxy import CUT


def moments(job: str) -> list[Moment]:
    return [reading(), *(moment(table) for table in WRITES[job] for moment in (writing, before_commit, after_commit))]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("job", "moment"), [(job, moment) for job in WRITES for moment in moments(job)], ids=str)
def test_a_killed_job_shows_readers_the_old_or_the_new_table_and_its_retry_ends_as_if_undisturbed(
    lake, job, moment: Moment
):
    lake.put_back(lake.before[job])
    tables = WRITES[job]
    committed = tables[: tables.index(moment.table) + moment.after] if moment.table else []

    with Readers(lake, job) as readers:

        def look_and_kill() -> int:
            readers.look()
            for pid in lake.spark():
                os.kill(pid, signal.SIGKILL)
            return CUT

        with at(lake, moment, look_and_kill) as came:
            killed = lake.run(job)
        assert came.is_set()
        assert killed["ErrorMessage"] == "Command failed with exit code -9: the job was killed by signal 9"
        assert readers.look() == {table: "new" if table in committed else "old" for table in tables}

        retried = lake.run(job)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    # The retry stages a table anew, which only the jobs of the run see.
    again = [table for table in committed if table in WRITTEN_TABLES]
    seen = {table: ["old", "new"] * (2 if table in again else 1) for table in tables}
    assert {table: readers.history(table) for table in tables} == seen
    assert readers.failed == []
