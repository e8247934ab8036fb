import pytest
from records import NOON, OTHER_SERIAL, customer, frame, outcomes, reading

from accelerometer_trusted import accelerometer_trusted
from lakehouse.tables import TABLES

COLUMNS = TABLES["accelerometer_trusted"].columns


def judged(spark, readings, customers, consent_policy="customer"):
    return accelerometer_trusted(
        frame(spark, "accelerometer", *readings), frame(spark, "customer", *customers), consent_policy
    )


def test_readings_of_trusted_customers_are_kept_and_those_of_others_are_not(spark):
    readings = [reading("ada@example.com"), reading("bob@example.com")]
    assert outcomes(judged(spark, readings, [customer()]), "user") == [
        ("ada@example.com", "kept", None),
        ("bob@example.com", "filtered", "no_consent"),
    ]


def test_a_customer_with_two_devices_does_not_multiply_readings(spark):
    customers = [customer(), customer(serialnumber=OTHER_SERIAL, lastupdatedate=NOON + 1)]
    assert outcomes(judged(spark, [reading()], customers)) == [("kept", None)]


def test_the_person_is_compared_trimmed_and_in_lower_case(spark):
    assert outcomes(judged(spark, [reading(" Ada@Example.COM")], [customer()]), "user") == [
        (" Ada@Example.COM", "kept", None)
    ]


def test_a_redelivered_reading_counts_once(spark):
    assert outcomes(judged(spark, [reading(), reading()], [customer()])) == [("duplicate", None), ("kept", None)]


def test_of_a_redelivered_reading_the_spelling_of_the_person_that_sorts_first_is_kept(spark):
    spellings = ["ada@example.com", "Ada@example.com", "ADA@EXAMPLE.COM", " ada@example.com"]
    readings = [reading(spelling, timestamp=NOON + n) for n in range(3) for spelling in spellings[n:] + spellings[:n]]
    kept = [row for row in outcomes(judged(spark, readings, [customer()]), "user") if row[1] == "kept"]
    assert kept == [(" ada@example.com", "kept", None)] * 3


@pytest.mark.parametrize(
    "column", [column for column in TABLES["accelerometer_trusted"].columns if column.name != "user"]
)
def test_readings_that_differ_in_any_field_all_count(spark, column):
    other = {column.name: "other"} if column.kind == "text" else {column.name: NOON + 1}
    if column.kind == "number":
        other = {column.name: 1.5}
    assert outcomes(judged(spark, [reading(), reading(**other)], [customer()])) == [("kept", None)] * 2


def test_under_reading_time_only_readings_from_the_instant_of_consent_on_are_kept(spark):
    readings = [reading(timestamp=NOON - 1), reading(timestamp=NOON)]
    assert outcomes(judged(spark, readings, [customer()], "reading_time"), "timestamp") == [
        (NOON - 1, "filtered", "before_consent"),
        (NOON, "kept", None),
    ]


def test_under_customer_readings_before_the_consent_are_kept_too(spark):
    assert outcomes(judged(spark, [reading(timestamp=NOON - 1)], [customer()])) == [("kept", None)]


def test_an_unknown_consent_policy_is_an_error_with_the_allowed_ones(spark):
    with pytest.raises(ValueError, match="consent_policy is 'none'; it must be one of customer, reading_time"):
        judged(spark, [reading()], [customer()], "none")
