"""How fields and keys are read (docs/landing-files.md): one sentence for each kind of hard data."""

import json

import pytest
from landing_files import CUSTOMER, NOON, READING, STEP, USED, read, steps


def field(value, key="distanceFromObject", line=STEP):
    """What becomes of a field that is written like this: its value or the reason for rejecting it, and if repaired."""
    given = json.loads(line)
    text = line.replace(f'"{key}":{json.dumps(given[key])}', f'"{key}":{value}')
    assert text != line
    table = "accelerometer_landing" if line == READING else "step_trainer_landing"
    (row,) = read(text, table)
    return row["reason"] or row[key.lower()], row["repaired"]


def consent(rest):
    (row,) = read(CUSTOMER + rest + "}", "customer_landing")
    return row["reason"] or row["sharewithresearchasofdate"], row["repaired"]


# --- fields


@pytest.mark.parametrize("given", ["", ', "shareWithResearchAsOfDate":null', ', "shareWithResearchAsOfDate":0'])
def test_an_absent_a_null_and_a_zero_consent_date_are_no_consent(given):
    assert consent(given) == (None, False)


@pytest.mark.parametrize("given", ['""', '" "', '"\\t"'])
def test_an_empty_consent_date_is_no_consent(given):
    assert consent(f', "shareWithResearchAsOfDate":{given}') == (None, False)


def test_a_consent_date_is_a_time_like_others():
    assert consent(', "shareWithResearchAsOfDate":1655553600000') == (NOON, False)
    assert consent(', "shareWithResearchAsOfDate":"1655553600000"') == (NOON, True)
    assert consent(', "shareWithResearchAsOfDate":-1') == ("negative_time", False)
    assert consent(', "shareWithResearchAsOfDate":true') == ("not_a_number", False)


@pytest.mark.parametrize("given", ["250.0", "2.5e2", "2500e-1", '"250"', '" +250.0 "', '"250."', '"25E1"'])
def test_an_integer_written_as_a_float_or_as_text_is_repaired(given):
    assert field(given) == (250, True)


@pytest.mark.parametrize("given", ["250.5", '"250.5"', '"25O"', '"1_000"', '"0x10"', '"٢"', "true", "[250]", '{"a":1}'])
def test_what_is_no_whole_number_is_rejected(given):
    assert field(given) == ("not_a_number", False)


def test_text_that_holds_a_number_is_one_for_the_axes_too():
    assert field('"1e-3"', "x", READING) == (0.001, True)
    assert field("3", "x", READING) == (3.0, False)
    assert field('"NaN"', "x", READING) == ("not_a_number", False)


def test_numbers_out_of_range_are_rejected():
    assert field("2147483647") == (2147483647, False)
    assert field("-2147483648") == (-2147483648, False)
    assert field("2147483648") == ("out_of_range", False)
    assert field("9" * 10_000) == ("out_of_range", False)
    assert field("1e" + "9" * 10_000) == ("out_of_range", False)
    assert field("1e400", "x", READING) == ("out_of_range", False)


def test_a_negative_zero_is_zero():
    assert str(field("-0.0", "x", READING)[0]) == "0.0"
    assert field("-0", "sensorReadingTime") == (0, False)


def test_negative_and_absurd_times_are_rejected():
    assert field("-1", "sensorReadingTime") == ("negative_time", False)
    assert field("253402300799999", "sensorReadingTime") == (253402300799999, False)
    assert field("253402300800000", "sensorReadingTime") == ("out_of_range", False)
    assert field("1655553600000000000000", "sensorReadingTime") == ("out_of_range", False)


def test_a_birth_year_with_three_digits_stays_as_it_is():
    (row,) = read(CUSTOMER + ', "birthDay":"983-01-01"}', "customer_landing")
    assert (row["birthday"], row["reason"], row["repaired"]) == ("983-01-01", None, False)


def test_an_integer_for_text_becomes_its_digits_and_all_else_is_no_text():
    assert field("1234", "serialNumber") == ("1234", True)
    assert field("1.5", "serialNumber") == ("not_text", False)
    assert field("false", "serialNumber") == ("not_text", False)
    assert field('"\\ud800"', "serialNumber") == ("not_text", False)


@pytest.mark.parametrize("given", ["null", '""', '" \\t"'])
def test_a_field_that_must_be_there_is_missing_when_it_is_null_or_blank(given):
    assert field(given, "serialNumber") == ("missing_field", False)


def test_a_field_that_must_be_there_is_missing_when_it_is_absent():
    assert steps('{"sensorReadingTime":1,"serialNumber":"s"}') == [(1, "missing_field", False)]


# --- keys


def test_keys_are_compared_without_case():
    assert steps(STEP.replace("sensorReadingTime", "SENSORREADINGTIME")) == [(1, USED, True)]
    (row,) = read(READING.replace("timestamp", "timeStamp"), "accelerometer_landing")
    assert (row["timestamp"], row["repaired"]) == (NOON, True)


def test_unknown_fields_are_passed_over_whatever_they_hold():
    assert steps(STEP.replace("{", '{"more":{"a":[{},"}{"]},"":null,', 1)) == [(1, USED, False)]


def test_a_key_given_twice_is_repaired_if_the_values_are_equal_and_rejected_if_not():
    assert steps(STEP.replace("{", '{"serialnumber":"s",', 1)) == [(1, USED, True)]
    assert steps(STEP.replace("{", '{"distanceFromObject":2.50e2,', 1)) == [(1, USED, True)]
    assert steps(STEP.replace("{", '{"serialNumber":"t",', 1)) == [(1, "duplicate_key", False)]
    assert steps(STEP.replace("{", '{"distanceFromObject":"250",', 1)) == [(1, "duplicate_key", False)]
    assert steps(STEP.replace("{", '{"serialNumber":null,', 1)) == [(1, "duplicate_key", False)]


def test_deeply_nested_values_fail_nothing():
    objects = '{"a":' * 300 + "1" + "}" * 300
    assert steps(STEP.replace("{", f'{{"serialNumber":{objects},"serialNumber":{objects},', 1))[0][2] is False
    assert steps(f"{'[' * 100_000}\n{STEP}") == [(1, "not_json", False), (2, USED, False)]
