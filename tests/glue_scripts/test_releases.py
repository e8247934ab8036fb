"""What the maintenance does with releases: the last one is compacted and released again, old ones go."""

import sys

import pytest
from staged_table import Table

import stedi_maintenance
from lakehouse import staging
from lakehouse.errors import MainMovedError
from lakehouse.releases import read_releases, write_release


class Lake:
    """One table, its releases, and their maintenance."""

    def __init__(self, spark, folder, monkeypatch):
        self.spark, self.folder, self.monkeypatch = spark, str(folder), monkeypatch
        self.table = Table(spark)
        self.released = 0

    def release(self, run, *numbers):
        snapshot = self.table.release(run, *numbers)
        self.released += 1
        row = {"run_id": run, "released_at": self.released, "consent_policy": "customer", "code": "c"}
        row |= {"parameters": "{}", "table_name": self.table.table, "snapshot_id": snapshot, "records": len(numbers)}
        write_release(self.spark, self.folder, staging.tag_name(run), [row])
        return snapshot

    def maintain(self, snapshot_hours=24, keep_releases=2):
        arguments = {"database": "staging", "tables": self.table.table, "landing": self.folder, "orphan_hours": 24}
        arguments |= {"snapshot_hours": snapshot_hours, "keep_releases": keep_releases}
        argv = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
        self.monkeypatch.setattr(sys, "argv", ["stedi_maintenance", *argv])
        stedi_maintenance.main()
        self.spark.catalog.clearCache()
        self.spark.sql(f"REFRESH TABLE {self.table.name}")

    def last(self):
        """(run, snapshot, rows) of the last release."""
        [row] = read_releases(self.spark, self.folder)[0]
        return row["run_id"], row["snapshot_id"], row["records"]

    def references(self):
        return set(map(str, self.table.iceberg.refs().keySet().toArray()))


@pytest.fixture
def lake(spark, tmp_path, monkeypatch):
    return Lake(spark, tmp_path, monkeypatch)


MANY = range(8)  # files, which are worth compacting


def test_the_compacted_tables_are_released_again_under_the_same_run_with_the_same_rows(lake):
    snapshot = lake.release("first", *MANY)
    lake.maintain()
    assert lake.table.main() != snapshot
    assert lake.last() == ("first", lake.table.main(), len(MANY))
    assert lake.table.rows() == lake.table.rows(f".tag_{staging.tag_name('first')}") == list(MANY)


def test_a_release_that_needs_no_compacting_is_not_released_again(lake):
    lake.release("first", *MANY)
    lake.maintain()
    lake.maintain()
    assert len(read_releases(lake.spark, lake.folder)) == 2


def test_so_many_releases_stay_as_the_parameter_says(lake):
    for run in ("first", "second", "third"):
        lake.release(run, 1)
    lake.maintain(keep_releases=2)
    assert {name for name in lake.references() if name.startswith("release")} == {
        staging.tag_name(run) for run in ("second", "third")
    }


def test_with_no_hours_the_last_release_is_all_that_stays(lake):
    for run in ("first", "second"):
        lake.release(run, 1)
    lake.table.stage("red", 9, base=lake.table.main())
    lake.maintain(snapshot_hours=0, keep_releases=2)
    assert lake.references() == {"main", staging.tag_name("second")}
    assert len(list(lake.table.iceberg.snapshots())) == 1


def test_what_a_red_run_has_staged_stays_as_long_as_snapshots_do(lake):
    lake.release("first", 1)
    lake.table.stage("red", 9, base=lake.table.main())
    lake.maintain(snapshot_hours=24)
    assert staging.branch_name("red") in lake.references()


def test_a_maintenance_that_was_killed_before_it_released_is_completed_by_the_next(lake, monkeypatch):
    lake.release("first", *MANY)
    with monkeypatch.context() as patched:
        patched.setattr(stedi_maintenance, "write_release", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lake.maintain()
    lake.maintain()
    assert lake.last() == ("first", lake.table.main(), len(MANY))


def test_half_of_a_release_is_not_released_by_the_maintenance(lake):
    lake.release("first", 1)
    lake.table.release("second", 2)  # and killed before it was a release
    with pytest.raises(MainMovedError, match=r"not what the last release has, first: .*Clear its task publish"):
        lake.maintain()
