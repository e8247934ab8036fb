"""How the lines of a file become records (docs/landing-files.md): one sentence for each kind of hard data."""

import json
import time

import pytest
from landing_files import READING, STEP, USED, count_lines, read, steps

from lakehouse.landing.lines import LONGEST_LINE


def test_a_comma_after_an_object_is_repaired():
    assert steps(f"{STEP},\n{STEP} , \r\n{STEP}") == [(1, USED, True), (2, USED, True), (3, USED, False)]


def test_every_object_of_a_line_is_a_record_and_those_after_the_first_are_repaired():
    assert steps(f"{STEP}{STEP} {STEP},{STEP}") == [
        (1, USED, False),
        (1, USED, True),
        (1, USED, True),
        (1, USED, True),
    ]


def test_an_object_over_several_lines_is_one_repaired_record():
    spread = json.dumps(json.loads(STEP), indent=2)
    assert steps(f"{spread}\n{STEP}\n") == [(1, USED, True), (6, USED, False)]


def test_the_line_on_which_an_object_ends_is_read_on():
    assert steps(f'{{"a":\n1}} {STEP}\n') == [(1, "missing_field", False), (2, USED, True)]


def test_an_object_that_is_cut_off_hides_no_neighbour():
    assert steps(f"{STEP}\n{STEP[:40]}\n{STEP}") == [(1, USED, False), (2, "not_json", False), (3, USED, False)]
    assert steps(f"{STEP}\n{STEP[40:]}\n{STEP}") == [(1, USED, False), (2, "not_json", False), (3, USED, False)]


def test_an_object_has_at_most_a_thousand_further_lines():
    assert steps("{" + "\n" * 1_000 + STEP[1:]) == [(1, USED, True)]
    assert steps("{" + "\n" * 1_001 + STEP[1:]) == [(1, "not_json", False), (1_002, "not_json", False)]


def test_what_is_in_a_broken_object_is_not_looked_for():
    assert steps(f'{{"broken" {STEP}') == [(1, "not_json", False)]


@pytest.mark.parametrize("given", ["[1,2]", f"[{STEP}]", '"text"', "5", "5 ,", "null", "true"])
def test_other_json_values_are_rejected_as_no_objects(given):
    assert steps(f"{STEP}\n{given}\n{STEP}") == [(1, USED, False), (2, "not_an_object", False), (3, USED, False)]


@pytest.mark.parametrize(
    "given", ["xyz", "NaN", "5 5", f",{STEP}", "}", '{"a":NaN}', "{'a':1}", '{"a":"\t"}', "\ufeff\ufeff"]
)
def test_what_is_no_json_is_rejected(given):
    assert steps(f"{STEP}\n{given}\n{STEP}") == [(1, USED, False), (2, "not_json", False), (3, USED, False)]


def test_a_rejected_record_says_where_it_stands():
    (row,) = read(" \t{ broken , \r\n")
    assert (row["file"], row["position"], row["reason"]) == ("f.json", 1, "not_json")


def test_blank_lines_are_no_records_but_count_as_lines():
    assert steps(f"\n \t\r\n{STEP}\n\n\ufeff\n{STEP}\n\n") == [(3, USED, False), (6, USED, False)]


def test_a_byte_order_mark_at_the_start_of_a_file_is_none_of_its_text_and_on_a_later_line_it_is_repaired():
    assert steps(f"\ufeff{STEP}\n\ufeff {STEP}") == [(1, USED, False), (2, USED, True)]


def test_lines_may_end_in_carriage_return_and_line_feed():
    assert steps(f"{STEP}\r\n{STEP}\r\n") == [(1, USED, False), (2, USED, False)]


def test_a_line_that_is_not_utf8_is_rejected():
    rows = read(STEP.encode() + b"\n " + STEP.replace('"s"', '"\xe9"').encode("latin-1") + b"\n" + STEP.encode())
    assert [row["reason"] for row in rows] == [None, "not_utf8", None]


def test_a_line_of_ten_megabytes_is_a_record_and_takes_time_in_proportion_to_its_length():
    def seconds(megabytes):
        long = STEP.replace("{", f'{{"more":"{"x" * megabytes * 1_000_000}",', 1)
        started = time.process_time()
        assert steps(f"{STEP}\n{long}\n{long[:-9]}\n" + "5\n" * 999)[:3] == [
            (1, USED, False),
            (2, USED, False),
            (3, "not_json", False),
        ]
        return time.process_time() - started

    assert seconds(10) < 30 * max(0.1, seconds(1))


def test_objects_over_a_thousand_lines_take_time_in_proportion_to_their_lines():
    def seconds(lines):
        started = time.process_time()
        assert len(read("{\n" + "}{\n" * lines)) == lines + 1
        return time.process_time() - started

    assert seconds(20_000) < 30 * max(0.1, seconds(2_000))


def test_lines_are_counted_as_athena_does_and_positions_by_line_feeds():
    """For Athena, a carriage return ends a line, too, whether or not a line feed follows."""
    assert count_lines("") == 0
    assert (
        count_lines("\n") == count_lines("a") == count_lines("a\n") == count_lines("a\r\n") == count_lines("a\r") == 1
    )
    assert count_lines("a\rb") == count_lines("a\r\rb\r\n") - 1 == 2
    assert count_lines("a\n\rb\n\n") == 4
    assert count_lines(f"{STEP}\n" * 100 + f"{STEP}\r{STEP}\r\n" + f"{STEP}\r\n" * 100) == 202
    assert steps(f"{STEP}\r{STEP}\r\n{STEP}") == [(1, USED, True), (1, USED, True), (2, USED, False)]


def test_a_line_that_is_too_long_for_athena_is_rejected():
    long = STEP.replace("{", f'{{"more":"{"x" * LONGEST_LINE}",', 1)
    assert steps(f"{STEP}\n{long}\n{STEP}") == [(1, USED, False), (2, "line_too_long", False), (3, USED, False)]
    long = READING.replace("ada", "a" * LONGEST_LINE)
    rows = read("\n".join([READING] * 70 + [long]), "accelerometer_landing")
    assert [row["reason"] for row in rows] == [None] * 70 + ["line_too_long"]


def test_a_long_line_with_carriage_returns_is_several_lines_for_athena():
    half = STEP.replace("{", f'{{"more":"{"x" * (LONGEST_LINE // 2)}",', 1)
    assert steps(f"{half}\r{half}") == [(1, USED, True), (1, USED, True)]
