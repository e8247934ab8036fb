"""The shape of the generated data, and that its malformed records are those that it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dev import generate as generator
from dev.generate import UsageError, generate
from dev.generate_malformed import mutations
from dev.generate_records import FIELDS, NAMES, name_and_email
from stedi.tables import SOURCES, TABLES
from tests.reference.lakehouse_reference import lakehouse, read_landing

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE = PROJECT / "include" / "sample"
CUSTOMERS, SEED = map(int, re.search(r"--customers (\d+) --seed (\d+)", generator.__doc__).groups())
RESEARCH = "shareWithResearchAsOfDate"


def files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for source in SOURCES
        for path in sorted((directory / source).iterdir())
    }


def lines(directory, source):
    """Every line of a source; none if it delivers nothing, and has no folder."""
    return [line for path in sorted((directory / source).glob("*")) for line in path.read_text().splitlines()]


def records(directory, source):
    return [json.loads(line) for line in lines(directory, source)]


def person(email):
    return email.strip().lower()


def instants_by_person(directory):
    instants = defaultdict(set)
    for reading in records(directory, "accelerometer"):
        instants[person(reading["user"])].add(reading["timestamp"])
    return instants


def instants_by_device(directory):
    instants = defaultdict(set)
    for reading in records(directory, "step_trainer"):
        instants[reading["serialNumber"]].add(reading["sensorReadingTime"])
    return instants


def device_owners(directory):
    return {customer["serialNumber"]: person(customer["email"]) for customer in records(directory, "customer")}


def latest_customers(directory):
    """The latest record of each person."""
    by_update = sorted(records(directory, "customer"), key=lambda customer: customer["lastUpdateDate"])
    return {person(customer["email"]): customer for customer in by_update}


def run(*arguments, cwd=PROJECT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "dev.generate", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        cwd=cwd,
    )


def test_the_same_arguments_give_the_same_bytes_under_any_hash_seed_time_zone_and_locale(tmp_path):
    options = ("--customers", 20, "--seed", 5, "--shared-serials", 3, "--damage", 0.3)
    for name, environment in (
        ("one", {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"}),
        ("two", {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}),
    ):
        assert run("--out", tmp_path / name, *options, **environment).returncode == 0

    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert rejected(tmp_path / "one") == rejected(tmp_path / "two")


@pytest.mark.parametrize(("seed", "other"), [(1, 2), (1, -1)])
def test_another_seed_gives_other_data(tmp_path, seed, other):
    generate(tmp_path / "one", 5, seed)
    generate(tmp_path / "two", 5, other)

    assert not set(files(tmp_path / "one").values()) & set(files(tmp_path / "two").values())


def test_the_committed_sample_is_what_its_documented_arguments_give(tmp_path):
    generate(tmp_path, CUSTOMERS, SEED)

    assert files(SAMPLE) == files(tmp_path)


def test_the_counts_are_the_records_written(tmp_path):
    assert generate(tmp_path, 12, 3) == {source: len(lines(tmp_path, source)) for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES)
def test_records_have_the_described_keys_in_their_order_in_the_format_of_the_source(source):
    separators = None if source == "customer" else (",", ":")

    for line in lines(SAMPLE, source):
        record = json.loads(line)
        assert list(record) == [field.key for field in FIELDS[source] if field.key in record or field.required]
        assert line == json.dumps(record, separators=separators)


def test_several_readings_of_a_person_fall_on_one_instant_and_differ():
    distinct = set(lines(SAMPLE, "accelerometer"))
    readings = Counter(
        (person(reading["user"]), reading["timestamp"]) for reading in map(json.loads, distinct)
    ).values()

    assert set(readings) <= {1, 2, 3}
    assert 2.5 < sum(readings) / len(readings) < 3


def test_people_share_instants_but_nobody_covers_another_persons_device():
    by_person, owners = instants_by_person(SAMPLE), device_owners(SAMPLE)
    covered = [
        len(instants & by_person[other]) / len(instants)
        for device, instants in instants_by_device(SAMPLE).items()
        for other in by_person
        if other != owners[device]
    ]

    assert 0 < max(covered) < 0.9


def test_some_consent_lies_after_some_of_the_readings_and_some_after_all():
    by_person = instants_by_person(SAMPLE)
    before = {
        sum(instant < customer[RESEARCH] for instant in by_person[email]) / len(by_person[email])
        for email, customer in latest_customers(SAMPLE).items()
        if RESEARCH in customer and by_person[email]
    }

    assert {0, 1} < before


def test_a_later_record_of_the_same_device_withdraws_the_consent_of_somebody_with_readings():
    latest = latest_customers(SAMPLE)
    withdrawn = [c for c in records(SAMPLE, "customer") if RESEARCH in c and RESEARCH not in latest[person(c["email"])]]

    assert withdrawn
    for earlier in withdrawn:
        later = latest[person(earlier["email"])]
        assert later["serialNumber"] == earlier["serialNumber"]
        assert later["lastUpdateDate"] > earlier["lastUpdateDate"]
        assert instants_by_person(SAMPLE)[person(earlier["email"])]


@pytest.mark.parametrize("source", ["accelerometer", "step_trainer"])
def test_some_reading_is_delivered_twice(source):
    assert max(Counter(lines(SAMPLE, source)).values()) == 2


def test_a_step_reading_is_known_by_its_device_and_instant_apart_from_redeliveries():
    distinct = [json.loads(line) for line in set(lines(SAMPLE, "step_trainer"))]

    assert len({(step["serialNumber"], step["sensorReadingTime"]) for step in distinct}) == len(distinct)
    assert all(201 <= step["distanceFromObject"] <= 300 for step in distinct)


def test_some_customer_who_agreed_has_not_used_their_device():
    used = instants_by_device(SAMPLE)

    assert any(RESEARCH in c and c["serialNumber"] not in used for c in latest_customers(SAMPLE).values())


def test_some_readings_spell_the_email_in_another_case_and_some_with_a_space():
    emails = {customer["email"] for customer in records(SAMPLE, "customer")}
    others = {reading["user"] for reading in records(SAMPLE, "accelerometer")} - emails

    assert {person(user) for user in others} <= {person(email) for email in emails}
    assert any(user != user.strip() for user in others)
    assert any(user.strip() not in emails for user in others)


def test_no_two_customers_have_one_email_even_when_the_names_come_again():
    assert len({person(name_and_email(number, 17)[1]) for number in range(3 * NAMES)}) == 3 * NAMES


def test_a_file_has_at_most_10000_lines_and_a_person_readings_in_several(tmp_path):
    generate(tmp_path, 300, 1)
    contents = [path.read_text().splitlines() for path in sorted((tmp_path / "accelerometer").iterdir())]

    assert [len(content) for content in contents[:-1]] == [10_000] * (len(contents) - 1)
    assert 0 < len(contents[-1]) <= 10_000
    users = [{json.loads(line)["user"] for line in content} for content in contents]
    assert users[0] & users[1]


@settings(max_examples=25, deadline=None)
@given(customers=st.integers(1, 8), seed=st.integers())
@example(customers=1, seed=-12323)  # nobody has readings
def test_every_customer_has_thirty_evenly_spaced_steps_covered_by_their_own_readings_or_none(
    tmp_path_factory, customers, seed
):
    out = tmp_path_factory.mktemp("landing")
    generate(out, customers, seed)
    by_person, owners = instants_by_person(out), device_owners(out)

    assert len(owners) == len(set(owners.values())) == customers
    by_device = instants_by_device(out)
    assert {owners[device] for device in by_device} == set(by_person)
    for device, instants in by_device.items():
        first, second, *_ = sorted(instants)
        assert sorted(instants) == list(range(first, first + 30 * (second - first), second - first))
        assert by_person[owners[device]] == instants


def test_with_shared_serials_the_website_knows_that_many_numbers_and_all_else_stays_the_same(tmp_path):
    generate(tmp_path / "sound", 40, 1)
    generate(tmp_path / "shared", 40, 1, shared_serials=5)
    sound, shared = (records(tmp_path / name, "customer") for name in ("sound", "shared"))
    serial_numbers = {customer["serialNumber"] for customer in shared}

    assert len(serial_numbers) == 5
    assert serial_numbers < {customer["serialNumber"] for customer in sound}
    assert [c | {"serialNumber": ""} for c in shared] == [c | {"serialNumber": ""} for c in sound]
    for source in ("accelerometer", "step_trainer"):
        assert lines(tmp_path / "shared", source) == lines(tmp_path / "sound", source)


def test_with_shared_serials_the_readings_still_give_every_device_its_owner(tmp_path):
    generate(tmp_path / "sound", 40, 1)
    generate(tmp_path / "shared", 40, 1, shared_serials=5)
    sound, shared = (lakehouse(tmp_path / name).tables for name in ("sound", "shared"))

    assert shared["step_trainer_trusted"] == sound["step_trainer_trusted"] != Counter()
    assert shared["machine_learning_curated"] == sound["machine_learning_curated"]
    assert {row[2] for row in shared["device_owners"]} == {"website_confirmed", "readings"}


@pytest.mark.parametrize("source", SOURCES)
def test_each_malformed_record_is_rejected_for_its_reason_or_read(tmp_path, source):
    # a record with every field
    line = next(line for line in lines(SAMPLE, source) if len(json.loads(line)) == len(FIELDS[source]))
    for field in FIELDS[source]:
        for text, reason in mutations(line, field):
            (tmp_path / "f.json").write_bytes(text.encode(errors="surrogateescape"))
            found = {record.reason for record in read_landing(tmp_path, SOURCES[source]).records} - {None}
            assert found == ({reason} if reason else set()), text


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """400 customers with shared serial numbers, a tenth of the records damaged."""
    directory = tmp_path_factory.mktemp("damaged")
    generate(directory, 400, 1, shared_serials=30, damage=0.1)
    return directory


def rejected(directory):
    return [json.loads(line) for line in (directory / "_rejected.jsonl").read_text().splitlines()]


def test_of_damaged_data_exactly_the_records_listed_are_in_quarantine(damaged):
    quarantine = lakehouse(damaged).tables["landing_quarantine"]

    assert quarantine == Counter(tuple(row.values()) for row in rejected(damaged))


def test_damage_has_every_reason_of_the_quarantine(damaged):
    described = next(column for column in TABLES["landing_quarantine"].columns if column.name == "reason")

    # Athena would fail every query on the table of such a file.
    unreadable = {"damaged_file", "line_too_long"}
    assert {row["reason"] for row in rejected(damaged)} == set(re.findall(r"\w+_\w+", described.comment)) - unreadable


def test_damage_leaves_the_sound_records_as_they_are(tmp_path):
    generate(tmp_path / "sound", 30, 1)
    generate(tmp_path / "damaged", 30, 1, damage=0.1)
    for source in SOURCES:
        ((_, sound), *_), ((_, damaged), *_) = (
            sorted((path.name, path.read_bytes().split(b"\n")) for path in (tmp_path / name / source).iterdir())
            for name in ("sound", "damaged")
        )
        kept = len(set(sound) & set(damaged)) / len(set(sound))

        assert 0.8 < kept < 1


@pytest.mark.parametrize("options", [{}, {"damage": 0.2}])
def test_the_very_same_arguments_complete_an_interrupted_run(tmp_path, options):
    counts = generate(tmp_path, 3, 1, **options)
    complete = files(tmp_path)
    sorted((tmp_path / "step_trainer").iterdir())[-1].unlink()

    assert generate(tmp_path, 3, 1, **options) == counts
    assert files(tmp_path) == complete


NEW_SOURCE = """
[sources.new_source]
comment = "New"
fields = [
  { key = "user", kind = "text", required = true, comment = "the person" },
  { key = "timestamp", kind = "time", required = true, comment = "when" },
  { key = "beatsPerMinute", kind = "integer", required = true, comment = "how many" },
  { key = "mood", kind = "text", comment = "if the person said so" },
]
"""


def test_a_new_field_and_a_new_source_have_data_once_they_are_described_and_nothing_else_changes(tmp_path):
    (tmp_path / "include").mkdir()
    for name in ("dags", "dev", "glue_scripts"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    description = tmp_path / "glue_scripts" / "lakehouse" / "tables.toml"
    before, accelerometer, after = description.read_text().partition("[sources.accelerometer]")
    field = '  { key = "newField", kind = "number", required = true, comment = "new" },\n]'
    description.write_text(before + NEW_SOURCE + accelerometer + after.replace("\n]", f"\n{field}", 1))

    result = run("--out", tmp_path, "--customers", CUSTOMERS, "--seed", SEED, "--damage", 0, cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    found = records(tmp_path, "accelerometer")
    assert len({reading.pop("newField") for reading in found}) > 100
    assert found == records(SAMPLE, "accelerometer")
    for source in ("customer", "step_trainer"):
        assert lines(tmp_path, source) == lines(SAMPLE, source)
    new = records(tmp_path, "new_source")
    assert {(reading["user"].lower(), reading["timestamp"]) for reading in new} == {
        (person(reading["user"]), reading["timestamp"]) for reading in found
    }
    assert all(isinstance(reading["beatsPerMinute"], int) for reading in new)
    assert {"mood" in reading for reading in new} == {True, False}


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--customers", "0", "customers must be at least 1, not 0"),
        ("--shared-serials", "0", "shared serials must be at least 1, not 0"),
        ("--damage", "1.5", "damage must be a share from 0 to 1, not 1.5"),
        ("--damage", "nan", "damage must be a share from 0 to 1, not nan"),
    ],
)
def test_options_out_of_range_are_an_error_in_one_line(tmp_path, option, value, says):
    result = run("--out", tmp_path / "out", "--customers", 3, "--seed", 1, option, value)

    assert (result.returncode, result.stderr) == (2, f"generate: {says}\n")
    assert not (tmp_path / "out").exists()


def test_landing_data_of_somebody_else_is_an_error_in_one_line_and_left_as_it_is(tmp_path):
    (tmp_path / "customer").mkdir()
    (tmp_path / "customer" / "customer-1.json").write_text("{}\n")

    result = run("--out", tmp_path, "--customers", 3, "--seed", 1)

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "customer-1.json" in result.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["customer-1.json"]


@pytest.mark.parametrize(
    ("customers", "seed", "options"),
    [(3, 2, {}), (4, 1, {}), (2, 1, {}), (3, 1, {"damage": 0.3}), (3, 1, {"shared_serials": 1}), (3, 1, {"hours": 1})],
)
def test_landing_data_of_other_arguments_is_an_error_and_left_as_it_is(tmp_path, customers, seed, options):
    generate(tmp_path, 3, 1)
    before = files(tmp_path)

    with pytest.raises(UsageError, match="other arguments"):
        generate(tmp_path, customers, seed, **options)
    assert files(tmp_path) == before


@pytest.mark.parametrize("hours", [0, 4])
def test_there_are_at_most_as_many_hours_as_customers(tmp_path, hours):
    with pytest.raises(UsageError, match="hours must be from 1 to the number of customers"):
        generate(tmp_path, 3, 1, hours=hours)


def test_changed_landing_data_is_an_error_and_left_as_it_is(tmp_path):
    generate(tmp_path, 3, 1)
    changed = next((tmp_path / "step_trainer").iterdir())
    changed.write_text("{}\n")

    with pytest.raises(UsageError, match=changed.name):
        generate(tmp_path, 3, 1)
    assert changed.read_text() == "{}\n"
