"""The check of a run against the releases before: in Athena, on a few rows."""

import json
import uuid
from dataclasses import replace

import pytest
from athena_client import Athena

from dev.settings import lakehouse_settings
from stedi.table_definitions import statements
from stedi.tables import TABLES, WRITTEN_TABLES
from tests.checks.conftest import SQL

POLICY = "customer"


class Lake:
    """A database of its own with what earlier runs left in job_figures and releases."""

    def __init__(self, aws, bucket):
        self.s3 = aws.client("s3")
        self.names = {"database": f"history_{uuid.uuid4().hex[:8]}", "written": WRITTEN_TABLES}
        self.bucket = bucket
        self.athena = Athena(aws, bucket, "default")
        settings = replace(lakehouse_settings(), bucket=bucket, database=self.names["database"])
        tables = [TABLES["job_figures"], TABLES["releases"]]
        for ddl in (f"CREATE DATABASE {settings.database}", *statements(tables, {}, settings).values()):
            self.athena.query(ddl)
        self.releases = 0

    def wrote(self, run_id, rows, **more):
        """A run staged so many rows of each table; ``more`` of some of them otherwise."""
        sizes = [f"('{run_id}', '{t}', '{t}', 'written', {more.get(t, rows)})" for t in WRITTEN_TABLES]
        self.athena.query(f"insert into {self.names['database']}.job_figures values {', '.join(sizes)}")

    def released(self, run_id, rows, *, consent_policy=POLICY):
        """A run released so many rows of each table, after all releases before."""
        self.releases += 1
        release = {"run_id": run_id, "released_at": self.releases, "consent_policy": consent_policy, "records": rows}
        body = "".join(json.dumps(release | {"table_name": table}) + "\n" for table in WRITTEN_TABLES)
        self.s3.put_object(Bucket=self.bucket, Key=f"releases/{self.releases}.json", Body=body)

    def check(self, run_id, max_lost=0.2):
        """(ready, violations, the run that it was compared with)"""
        params = {"consent_policy": POLICY, "max_lost": max_lost}
        query = SQL.get_template("checks/history.sql").render(lake=self.names, run_id=run_id, params=params)
        [row] = self.athena.query(query)
        assert len(row) == 3 + len(WRITTEN_TABLES)
        return row[0] == "true", int(row[1]), row[2]


@pytest.fixture
def lake(aws, bucket):
    return Lake(aws, bucket)


def test_the_first_run_under_a_policy_has_nothing_to_be_compared_with_and_says_so(lake):
    lake.released("other", 100, consent_policy="reading_time")
    lake.wrote("first", 10)
    assert lake.check("first") == (True, 0, "nothing: no release under this consent policy")


def test_it_waits_until_every_table_was_written(lake):
    lake.athena.query(
        f"insert into {lake.names['database']}.job_figures "
        "values ('first', 'customer_trusted', 'customer_trusted', 'written', 5)"
    )
    assert lake.check("first")[0] is False


def test_each_table_that_lost_more_than_its_share_is_a_violation(lake):
    lake.released("first", 100)
    lake.wrote("second", 100, customer_trusted=79, device_owners=0)
    assert lake.check("second") == (True, 2, "first")


def test_a_table_may_lose_its_share_and_gain_as_much_as_it_likes(lake):
    lake.released("first", 100)
    lake.wrote("second", 80, customer_trusted=1000)
    assert lake.check("second") == (True, 0, "first")


def test_a_table_that_was_empty_has_nothing_to_lose(lake):
    lake.released("first", 0)
    lake.wrote("second", 0)
    assert lake.check("second", max_lost=0) == (True, 0, "first")


def test_a_run_that_was_not_released_is_not_what_later_runs_are_compared_with(lake):
    lake.released("first", 100)
    lake.wrote("second", 10)
    lake.wrote("third", 10)
    assert lake.check("third") == (True, len(WRITTEN_TABLES), "first")


def test_a_run_that_accepts_the_loss_is_what_later_runs_are_compared_with(lake):
    lake.released("first", 100)
    lake.wrote("second", 10)
    assert lake.check("second", max_lost=1) == (True, 0, "first")
    lake.released("second", 10)
    lake.wrote("third", 10)
    assert lake.check("third") == (True, 0, "second")


def test_a_run_is_compared_with_the_last_release_under_the_same_policy(lake):
    lake.released("first", 100)
    lake.released("other", 50, consent_policy="reading_time")
    lake.wrote("third", 90)
    assert lake.check("third") == (True, 0, "first")


def test_a_run_that_is_checked_again_is_not_compared_with_itself(lake):
    lake.released("first", 100)
    lake.released("second", 10)
    lake.wrote("second", 10)
    assert lake.check("second") == (True, len(WRITTEN_TABLES), "first")
