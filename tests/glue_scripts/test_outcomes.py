"""What is counted and kept of records."""

import pytest
from landing_files import STEP, found, write
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import TooManyRejectedError
from lakehouse.landing import read_landing
from lakehouse.outcomes import Count, check_rejected, count_outcomes, count_reading, once, quarantine
from lakehouse.tables import columns


@pytest.fixture
def reading(spark, tmp_path):
    content = f"{STEP},{STEP}\n{{\n{STEP[1:]}\n5\nxyz\nxyz\n"
    return read_landing(spark, "step_trainer_landing", write(tmp_path, f=content))


def test_the_reading_counts_records_repaired_ones_and_lines_and_why_records_are_rejected(reading):
    rejected, figures = count_reading(reading)
    assert sorted(rejected) == [("rejected", "not_an_object", 1), ("rejected", "not_json", 2)]
    assert figures == {"read": 6, "repaired": 3, "lines": 6}


def test_an_empty_landing_table_is_counted_too(spark, tmp_path):
    reading = read_landing(spark, "step_trainer_landing", write(tmp_path, f=b""))
    assert count_reading(reading) == ([], {"read": 0, "repaired": 0, "lines": 0})


def test_the_quarantine_says_where_the_records_stand_that_the_reading_or_the_rules_rejected(reading):
    # Of the three equal records, the first one counts.
    judged = once(reading.used, *columns("step_trainer_landing"))
    judged = judged.withColumn("outcome", F.lit("rejected")).withColumn("reason", F.lit("owner_unknown"))
    rows = quarantine("step_trainer_landing", reading, judged)
    assert rows.columns == ["source", "file", "position", "reason"]
    assert found(rows, *rows.columns) == [
        ("step_trainer_landing", "f", 1, "owner_unknown"),
        ("step_trainer_landing", "f", 4, "not_an_object"),
        ("step_trainer_landing", "f", 5, "not_json"),
        ("step_trainer_landing", "f", 6, "not_json"),
    ]
    assert count_outcomes(judged) == [("duplicate", None, 2), ("rejected", "owner_unknown", 1)]


def test_more_rejected_records_than_allowed_stop_the_run_with_a_message_that_helps():
    counts = [Count("rejected", "not_json", 9), Count("rejected", "owner_unknown", 2), Count("kept", None, 189)]
    with pytest.raises(TooManyRejectedError) as error:
        check_rejected("step_trainer_landing", 200, counts, 0.05, "SELECT 1")
    assert str(error.value) == (
        "step_trainer_landing: 11 of 200 records are rejected (5.50%), more than max_rejected = 5.00%. "
        "The table of this job did not change. See which ones, and why: SELECT 1"
    )


@pytest.mark.parametrize(("read", "rejected", "limit"), [(200, 10, 0.05), (0, 0, 0.0), (7, 0, 0.0), (7, 7, 1.0)])
def test_as_many_rejected_records_as_allowed_stop_nothing(read, rejected, limit):
    check_rejected("s", read, [Count("rejected", "not_json", rejected)], limit, "")
