"""The checks on what the reference says a run leaves: they find nothing in that, and everything that is changed."""

import json
import random
import re
import shutil
from collections import Counter

import pytest
import sqlglot
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dev.generate import generate
from lakehouse import ownership
from lakehouse.people import person_key
from stedi.tables import SOURCES, TABLES, WRITTEN_TABLES
from tests.checks.conftest import CHECKS
from tests.reference.deliveries import deliveries, write
from tests.reference.lakehouse_reference import COLUMNS, lakehouse
from tests.reference.test_jobs import EXAMPLES


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A delivery without damage, in which several people share a serial number of the website."""
    directory = tmp_path_factory.mktemp("clean")
    generate(directory, 12, 3, shared_serials=3)
    return directory


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(delivery=deliveries(), policy=st.sampled_from(["customer", "reading_time"]))
def test_no_check_finds_a_violation_in_what_the_reference_makes_of_any_delivery(
    judged_lake, tmp_path_factory, delivery, policy
):
    directory = tmp_path_factory.mktemp("delivery")
    write(delivery, directory)
    judged_lake.ran(directory, policy)
    assert judged_lake.violations() == {}


# --- rows


@pytest.fixture(scope="module")
def lake(judged_lake, clean):
    judged_lake.ran(clean)
    assert judged_lake.violations() == {}
    assert all(judged_lake.rows[table] for table in WRITTEN_TABLES)
    return judged_lake


def put_in(rows, columns, rng):
    row = dict(zip(columns, rng.choice(sorted(rows, key=repr)), strict=True))
    name = next(name for name in columns if isinstance(row[name], int | float))
    return rows + Counter([tuple((row | {name: row[name] + 1}).values())])


def take_out(rows, columns, rng):
    return rows - Counter([rng.choice(sorted(rows, key=repr))])


def duplicate(rows, columns, rng):
    return rows + Counter([rng.choice(sorted(rows, key=repr))])


def move_to_another(rows, columns, rng):
    """A row gets the person, or the device, of another one."""
    ordered = sorted(rows, key=repr)
    at = columns.index(next(name for name in ("user", "email", "serialnumber") if name in columns))
    row = rng.choice(ordered)
    other = rng.choice([one for one in ordered if one[at] != row[at]])
    return rows - Counter([row]) + Counter([(*row[:at], other[at], *row[at + 1 :])])


@pytest.mark.parametrize("change", [put_in, take_out, duplicate, move_to_another])
@pytest.mark.parametrize("table", WRITTEN_TABLES)
def test_a_row_changed_by_hand_is_found_by_the_check_of_its_table(lake, table, change):
    lake.put(table, change(lake.rows[table], COLUMNS[table], random.Random(table + change.__name__)))
    try:
        assert lake.violations(table) != {}
    finally:
        lake.put(table, lake.rows[table])


@pytest.mark.parametrize("table", WRITTEN_TABLES)
def test_a_row_of_somebody_without_consent_is_found_by_the_consent_check(lake, table):
    row = dict(zip(COLUMNS[table], next(iter(lake.rows[table])), strict=True))
    nobody = {name: "nobody@example.com" for name in ("user", "email", "serialnumber") if name in row}
    lake.put(table, lake.rows[table] + Counter([tuple((row | nobody).values())]))
    try:
        assert lake.violations("consent")["consent"] == 1
    finally:
        lake.put(table, lake.rows[table])


def test_a_wrong_bound_in_the_jobs_search_for_owners_is_found(lake, clean, spark, monkeypatch):
    landing = {table: found.used for table, found in lakehouse(clean).landing.items()}

    def frame(table, *names):
        rows = [tuple(record.values[name] for name in names) for record in landing[table]]
        return spark.createDataFrame(rows, list(names))

    def owners():
        found = ownership.device_ownership(
            frame("step_trainer_landing", "serialnumber", "sensorreadingtime"),
            ownership.presences(frame("accelerometer_landing", "user", "timestamp"), "run"),
            ownership.claims(frame("customer_landing", "email", "serialnumber"), "run"),
        )
        curated = spark.createDataFrame(
            sorted({(row[1].strip().lower(),) for row in lake.rows["customers_curated"]}), ["email"]
        ).withColumn("person", person_key("run", "email"))
        return Counter(map(tuple, ownership.device_owners(found, curated).collect()))

    assert owners() == lake.rows["device_owners"]
    # More evidence than an owner need have: who misses some of the rarest instants is not looked at.
    monkeypatch.setattr(ownership, "EVIDENCE", 40)
    lake.put("device_owners", owners())
    try:
        assert lake.violations("device_owners") != {}
    finally:
        lake.put("device_owners", lake.rows["device_owners"])


# --- readers


def consent_0_is_1(source, line):
    return re.sub(r'("shareWithResearchAsOfDate":) ?0\b', r"\1 1", line)


def two_users_are_swapped(source, line):
    record = json.loads(line)
    people = {"customer": "email", "accelerometer": "user"}.get(source)
    swap = {"A": "B", "B": "A"}
    if people and (first := record[people].strip()[0].upper()) in swap:
        record[people] = swap[first] + record[people].strip()[1:]
    return json.dumps(record)


def a_digit_of_a_time_is_dropped(source, line):
    return re.sub(r'("(?:timestamp|sensorReadingTime)": ?\d+)\d', r"\1", line)


@pytest.fixture
def plain(tmp_path):
    """A delivery in which people whose emails differ in one letter have a record each, one of them with consent 0."""
    directory = tmp_path / "plain"
    for source in SOURCES:
        (directory / source).mkdir(parents=True)
    instants = range(1_700_000_000_000, 1_700_000_600_000, 60_000)
    people = [("Aa@example.com", "s1", 5), ("Ba@example.com", "s2", 0), ("Ca@example.com", "s3", 5)]
    customers, readings, steps = [], [], []
    for number, (email, device, consent) in enumerate(people):
        customers.append(
            {"email": email, "serialNumber": device, "lastUpdateDate": 1, "shareWithResearchAsOfDate": consent}
        )
        for at in (instant + number for instant in instants):
            readings.append({"user": email, "timestamp": at, "x": 1.0, "y": -1.0, "z": 0.5})
            steps.append({"serialNumber": device, "sensorReadingTime": at, "distanceFromObject": 5})
    for source, records in (("customer", customers), ("accelerometer", readings), ("step_trainer", steps)):
        (directory / source / "a.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    return directory


def test_no_check_finds_a_violation_in_clean_files(judged_lake, plain):
    judged_lake.ran(plain)
    assert judged_lake.violations() == {}


@pytest.mark.parametrize("mistake", [consent_0_is_1, two_users_are_swapped, a_digit_of_a_time_is_dropped])
def test_a_reader_that_makes_a_mistake_is_found_on_clean_files(judged_lake, plain, tmp_path, mistake):
    misread = shutil.copytree(plain, tmp_path / "misread")
    for path in misread.glob("*/*.json"):
        lines = path.read_text().splitlines()
        path.write_text("".join(mistake(path.parent.name, line) + "\n" for line in lines))
    judged_lake.ran(plain, read_from=misread)
    assert judged_lake.violations(*WRITTEN_TABLES) != {}


# --- what the checks read


def test_a_file_that_athena_cannot_read_is_left_out_and_named(judged_lake, plain):
    damaged = plain / "accelerometer" / "it's.gz"
    damaged.write_bytes(b"no gzip")
    judged_lake.ran(plain)
    assert judged_lake.violations() == {}
    for check in ("accelerometer_trusted", "device_owners", "audit_sums"):
        assert judged_lake.check(check)["unreadable_files"].endswith("/accelerometer_landing/it's.gz")


def scans(sql):
    """{table: how often a query reads it}, common table expressions in the place of their names: so does Trino."""
    query = sqlglot.parse_one(sql, read="athena")
    expressions = {cte.alias: cte.this for cte in query.ctes}
    query.set("with_", None)

    def count(node):
        found = Counter()
        for table in node.find_all(sqlglot.exp.Table):
            found += count(expressions[table.name]) if table.name in expressions else Counter([table.name])
        return found

    return count(query)


@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"audit_sums"}))
def test_a_check_scans_its_table_and_each_input_once(judged_lake, check):
    twice = {
        # The people in question, and at how many instants they were there; whose device a table's row is of.
        "device_owners": {"accelerometer_lines", "step_trainer_lines"},
        "consent": {"device_owners"},
    }
    of_people = {*WRITTEN_TABLES, *(table for table in TABLES if table.endswith("_lines"))}
    found = {table: times for table, times in scans(judged_lake.sql(check)).items() if table in of_people}
    assert check in found or check not in WRITTEN_TABLES
    assert {table for table, times in found.items() if times > 1} == twice.get(check, set())
    assert all(times <= 2 for times in found.values())
