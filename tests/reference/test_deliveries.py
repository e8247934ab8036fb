"""The generated deliveries hold what they promise, and the reference loses no record of them."""

from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.reference.deliveries import deliveries, write
from tests.reference.lakehouse_reference import FOLDERS, lakehouse

FOUND = """
kept duplicate superseded filtered rejected repaired lines
not_utf8 not_json not_an_object duplicate_key missing_field not_text not_a_number out_of_range negative_time
damaged_file owner_unknown owner_ambiguous no_consent before_consent no_reading owner_not_curated no_reading_at_instant
website_confirmed readings website machine_learning_curated
"""


@pytest.fixture(scope="module")
def found_in_deliveries(tmp_path_factory):
    """How many of 220 deliveries, always the same ones, have each outcome, reason and source of ownership."""
    found = Counter()

    @settings(max_examples=220, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(deliveries())
    def look(delivery):
        directory = tmp_path_factory.mktemp("landing")
        write(delivery, directory)
        tables = lakehouse(directory, "reading_time").tables
        found.update(
            {outcome for _, _, outcome, _, _ in tables["job_audit"]}
            | {reason for _, _, _, reason, _ in tables["job_audit"]}
            | {figure for _, _, figure, value in tables["job_figures"] if value}
            | {table for table, rows in tables.items() if rows}
        )

    look()
    return found


@pytest.mark.parametrize("what", FOUND.split())
def test_the_deliveries_have_every_outcome_reason_and_way_of_ownership(found_in_deliveries, what):
    assert found_in_deliveries[what] >= 5


@settings(max_examples=60, deadline=None)
@given(delivery=deliveries(), consent_policy=st.sampled_from(["customer", "reading_time"]))
def test_no_record_of_a_delivery_is_lost(tmp_path_factory, delivery, consent_policy):
    directory = tmp_path_factory.mktemp("landing")
    write(delivery, directory)
    tables = lakehouse(directory, consent_policy).tables

    records, outcomes = Counter(), Counter()
    for job, source, outcome, _, number in tables["job_audit"]:
        records[job, source] += number
        outcomes[source, outcome] += number
    assert records == Counter({row[:2]: row[3] for row in tables["job_figures"] if row[2] == "read" and row[3]})
    for source in FOLDERS:
        quarantine = sum(number for row, number in tables["landing_quarantine"].items() if row[0] == source)
        assert quarantine == outcomes[source, "rejected"]
    for table in ("customer_trusted", "accelerometer_trusted", "step_trainer_trusted", "customers_curated"):
        kept = sum(row[4] for row in tables["job_audit"] if (row[0], row[2]) == (table, "kept"))
        assert tables[table].total() == kept
