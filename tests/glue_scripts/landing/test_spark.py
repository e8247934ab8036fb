"""The files of a folder as data frames."""

import gzip

import pytest
from landing_files import NOON, READING, STEP, USED, found, write
from pyspark.errors import PythonException
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.landing import read_landing
from lakehouse.landing.spark import read_rows
from lakehouse.tables import TABLES


def read_records(spark, *arguments):
    """Without the rows that count lines."""
    return read_rows(spark, *arguments).where("lines is null")


def test_a_landing_table_has_the_columns_of_its_source_in_lower_case_and_typed(spark, tmp_path):
    frame = read_rows(spark, "accelerometer_landing", write(tmp_path, f=READING))
    expected = [(column.name, column.sql_type) for column in TABLES["accelerometer_landing"].columns]
    assert frame.dtypes[:5] == expected
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
    landing = read_landing(spark, "step_trainer_landing", str(tmp_path / folder))
    assert [frame.count() for frame in landing] == [0, 0, 0, 0]
    assert landing.used.columns == ["sensorreadingtime", "serialnumber", "distancefromobject", "file", "position"]


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
    frame = read_rows(spark, "step_trainer_landing", write(tmp_path, f=f"{STEP}\n" * 100))
    setting = spark.conf.get("spark.sql.files.maxPartitionBytes")
    spark.conf.set("spark.sql.files.maxPartitionBytes", 1_000)
    try:
        with pytest.raises(PythonException, match="LandingChangedError"):
            frame.count()
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", setting)


def test_each_record_is_used_or_rejected_and_the_files_with_other_records_than_athena_finds_are_known(spark, tmp_path):
    folder = write(
        tmp_path,
        plain=f"{STEP}\n\n{STEP}",
        comma=f"{STEP},\n{STEP}",
        broken=f"{STEP}\n{{\n",
        blank="\n",
        **{"cut.gz": gzip.compress(STEP.encode())[:-4]},
    )
    landing = read_landing(spark, "step_trainer_landing", folder)
    assert found(landing.used, *landing.used.columns) == sorted(
        (
            (*USED, file, position)
            for file, position in [("plain", 1), ("plain", 3), ("comma", 1), ("comma", 2), ("broken", 1), ("cut.gz", 1)]
        ),
        key=repr,
    )
    assert found(landing.rejected, *landing.rejected.columns) == [
        ("broken", 2, "not_json"),
        ("cut.gz", 1, "damaged_file"),
    ]
    assert found(landing.repaired_files, *landing.repaired_files.columns) == [
        (file, *USED) for file in ["broken", "comma", "comma", "cut.gz"]
    ]
    assert found(landing.counts, "reason", "read", "repaired", "lines") == [
        ("damaged_file", 1, 0, 0),
        ("not_json", 1, 0, 0),
        (None, 6, 1, 8),  # those of cut.gz do not count
    ]
