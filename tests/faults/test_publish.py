"""The publishing of a run: killed at any moment, or met by another writer."""

import json
import os
import signal

import pyarrow as pa
import pytest

from stedi.tables import WRITTEN_TABLES

from .conftest import BUCKET, DATABASE, Lake, Moment, at
from .proxy import CUT, Request


def moments() -> list[Moment]:
    """For each table: its metadata written, its commit, and after that; then the release, and after that."""

    def metadata(table: str) -> Moment:
        def of(request: Request) -> bool:
            return request.method == "PUT" and f"/warehouse/{table}/metadata/" in request.path

        return Moment("metadata of", table, of)

    def commit(table: str, after: bool) -> Moment:
        name = "after the commit of" if after else "before the commit of"
        return Moment(name, table, lambda request: request.table == table, after=after)

    def release(after: bool) -> Moment:
        def of(request: Request) -> bool:
            return request.method == "PUT" and "/releases/release_" in request.path

        return Moment("after the release" if after else "before the release", "", of, after=after)

    of_tables = [[metadata(table), commit(table, False), commit(table, True)] for table in WRITTEN_TABLES]
    return [*(moment for found in of_tables for moment in found), release(False), release(True)]


#: Run by default: half-way.
REPRESENTATIVE = "after_the_commit_of_customers_curated"


@pytest.fixture
def unpublished(lake) -> Lake:
    """The second run has staged its tables, and the checks have read them."""
    lake.put_back(lake.before["publish"])
    s3 = lake.aws.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/")["Contents"]]
    for key in keys:
        if b'"second"' in s3.get_object(Bucket=BUCKET, Key=key)["Body"].read():
            s3.delete_object(Bucket=BUCKET, Key=key)
    return lake


def publish(lake: Lake) -> dict:
    audited = json.dumps(lake.audited)
    return lake.run("publish", audited=audited, landing=f"s3://{BUCKET}", code="", parameters="")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(moment, marks=() if str(moment) == REPRESENTATIVE else pytest.mark.exhaustive)
        for moment in moments()
    ],
    ids=str,
)
def test_a_killed_publishing_shows_one_release_to_those_who_read_by_releases_and_its_retry_completes_it(
    unpublished, moment: Moment
):
    lake = unpublished
    first = {table: lake.published(table) for table in WRITTEN_TABLES}
    second = {table: lake.content(table) for table in WRITTEN_TABLES}
    assert all(first[table] != second[table] for table in WRITTEN_TABLES)

    def kill() -> int:
        for pid in lake.spark():
            os.kill(pid, signal.SIGKILL)
        return CUT

    with at(lake, moment, kill) as came:
        killed = publish(lake)
    assert came.is_set()
    assert killed["JobRunState"] == "FAILED"
    assert lake.released() == (second if moment.after and not moment.table else first)
    assert all(lake.published(table) in (first[table], second[table]) for table in WRITTEN_TABLES)

    retried = publish(lake)

    assert retried["JobRunState"] == "SUCCEEDED", retried
    assert lake.released() == {table: lake.published(table) for table in WRITTEN_TABLES} == second


def test_a_table_that_something_else_has_changed_keeps_all_tables_from_being_published(unpublished):
    lake, table = unpublished, unpublished.catalog.load_table((DATABASE, "step_trainer_trusted"))
    table.append(pa.Table.from_pylist(table.scan().to_arrow().to_pylist()[:1], schema=table.schema().as_arrow()))
    before = {name: lake.published(name) for name in WRITTEN_TABLES}
    released = lake.released()

    run = publish(lake)

    assert run["JobRunState"] == "FAILED"
    assert (
        f"step_trainer_trusted has the snapshot {table.refresh().current_snapshot().snapshot_id}" in run["ErrorMessage"]
    )
    assert {name: lake.published(name) for name in WRITTEN_TABLES} == before
    assert lake.released() == released
