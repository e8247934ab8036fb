"""The reference against expectations written by hand, and against what is known of the real data."""

import functools
import gzip
import json
import random
from collections import Counter

import pytest

from lakehouse.tables import TABLES
from tests.reference.deliveries import least_record
from tests.reference.lakehouse_reference import COLUMNS, FOLDERS, lakehouse, read_landing

STEP = json.dumps(least_record("step_trainer", sensorReadingTime=7, serialNumber="s", distanceFromObject=5))
USED = dict.fromkeys(TABLES["step_trainer_landing"].column_names) | {
    key.lower(): value for key, value in json.loads(STEP).items()
}


def read(tmp_path, content, name="f.json", source="step_trainer_landing"):
    """(position, values or reason, repaired) of each record, and the number of lines."""
    folder = tmp_path / FOLDERS[source]
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    landing = read_landing(folder, source)
    return [(r.position, r.reason or r.values, r.repaired) for r in landing.records], landing.lines


def test_a_line_is_a_record_wherever_its_white_space_is(tmp_path):
    found, lines = read(tmp_path, f"\ufeff \t{STEP}\r\n\r\n \ufeff\n\ufeff\n\ufeff{STEP}\n\r{STEP}")

    assert found == [(1, USED, False), (3, "not_json", False), (5, USED, True), (6, USED, True)]
    assert lines == 7


def test_objects_on_one_line_are_records_up_to_the_first_thing_that_is_none(tmp_path):
    found, lines = read(tmp_path, f'{STEP},,{STEP} [1] {STEP}\n{STEP} "x" ,\n,{STEP}\n')

    assert found == [
        (1, USED, True),
        (1, USED, True),
        (1, "not_json", False),
        (2, USED, False),
        (2, "not_an_object", False),
        (3, "not_json", False),
    ]
    assert lines == 3


def test_an_object_over_several_lines_is_one_record_and_its_last_line_is_read_on(tmp_path):
    spread = STEP.replace(",", "\r\n,")
    found, lines = read(tmp_path, f"{spread},{spread} {STEP}\n{STEP}")

    assert found == [(1, USED, True), (3, USED, True), (5, USED, True), (6, USED, False)]
    assert lines == 6


def test_a_broken_object_hides_none_of_its_neighbours(tmp_path):
    found, lines = read(tmp_path, f'{{"serialNumber":"a\n"b"\n {STEP}\n{{"a":{STEP}\n{STEP}')

    assert [what for _, what, _ in found] == ["not_json", "not_an_object", USED, "not_json", USED]
    assert [position for position, _, _ in found] == [1, 2, 3, 4, 5]
    assert lines == 5


@pytest.mark.parametrize(("blank_lines", "records"), [(999, 1), (1000, 2)])
def test_an_object_ends_within_a_thousand_lines_of_its_first(tmp_path, blank_lines, records):
    found, _ = read(tmp_path, STEP[:-1] + "\n" * blank_lines + "\n}")

    assert len(found) == records


def test_bytes_that_are_not_utf8_reject_their_line_alone(tmp_path):
    found, lines = read(tmp_path, b" " + STEP.encode() + b"\xff\r\n" + STEP[:-1].encode() + b"\n}\xe2\x82\n}")

    assert [what for _, what, _ in found] == ["not_utf8", "not_json", "not_utf8", "not_json"]
    assert lines == 4


def test_a_damaged_gzip_is_read_up_to_its_damage(tmp_path):
    whole = gzip.compress(f"{STEP}\n{STEP}".encode())

    for sound in (whole, whole + bytes(3)):
        assert [what for _, what, _ in read(tmp_path, sound, "f.gz")[0]] == [USED, USED]
    padded = gzip.compress(f"{STEP}\n".encode()) + bytes(3) + gzip.compress(STEP.encode())
    for damaged in (whole[:-1], padded[:-1], whole[:-8] + b"12345678", whole + b"no gzip"):
        assert read(tmp_path, damaged, "f.gz")[0][1:] == [(2, USED, False), (2, "damaged_file", False)]
    assert read(tmp_path, b"no gzip", "f.gz")[0] == [(1, "damaged_file", False)]
    assert read(tmp_path, b"", "f.gz")[0] == []


def test_only_names_without_a_leading_dot_or_underscore_are_data(tmp_path):
    for folder in ("_a", ".b", "c/d"):
        (tmp_path / "step_trainer" / folder).mkdir(parents=True)
        (tmp_path / "step_trainer" / folder / "x").write_text(STEP)
    read(tmp_path, STEP, "_x")

    assert [r.file for r in read_landing(tmp_path / "step_trainer", "step_trainer_landing").records] == ["c/d/x"]


@pytest.mark.parametrize(
    ("column", "given", "expected", "repaired"),
    [
        ("sensorReadingTime", "1655564133000.0", 1655564133000, True),
        ("sensorReadingTime", '" +7.e0 "', 7, True),
        ("sensorReadingTime", "70e-1", 7, True),
        ("sensorReadingTime", "253402300799999", 253402300799999, False),
        ("sensorReadingTime", "253402300800000", "out_of_range", False),
        ("sensorReadingTime", "1e99999999999999999999", "out_of_range", False),
        ("sensorReadingTime", "-0.0", 0, True),
        ("sensorReadingTime", "-1", "negative_time", False),
        ("sensorReadingTime", "7.5", "not_a_number", False),
        ("sensorReadingTime", "1e-99999999999999999999", "not_a_number", False),
        ("sensorReadingTime", '".5"', "not_a_number", False),
        ("sensorReadingTime", '"\u0667"', "not_a_number", False),
        ("sensorReadingTime", "true", "not_a_number", False),
        ("sensorReadingTime", '" \\n"', "missing_field", False),
        ("distanceFromObject", "-2147483648", -2147483648, False),
        ("distanceFromObject", "2147483648", "out_of_range", False),
        ("serialNumber", "12345678901234567890123", "12345678901234567890123", True),
        ("serialNumber", '" a "', " a ", False),
        ("serialNumber", "5.0", "not_text", False),
        ("serialNumber", "false", "not_text", False),
        ("serialNumber", "null", "missing_field", False),
        ("serialNumber", '"\\ud800"', "not_text", False),
        ("serialNumber", "NaN", "not_json", False),
        ("serialNumber", '"a\tb"', "not_json", False),
    ],
)
def test_a_field_of_a_step_reading_is_used_repaired_or_rejected(tmp_path, column, given, expected, repaired):
    record = json.dumps(json.loads(STEP) | {column: "GIVEN"})
    ((_, found, found_repaired),), _ = read(tmp_path, record.replace('"GIVEN"', given))

    assert (found if isinstance(found, str) else found[column.lower()], found_repaired) == (expected, repaired)


@pytest.mark.parametrize(
    ("given", "expected", "repaired"),
    [
        ("1", 1.0, False),
        ('"1e0"', 1.0, True),
        ("1e308", 1e308, False),
        ("1e309", "out_of_range", False),
        ("1e-400", 0.0, False),
        ('"NaN"', "not_a_number", False),
        ("[1]", "not_a_number", False),
    ],
)
def test_a_number_of_an_accelerometer_reading_is_used_repaired_or_rejected(tmp_path, given, expected, repaired):
    record = json.dumps(least_record("accelerometer", y=-0.0, z="GIVEN"))
    ((_, found, found_repaired),), _ = read(tmp_path, record.replace('"GIVEN"', given), source="accelerometer_landing")

    assert (found if isinstance(found, str) else found["z"], found_repaired) == (expected, repaired)
    if not isinstance(found, str):
        assert str(found["y"]) == "0.0"


@pytest.mark.parametrize(
    ("more", "expected", "repaired"),
    [
        ('"note":{"user":[{}]},"note":1', USED, False),
        ('"SERIALNUMBER":"s"', USED, True),
        ('"distanceFromObject":5', USED, True),
        ('"distanceFromObject":5.0', USED, True),
        ('"distanceFromObject":"5"', "duplicate_key", False),
        ('"serialNumber":"S"', "duplicate_key", False),
    ],
)
def test_a_key_that_comes_again_must_say_the_same(tmp_path, more, expected, repaired):
    ((_, found, found_repaired),), _ = read(tmp_path, f"{STEP[:-1]},{more}}}")

    assert (found, found_repaired) == (expected, repaired)


# --- the tables ----------------------------------------------------------------------------------------------------


PAIR = ("serialnumber", "sensorreadingtime", "timestamp", "x")


def customer(email, serial_number, updated, research=None):
    return least_record(
        "customer", email=email, serialNumber=serial_number, lastUpdateDate=updated, shareWithResearchAsOfDate=research
    )


def readings(user, instants):
    return [least_record("accelerometer", user=user, timestamp=instant, x=1, y=2, z=3) for instant in instants]


def steps(serial_number, instants, distance=5):
    return [
        least_record("step_trainer", sensorReadingTime=instant, serialNumber=serial_number, distanceFromObject=distance)
        for instant in instants
    ]


def values(found, table, *columns):
    """These columns of a table's rows, sorted."""
    places = [COLUMNS[table].index(column) for column in columns]
    return sorted(tuple(row[place] for place in places) for row in found[table].elements())


def tables(directory, customers, readings, steps, *parameters):
    for folder, records in {"customer": customers, "accelerometer": readings, "step_trainer": steps}.items():
        (directory / folder).mkdir()
        (directory / folder / "f.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    return lakehouse(directory, *parameters).tables


def outcomes(found, job):
    return {row[2:4]: row[4] for row in found["job_audit"] if row[0] == job}


def figures(found, job):
    return {row[1:3]: row[3] for row in found["job_figures"] if row[0] == job}


def test_a_later_record_without_consent_takes_the_person_out_of_every_table(tmp_path):
    found = tables(
        tmp_path,
        [customer("a", "s", 1, research=1), customer(" A\n", "t", 2, research=0)],
        readings("a", [5]),
        steps("s", [5]),
    )

    assert {name for name, rows in found.items() if rows} == {"job_audit", "job_figures"}
    assert outcomes(found, "customer_trusted") == {("filtered", "no_consent"): 2}
    assert outcomes(found, "accelerometer_trusted") == {("filtered", "no_consent"): 1}
    assert outcomes(found, "step_trainer_trusted") == {("filtered", "owner_not_curated"): 1}


def test_of_two_records_updated_at_once_the_one_that_shares_less_is_valid(tmp_path):
    found = tables(
        tmp_path,
        [customer("a", "s", 1, research=instant) for instant in (9, 8, 9)]
        + [customer("b", "t", 1, research=instant) for instant in (1, None)],
        [],
        [],
    )

    assert values(found, "customer_trusted", "email", "sharewithresearchasofdate") == [("a", 9)]
    assert outcomes(found, "customer_trusted") == {
        ("kept", None): 1,
        ("duplicate", None): 1,
        ("superseded", None): 2,
        ("filtered", "no_consent"): 1,
    }


def test_of_a_redelivered_reading_the_smallest_spelling_of_the_user_stays(tmp_path):
    found = tables(
        tmp_path, [customer("a", "s", 1, research=1)], readings("a", [5]) + readings("A", [5]) + readings(" a", [6]), []
    )

    assert values(found, "accelerometer_trusted", "user", "timestamp") == [(" a", 6), ("A", 5)]


def test_readings_that_differ_in_one_field_are_two_whichever_field_it_is(tmp_path):
    other = {"text": "other", "number": 7.5, "integer": 7, "time": 7, "consent": 7}
    fields = TABLES["accelerometer_landing"].columns
    reading = {field.key: other[field.kind] for field in fields} | {"user": "a"}
    others = [reading | {field.key: other[field.kind] + other[field.kind]} for field in fields if field.key != "user"]
    found = tables(tmp_path, [customer("a", "s", 1, research=1)], [reading, *others, reading], [])

    assert outcomes(found, "accelerometer_trusted") == {("kept", None): len(fields), ("duplicate", None): 1}


def test_under_reading_time_only_what_was_read_from_the_consent_on_is_kept(tmp_path):
    found = tables(
        tmp_path,
        [customer("a", "s", 1, research=6), customer("b", "t", 1, research=99)],
        readings("a", [5, 6]) + readings("b", [5]),
        steps("s", [5, 6]) + steps("t", [5]),
        "reading_time",
    )

    assert values(found, "machine_learning_curated", *PAIR) == [("s", 6, 6, 1.0)]
    assert outcomes(found, "accelerometer_trusted") == {("kept", None): 1, ("filtered", "before_consent"): 2}
    assert outcomes(found, "customers_curated") == {("kept", None): 1, ("filtered", "no_reading"): 1}
    assert outcomes(found, "step_trainer_trusted") == {
        ("kept", None): 1,
        ("filtered", "before_consent"): 1,
        ("filtered", "owner_not_curated"): 1,
    }


def test_of_a_step_reading_the_smallest_distance_stays_and_counts_once(tmp_path):
    found = tables(
        tmp_path,
        [customer("a", "s", 1, research=1)],
        readings("a", [5, 6]),
        steps("s", [5, 5, 6]) + steps("s", [5, 5], distance=4),
    )

    assert values(found, "step_trainer_trusted", "sensorreadingtime", "distancefromobject") == [(5, 4), (6, 5)]
    assert outcomes(found, "step_trainer_trusted") == {
        ("kept", None): 2,
        ("duplicate", None): 2,
        ("superseded", None): 1,
    }


@pytest.mark.parametrize(
    ("claimed", "instants", "readings_of", "expected"),
    [
        ("a", range(10), {"a": range(9), "b": range(10)}, ("a", "website_confirmed", 10, 9)),
        ("ab", range(10), {"a": range(8), "b": range(9)}, ("b", "website_confirmed", 10, 9)),
        ("ab", range(10), {"a": range(9), "b": range(9)}, "owner_ambiguous"),
        ("a", range(10), {"a": range(8), "b": range(9)}, ("b", "readings", 10, 9)),
        ("", range(5), {"b": range(5)}, ("b", "readings", 5, 5)),
        ("", range(4), {"b": range(4)}, "owner_unknown"),
        ("a", range(4), {"b": range(4)}, ("a", "website", 4, 0)),
        ("a", range(5), {"a": range(4), "b": range(4)}, ("a", "website", 5, 4)),
        ("a", range(5), {"b": range(5), "c": range(5)}, "owner_ambiguous"),
        ("", range(5), {"b": range(5), "c": range(5)}, "owner_ambiguous"),
        ("ab", range(5), {}, "owner_ambiguous"),
        ("ab", range(5), {"c": range(5)}, ("c", "readings", 5, 5)),
        ("", range(5), {"a": range(4)}, "owner_unknown"),
    ],
)
def test_whose_device_it_is_follows_from_the_claims_and_the_readings(
    tmp_path, claimed, instants, readings_of, expected
):
    people = [customer(who, "other", 1, research=1) for who in "abc"]
    found = tables(
        tmp_path,
        people + [customer(who, "s", 1, research=1) for who in claimed],
        [reading for who in "abc" for reading in readings(who, [*readings_of.get(who, []), 100])],
        steps("s", instants),
    )

    if isinstance(expected, str):
        assert not found["device_owners"]
        assert outcomes(found, "step_trainer_trusted") == {("rejected", expected): len(instants)}
        assert figures(found, "step_trainer_trusted")["device_owners", expected] == 1
        assert found["landing_quarantine"] == Counter(
            ("step_trainer_landing", "f.json", position + 1, expected) for position in instants
        )
    else:
        assert found["device_owners"] == Counter([("s", *expected)])
        assert found["step_trainer_trusted"].total() == len(instants)


def test_the_readings_of_somebody_without_any_customer_record_decide_too(tmp_path):
    found = tables(tmp_path, [customer("a", "s", 1, research=1)], readings("nobody", range(5)), steps("s", range(5)))

    assert outcomes(found, "step_trainer_trusted") == {("filtered", "owner_not_curated"): 5}


def test_only_readings_of_the_owner_at_the_instant_are_paired_and_all_are_counted(tmp_path):
    found = tables(
        tmp_path,
        [customer("a", "s", 1, research=1), customer("b", "t", 1, research=1)],
        readings("a", [5]) + readings("b", [5, 6]),
        steps("s", [5]) + steps("t", [7]),
    )

    assert values(found, "machine_learning_curated", *PAIR) == [("s", 5, 5, 1.0)]
    assert {row[1:] for row in found["job_audit"] if row[0] == "machine_learning_curated"} == {
        ("step_trainer_trusted", "kept", None, 1),
        ("step_trainer_trusted", "filtered", "no_reading_at_instant", 1),
        ("accelerometer_trusted", "kept", None, 1),
        ("accelerometer_trusted", "filtered", "no_reading_at_instant", 2),
    }
    assert figures(found, "machine_learning_curated") == {
        ("step_trainer_trusted", "read"): 2,
        ("accelerometer_trusted", "read"): 3,
        ("machine_learning_curated", "written"): 1,
    }


def test_what_was_rejected_and_repaired_of_a_landing_source_and_its_lines_are_counted(tmp_path):
    for folder in FOLDERS.values():
        (tmp_path / folder).mkdir()
    (tmp_path / "step_trainer" / "f.json").write_text(f"{STEP},{STEP}[\n{STEP[:-1]}\n}}\n5")
    found = lakehouse(tmp_path).tables

    assert outcomes(found, "step_trainer_trusted") == {
        ("duplicate", None): 2,
        ("rejected", "owner_unknown"): 1,
        ("rejected", "not_json"): 1,
        ("rejected", "not_an_object"): 1,
    }
    assert figures(found, "step_trainer_trusted") == {
        ("step_trainer_landing", "read"): 5,
        ("step_trainer_landing", "repaired"): 3,
        ("step_trainer_landing", "lines"): 4,
        ("step_trainer_trusted", "written"): 0,
        ("device_owners", "written"): 0,
        ("device_owners", "owner_unknown"): 1,
    }
    assert figures(found, "customer_trusted")["customer_landing", "lines"] == 0
    assert found["landing_quarantine"] == Counter(
        [
            ("step_trainer_landing", "f.json", 1, "not_json"),
            ("step_trainer_landing", "f.json", 1, "owner_unknown"),
            ("step_trainer_landing", "f.json", 4, "not_an_object"),
        ]
    )


# --- the real data -------------------------------------------------------------------------------------------------
FIVE_TABLES = ("customer_trusted", "accelerometer_trusted", "customers_curated")
FIVE_TABLES += ("step_trainer_trusted", "machine_learning_curated")


@pytest.fixture(scope="module")
def tables_of_the_real_data(real_data):
    """{consent policy -> tables}, as a function"""
    return functools.cache(lambda consent_policy: lakehouse(real_data, consent_policy).tables)


@pytest.mark.parametrize(
    ("consent_policy", "expected"),
    [("customer", (482, 40_981, 482, 14_460, 40_981)), ("reading_time", (482, 32_025, 464, 11_297, 32_025))],
)
def test_the_real_data_gives_the_known_results(tables_of_the_real_data, consent_policy, expected):
    found = tables_of_the_real_data(consent_policy)

    assert tuple(found[table].total() for table in FIVE_TABLES) == expected
    assert not found["landing_quarantine"]
    assert figures(found, "step_trainer_trusted")["device_owners", "website_confirmed"] == 956


def test_the_real_data_with_thirty_serial_numbers_gives_the_same_steps(real_data, tables_of_the_real_data, tmp_path):
    (tmp_path / "customer").mkdir()
    for folder in ("accelerometer", "step_trainer"):
        (tmp_path / folder).symlink_to(real_data / folder)
    (delivered,) = (real_data / "customer").iterdir()
    customers = [json.loads(line) for line in delivered.read_text().splitlines()]
    rng = random.Random(30)
    shared = rng.sample([record["serialNumber"] for record in customers], 30)
    (tmp_path / "customer" / "f.json").write_text(
        "".join(json.dumps(record | {"serialNumber": rng.choice(shared)}) + "\n" for record in customers)
    )
    found, before = lakehouse(tmp_path).tables, tables_of_the_real_data("customer")

    assert found["step_trainer_trusted"] == before["step_trainer_trusted"]
    assert found["machine_learning_curated"] == before["machine_learning_curated"]
    assert {row[2] for row in found["device_owners"]} == {"website_confirmed", "readings"}
    assert {row[:2] for row in found["device_owners"]} == {row[:2] for row in before["device_owners"]}
