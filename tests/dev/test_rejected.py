"""The text of a rejected record, straight from the landing zone."""

import gzip
import random

import pytest

from dev.rejected import rejected_lines
from dev.settings import CommandError, lakehouse_settings

LINES = b'{"a": 1}\r\nnot json \xff\n\n{"b":\n  {"c": 2}\n}\n{"cut": \n{"d": 3}'


@pytest.fixture
def deliver(lake_aws):
    """Puts a file into a landing zone, for one test."""
    s3, bucket, keys = lake_aws.client("s3"), lakehouse_settings().bucket, []

    def put(key, content):
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        keys.append(key)

    yield put
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("1", b'{"a": 1}\r\n'),
        ("2", b"not json \xff\n"),
        ("3", b"\n"),
        ("4", b'{"b":\n  {"c": 2}\n}\n'),
        ("5", b'  {"c": 2}\n'),
        ("7", b'{"cut": \n'),
        ("8", b'{"d": 3}\n'),
    ],
)
@pytest.mark.parametrize("file", ["a/b.json", "a/b.json.gz"])
def test_the_lines_of_the_record_at_the_position_are_given_byte_by_byte(deliver, file, position, expected):
    deliver(f"customer_landing/{file}", gzip.compress(LINES) if file.endswith(".gz") else LINES)
    assert rejected_lines(file, position, None) == expected


def test_of_a_damaged_gzip_the_lines_before_the_damage_are_there(deliver):
    whole = b"".join(b"%d\n" % random.Random(1).getrandbits(64) for _ in range(5)) + random.Random(2).randbytes(10_000)
    deliver("customer_landing/cut.json.gz", gzip.compress(whole)[:5000])
    assert rejected_lines("cut.json.gz", "3", None) == whole.splitlines(keepends=True)[2]


@pytest.mark.parametrize(
    ("file", "position", "source", "message"),
    [
        ("one.json", "9", None, "s3://stedi-lakehouse/customer_landing/one.json has 8 lines; POSITION is 9"),
        ("one.json", "0", None, "POSITION is '0'; it must be the number of a line, from 1"),
        (
            "none.json",
            "1",
            None,
            "FILE is 'none.json'; there is no such file in s3://stedi-lakehouse/ under ",
        ),
        ("one.json", "1", "accelerometer_landing", "FILE is 'one.json'; there is no such file in"),
        ("one.json", "1", "customer", "SOURCE is 'customer'; it can be customer_landing, "),
        (
            "two.json",
            "1",
            None,
            "FILE is 'two.json', which customer_landing, step_trainer_landing have; choose",
        ),
    ],
)
def test_what_cannot_be_found_is_said(deliver, file, position, source, message):
    deliver("customer_landing/one.json", LINES)
    deliver("customer_landing/two.json", LINES)
    deliver("step_trainer_landing/two.json", LINES)
    with pytest.raises(CommandError) as failed:
        rejected_lines(file, position, source)
    assert str(failed.value).startswith(message)


def test_the_command_prints_the_bytes_and_nothing_else(deliver, command):
    deliver("customer_landing/one.json", LINES)
    deliver("step_trainer_landing/one.json", b"other\n")
    printed = command("rejected", "--file", "one.json", "--position", "1", "--source", "step_trainer_landing")
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, "other\n", "")
