import pytest
from lakehouse.landing import LandingError, read_landing

READING = '{"user":"ada@example.com","timestamp":1655553600000,"x":1.0,"y":0.0,"z":-1.0}\n'


def read(spark, tmp_path, *contents):
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.json").write_text(content)
    return read_landing(spark, "accelerometer_landing", str(tmp_path))


def test_records_have_the_columns_of_the_source_in_lower_case(spark, tmp_path):
    (tmp_path / "one.json").write_text('{"customerName":"Ada","serialNumber":"s","birthDay":"983-01-01"}\n')
    records = read_landing(spark, "customer_landing", str(tmp_path))
    row = records.first()
    assert (row.customername, row.serialnumber, row.birthday, row.lastupdatedate) == ("Ada", "s", "983-01-01", None)


def test_all_files_are_read_those_in_folders_too(spark, tmp_path):
    (tmp_path / "2026").mkdir()
    (tmp_path / "2026" / "deep.json").write_text(READING)
    assert read(spark, tmp_path, READING, READING * 2).count() == 4


def test_hidden_files_and_empty_ones_hold_no_records(spark, tmp_path):
    (tmp_path / "_SUCCESS").write_text("no record")
    assert read(spark, tmp_path, "", READING).count() == 1


@pytest.mark.parametrize("line", ['{"user":"ada@example.com","x":', '{"timestamp":"soon"}', "not JSON"])
def test_a_line_that_cannot_be_read_is_an_error_that_quotes_it_and_names_its_file(spark, tmp_path, line):
    with pytest.raises(LandingError) as error:
        read(spark, tmp_path, READING, READING + line + "\n")
    assert "1 lines of accelerometer_landing cannot be read" in str(error.value)
    assert "/1.json" in str(error.value)
    assert line in str(error.value)
