"""The jobs against the reference, row by row; and what must not change a result, or change it in a known way.

``STEDI_EXAMPLES`` says how many generated deliveries to try: more than the one of every run, now and then.
"""

import json
import os
import random
import re
import shutil
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dev.generate import generate
from dev.generate_records import Draws, record
from lakehouse.errors import TooManyRejectedError
from lakehouse.tables import JOBS, WRITTEN_TABLES
from tests.reference.deliveries import deliveries, write
from tests.reference.job_runs import content, create_tables, publish, published, run_jobs
from tests.reference.lakehouse_reference import COLUMNS, lakehouse

EXAMPLES = int(os.environ.get("STEDI_EXAMPLES", "1"))


@pytest.fixture(scope="module")
def run(spark):
    create_tables(spark)
    return lambda landing, **parameters: run_jobs(spark, landing, **parameters)


def assert_equal(found, expected):
    for table in expected:
        differences = found[table] - expected[table], expected[table] - found[table]
        assert (table, *differences) == (table, Counter(), Counter())


# A failure is shown as it was found: to shrink it would take an hour.
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
# Hypothesis would begin with the delivery of nothing.
@given(delivery=deliveries().filter(bool), consent_policy=st.sampled_from(["customer", "reading_time"]))
def test_every_row_of_every_table_is_the_references(run, tmp_path_factory, delivery, consent_policy):
    landing = tmp_path_factory.mktemp("landing")
    write(delivery, landing)
    assert_equal(run(landing, consent_policy=consent_policy), lakehouse(landing, consent_policy).tables)


@pytest.mark.exhaustive
def test_a_delivery_of_nothing_gives_the_references_rows(run, tmp_path):
    assert_equal(run(tmp_path), lakehouse(tmp_path).tables)


# --- what must not change a result, or change it in a known way


def trusted(found):
    return {table: rows for table, rows in found.items() if table in WRITTEN_TABLES}


@pytest.fixture(scope="module")
def hard(run, spark, tmp_path_factory):
    """A delivery with the website's defect and damaged records, and what a run made of it and published."""
    landing = tmp_path_factory.mktemp("hard")
    generate(landing, 25, 5, shared_serials=3, damage=0.05)
    found = run(landing)
    publish(spark)
    return landing, found


@pytest.fixture
def copy(hard, tmp_path):
    return shutil.copytree(hard[0], tmp_path / "copy")


def test_a_hard_delivery_gives_the_references_rows(hard):
    landing, found = hard
    assert all(found[table] for table in COLUMNS)
    assert_equal(found, lakehouse(landing).tables)


@pytest.mark.exhaustive
def test_the_order_the_split_and_the_repetition_of_files_change_nothing(hard, run, copy):
    rng = random.Random(1)
    for number, path in enumerate(sorted(path for path in copy.rglob("*.json") if path.is_file())):
        lines = path.read_bytes().splitlines(keepends=True)
        # Between two lines that are whole records by themselves.
        cuts = [at for at in range(1, len(lines)) if all(is_record(line) for line in lines[at - 1 : at + 1])]
        cut = rng.choice(cuts)
        path.unlink()
        (path.parent / f"{rng.random()}").write_bytes(b"".join(lines[cut:]))
        (path.parent / "part" / str(number)).mkdir(parents=True)
        (path.parent / "part" / str(number) / "first").write_bytes(b"".join(lines[:cut]))
        (path.parent / "part" / str(number) / "again").write_bytes(b"".join(lines[:cut]))
    found = run(copy)
    assert trusted(found) == trusted(hard[1])


def is_record(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.exhaustive
def test_a_person_without_consent_changes_nothing_for_the_others(hard, run, copy):
    instants = range(1_700_000_000_000, 1_700_000_600_000, 60_000)
    customer = {"customerName": "New", "email": "new@example.com", "serialNumber": "new", "lastUpdateDate": 1}
    known = {"user": "new@example.com", "serialNumber": "new"}
    readings = [record("accelerometer", known | {"timestamp": at}, at, Draws(at)) for at in instants]
    steps = [record("step_trainer", known | {"sensorReadingTime": at}, at, Draws(at)) for at in instants]
    for folder, records in (("customer", [customer]), ("accelerometer", readings), ("step_trainer", steps)):
        (copy / folder / "new.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    found = run(copy)
    assert trusted(found) == trusted(hard[1])
    assert found["landing_quarantine"] == hard[1]["landing_quarantine"]


@pytest.mark.exhaustive
def test_a_permutation_of_people_permutes_the_result(hard, run, copy):
    files = {path: path.read_bytes() for path in copy.rglob("*.json")}
    email = re.compile(rb"[a-z0-9.]+@example\.com", re.IGNORECASE)
    people = sorted({found.lower() for written in files.values() for found in email.findall(written)})
    others = dict(zip(people, people[1:] + people[:1], strict=True))
    for path, written in files.items():
        path.write_bytes(email.sub(lambda found: others[found[0].lower()], written))
    found = run(copy)

    def permuted(tables, others):
        return {
            table: Counter(
                tuple(others.get(value.strip().lower(), value) if isinstance(value, str) else value for value in row)
                for row in tables[table].elements()
            )
            for table in trusted(tables)
        }

    renamed = {before.decode(): after.decode() for before, after in others.items()}
    unchanged = {name: name for name in renamed}
    assert permuted(found, unchanged) == permuted(hard[1], renamed)


def test_too_many_rejected_records_of_the_last_source_stop_the_run_and_no_published_table_changes(
    hard, run, spark, tmp_path
):
    generate(tmp_path, 5, 6)
    with next((tmp_path / "step_trainer").glob("*.json")).open("a") as file:
        file.write("broken\n" * 60)
    with pytest.raises(TooManyRejectedError, match=r"^step_trainer_landing: 60 of .*stedi\.landing_quarantine"):
        run(tmp_path, max_rejected=0.05)
    after = content(spark)
    assert after["customers_curated"] != hard[1]["customers_curated"]  # the jobs before have staged theirs
    assert published(spark) == trusted(hard[1])
    assert [row for row in after["landing_quarantine"] if row[0] == "step_trainer_landing"]


@pytest.mark.exhaustive
def test_the_public_data_gives_the_known_results_under_the_other_policy(run, real_data, tmp_path):
    for folder in real_data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    found = run(tmp_path, consent_policy="reading_time", max_rejected=0)
    assert [found[job].total() for job in JOBS] == [482, 32_025, 464, 11_297, 32_025]
