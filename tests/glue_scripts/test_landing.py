"""How landing files are read (docs/landing-files.md): one sentence for each kind of hard data."""

import gzip
import json
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.errors import PythonException
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import TooManyRejectedError
from lakehouse.json_records import RecordReader, record_schema
from lakehouse.landing import SCHEMAS, read_landing, used
from lakehouse.outcomes import Count, check_rejected, count_outcomes, count_reading, once, quarantine
from lakehouse.tables import LANDING_TABLES, columns

NOON = 1_655_553_600_000
STEP = '{"sensorReadingTime":1655553600000,"serialNumber":"s","distanceFromObject":250}'
USED = (NOON, "s", 250)
READING = '{"user":"ada@example.com","timestamp":1655553600000,"x":1.0,"y":-0.5,"z":0.0}'
CUSTOMER = '{"email":"ada@example.com","serialNumber":"s","lastUpdateDate":1655553600000'


def read(content, table="step_trainer_landing", *, fast=True, name="f.json", batch=None):
    """Every record of one file, as a dictionary, in the order of its lines."""
    content = content.encode() if isinstance(content, str) else content
    reader = RecordReader(table, fast=fast)
    if batch is None:
        batches = [*reader.whole(name, content)]
    else:
        lines = content.split(b"\n")
        lines = lines if lines[-1] else lines[:-1]
        reader.start(name)
        batches = []
        for begin in range(0, len(lines), batch):
            batches += reader.lines(pa.array(lines, pa.binary())[begin : begin + batch])
    batches += reader.end()
    assert all(batch.schema == record_schema(table) for batch in batches)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert len([row for row in rows if row["lines"] is not None]) == 1
    return sorted((row for row in rows if row["lines"] is None), key=lambda row: row["position"])


def steps(content, **options):
    """(position, values or reason, repaired) of the records of a step trainer file."""
    return [
        (
            row["position"],
            row["reason"] or tuple(row[name] for name in columns("step_trainer_landing")),
            row["repaired"],
        )
        for row in read(content, **options)
    ]


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


# --- lines


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


# --- files


def test_a_file_of_zero_bytes_has_no_records():
    assert read(b"") == read(b"", name="f.json.gz") == []


def test_a_gzip_file_is_decompressed_all_of_its_members():
    content = gzip.compress(f"{STEP}\n".encode()) + gzip.compress(f"{STEP}\n{STEP}".encode()) + b"\0\0"
    assert steps(content, name="f.json.gz") == [(1, USED, False), (2, USED, False), (3, USED, False)]


def test_a_gzip_file_that_is_cut_off_loses_nothing_before_the_cut():
    many = "".join(
        f'{{"sensorReadingTime":{i},"serialNumber":"{i * i}","distanceFromObject":{i}}}\n' for i in range(3_000)
    )
    whole = steps(many)
    content = gzip.compress(many.encode())
    found = steps(content[: len(content) // 2], name="f.json.gz")
    *used, last, damage = found
    assert len(used) > 1_000
    assert used == whole[: len(used)]
    assert (last[1], damage) == ("not_json", (len(used) + 1, "damaged_file", False))


def test_a_damaged_gzip_file_loses_nothing_before_the_damage():
    content = bytearray(gzip.compress(f"{STEP}\n{STEP}\n".encode()))
    content[-8] ^= 1  # of the checksum
    assert steps(bytes(content), name="f.json.gz") == [(1, USED, False), (2, USED, False), (2, "damaged_file", False)]
    assert steps(STEP, name="f.json.gz") == [(1, "damaged_file", False)]


# --- the fast path

LINES = {
    "accelerometer_landing": READING,
    "step_trainer_landing": STEP,
    "customer_landing": CUSTOMER + "}",
}
NUMBERS = """1 0 -0 -0.0 -1 1.0 1.5 1e3 1e-3 5e-324 1e308 1e400 01 +1 .5 1. 99999999999999 253402300799999
    253402300800000 999999999 1000000000 2147483648 9999999999999999 12345678901234567890 0.30000000000000004"""
OTHERS = r"""null true [] {} NaN Infinity "" "a" "A@x.de" "," ":" "{}" "[]" "\"" "\u0041" "é" "NA" "null" "nan" "1"
    "-0" """
SPACED = ['" "', '"a b"', '" a "', '"\t"', '"\x7f"', '"\\n"']
VALUES = st.sampled_from(NUMBERS.split() + OTHERS.split() + SPACED)


@st.composite
def lines_of(draw, table):
    """One line: plain, or one that differs from a plain one a little or a lot."""
    pairs = [[key, json.dumps(value)] for key, value in json.loads(LINES[table]).items()]
    change = draw(
        st.sampled_from(["none", "none", "value", "key", "twice", "absent", "order", "spaces", "bytes", "other"])
    )
    which = draw(st.sampled_from(pairs))
    comma, colon, begin, end = ",", ":", "", ""
    if change == "value":
        which[1] = draw(VALUES)
    elif change == "key":
        which[0] = draw(st.sampled_from([which[0].upper(), which[0] + " ", "other", ""]))
    elif change == "twice":
        pairs.append([which[0], draw(VALUES)])
    elif change == "absent":
        pairs.remove(which)
    elif change == "order":
        pairs = draw(st.permutations(pairs))
    elif change == "spaces":
        space = st.sampled_from(["", " ", "\t", "\r", "\xa0", "\ufeff", "\x0b", ","])
        comma, colon, begin, end = f",{draw(space)}", f"{draw(space)}:", draw(space), draw(space)
    line = (begin + "{" + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + "}" + end).encode()
    if change == "bytes":
        at = draw(st.integers(0, len(line) - 1))
        line = line[:at] + draw(st.binary(max_size=2)).replace(b"\n", b"") + line[at + 1 :]
    if change == "other":
        line = draw(
            st.sampled_from([b"", b"{", b"}", b"}{", b'{"a":', b"1}", b"5", b"\xff", b"\xef\xbb\xbf", line + line])
        )
    return line


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_fast_path_and_the_slow_one_read_the_same(data):
    table = data.draw(st.sampled_from(sorted(LANDING_TABLES)))
    lines = data.draw(st.lists(lines_of(table), min_size=1, max_size=12))
    plain = [LINES[table].encode()] * 70  # enough of them for the fast path
    at = data.draw(st.integers(0, 70))
    content = b"\n".join(plain[:at] + lines + plain[at:] + lines)
    slow = read(content, table, fast=False)

    def in_order(rows):
        return sorted(map(repr, rows))

    assert in_order(read(content, table)) == in_order(slow)
    assert in_order(read(content, table, batch=data.draw(st.sampled_from([1, 65, 80, 100])))) == in_order(slow)


def test_plain_lines_are_read_by_the_fast_path():
    """Nothing else would notice if none were."""
    reader = RecordReader("accelerometer_landing")
    reader.start("f.json")
    (batch,) = reader.lines(pa.array([READING, READING.replace(",", ", ").replace(":", ": ") + "\r"] * 50, pa.binary()))
    assert batch.num_rows == 100
    assert batch["z"].to_pylist() == [0.0] * 100


# --- with Spark


def write(folder, **files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def found(frame, *names):
    return sorted((tuple(row) for row in frame.select(*names).collect()), key=repr)


def read_records(spark, *arguments, **options):
    """Without the rows that count lines."""
    return read_landing(spark, *arguments, **options).where("lines is null")


def test_a_landing_table_has_the_columns_of_its_source_in_lower_case_and_typed(spark, tmp_path):
    frame = read_landing(spark, "accelerometer_landing", write(tmp_path, f=READING))
    expected = [(field.name.lower(), field.dataType) for field in SCHEMAS["accelerometer_landing"]]
    assert [(field.name, field.dataType) for field in frame.schema][:5] == expected
    assert frame.columns[5:] == ["file", "position", "reason", "repaired", "lines"]
    assert found(frame, *frame.columns) == [
        ("ada@example.com", NOON, 1.0, -0.5, 0.0, "f", 1, None, False, None),
        (None, None, None, None, None, "f", None, None, None, 1),
    ]


def test_all_files_below_the_folder_are_read_but_those_with_a_hidden_part(spark, tmp_path):
    hidden = ["_part.json", ".f.json", "_tmp/f.json", "a/.b/f.json", "_year=1/f.json"]
    names = ["f.json", "a b/ü %20?.json", "a/[1]{2}.json", "z", "gz", "agz", "2", "f.bz2", "f.zst", "a/f.json.gz"]
    folder = write(
        tmp_path / "landing %41",
        **dict.fromkeys(hidden + names[:-1], STEP),
        **{names[-1]: gzip.compress(STEP.encode())},
    )
    frame = read_records(spark, "step_trainer_landing", folder)
    assert found(frame, "file", "reason") == sorted((name, None) for name in names)


@pytest.mark.parametrize("folder", ["empty", "none"])
def test_a_folder_without_files_or_without_existence_has_no_records(spark, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    assert read_landing(spark, "step_trainer_landing", str(tmp_path / folder)).count() == 0


def test_files_of_every_kind_are_read_side_by_side(spark, tmp_path):
    folder = write(
        tmp_path,
        bom=f"\ufeff{STEP}\r\n",
        empty=b"",
        foreign=STEP.encode() + b"\n\xff\n",
        long=STEP.replace("{", f'{{"more":"{"x" * 10_000_000}",', 1),
        **{"cut.gz": gzip.compress(f"{STEP}\n{STEP}".encode())[:-4], "empty.gz": b""},
    )
    frame = read_records(spark, "step_trainer_landing", folder)
    assert found(frame, "file", "position", "reason", "serialnumber") == [
        ("bom", 1, None, "s"),
        ("cut.gz", 1, None, "s"),
        ("cut.gz", 2, "damaged_file", None),
        ("cut.gz", 2, None, "s"),
        ("foreign", 1, None, "s"),
        ("foreign", 2, "not_utf8", None),
        ("long", 1, None, "s"),
    ]


def test_a_large_file_is_read_by_one_task_and_several_files_by_several(spark, tmp_path):
    lines = (STEP + "\n") * 60_000  # 5 MB
    folder = write(
        tmp_path, a=lines + '{"sensorReadingTime":1,\n"serialNumber":"t",\n"distanceFromObject":1}\n', b=lines
    )
    spark.conf.unset("stedi.landing.taskBytes")
    frame = read_records(spark, "step_trainer_landing", folder)
    assert frame.select(F.spark_partition_id().alias("task"), "file").distinct().count() == 2
    assert frame.select(F.spark_partition_id().alias("task")).distinct().count() == 2
    assert found(frame.where("serialnumber = 't'"), "file", "position") == [("a", 60_001)]
    assert frame.agg(F.max("position"), F.count("*")).first() == (60_001, 120_001)


def test_thousands_of_small_files_take_few_tasks(spark, tmp_path):
    folder = write(tmp_path, **{f"{number % 7}/{number}.json": f"{STEP}\n{{\n" for number in range(2_000)})
    frame = read_records(spark, "step_trainer_landing", folder)
    assert frame.rdd.getNumPartitions() <= 8
    rows = frame.groupBy("reason", "position").agg(F.count("*"), F.countDistinct("file")).collect()
    assert sorted(map(tuple, rows), key=repr) == [("not_json", 2, 2_000, 2_000), (None, 1, 2_000, 2_000)]


def test_a_file_that_another_setting_would_have_read_in_parts_fails_the_job(spark, tmp_path):
    frame = read_landing(spark, "step_trainer_landing", write(tmp_path, f=f"{STEP}\n" * 100))
    setting = spark.conf.get("spark.sql.files.maxPartitionBytes")
    spark.conf.set("spark.sql.files.maxPartitionBytes", 1_000)
    try:
        with pytest.raises(PythonException, match="LandingChangedError"):
            frame.count()
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", setting)


# --- what is counted and kept of it


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
    rejected = F.col("sensorreadingtime") == NOON
    judged = once(used(reading), *columns("step_trainer_landing")).withColumn(
        "outcome", F.when(rejected, "rejected").otherwise("kept")
    )
    judged = judged.withColumn("reason", F.when(rejected, "owner_unknown"))
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
        "This job changed no table. See which ones, and why: SELECT 1"
    )


@pytest.mark.parametrize(("read", "rejected", "limit"), [(200, 10, 0.05), (0, 0, 0.0), (7, 0, 0.0), (7, 7, 1.0)])
def test_as_many_rejected_records_as_allowed_stop_nothing(read, rejected, limit):
    check_rejected("s", read, [Count("rejected", "not_json", rejected)], limit, "")
