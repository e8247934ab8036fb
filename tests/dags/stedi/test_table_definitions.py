"""What create_tables does to tables that are new, that exist, and that cannot become what is described."""

import uuid
from dataclasses import replace

import pytest
from athena_client import Athena

from dev.settings import lakehouse_settings
from lakehouse.tables import Column
from stedi.table_definitions import IncompatibleTablesError, create, existing_columns, statements
from stedi.tables import TABLES

#: As it was at first: user, timestamp, x, y, z.
TABLE = replace(TABLES["accelerometer_trusted"], columns=TABLES["accelerometer_trusted"].columns[:5])
AS_DESCRIBED = {column.name: column.sql_type for column in TABLE.columns}
SETTINGS = replace(lakehouse_settings(), bucket="bucket", database="db")


def with_column(table, kind="number"):
    return replace(table, columns=(*table.columns, Column("temperature", kind, "degrees Celsius")))


def test_a_new_table_is_created_with_its_columns_partitions_and_comments():
    ddl = statements([TABLE], {}, SETTINGS)["accelerometer_trusted"]
    assert ddl.startswith("CREATE TABLE IF NOT EXISTS db.accelerometer_trusted (")
    assert "`x` double COMMENT 'acceleration along the x axis'" in ddl
    assert "PARTITIONED BY (truncate(86400000, `timestamp`))" in ddl
    assert "LOCATION 's3://bucket/warehouse/accelerometer_trusted/'" in ddl


def test_a_table_that_is_as_described_is_left_alone():
    assert statements([TABLE], {TABLE.name: AS_DESCRIBED}, SETTINGS) == {}


def test_a_table_that_exists_gets_the_columns_that_are_new():
    assert statements([with_column(TABLE)], {TABLE.name: AS_DESCRIBED}, SETTINGS) == {
        TABLE.name: "ALTER TABLE db.accelerometer_trusted ADD COLUMNS (`temperature` double COMMENT 'degrees Celsius')"
    }


def test_changes_that_lose_data_are_refused_together_and_name_table_and_column():
    existing = {
        TABLE.name: AS_DESCRIBED | {"x": "string", "pulse": "int"},
        "customer_trusted": {},  # would get all of its columns
    }
    with pytest.raises(IncompatibleTablesError) as error:
        statements([TABLES["customer_trusted"], TABLE], existing, SETTINGS)
    assert "accelerometer_trusted.pulse: the table has this column, and tables.toml does not" in str(error.value)
    assert "accelerometer_trusted.x: it is string in the table, and double in tables.toml" in str(error.value)


def test_a_refusal_gives_the_command_that_drops_everything_but_the_landing_zone():
    with pytest.raises(IncompatibleTablesError) as error:
        statements([TABLE], {TABLE.name: {"old": "int"}}, SETTINGS)
    command = str(error.value).splitlines()[-1].strip()
    assert command.startswith("aws glue delete-database --name db && aws s3 rm s3://bucket/ --recursive --exclude")
    assert "--exclude 'customer_landing/*'" in command


def test_the_catalog_tells_which_columns_a_table_has_now(aws, bucket, aws_environment):
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": bucket})
    columns = [
        {"Name": "here", "Type": "bigint"},
        # As Iceberg leaves a dropped column in the catalog.
        {"Name": "gone", "Type": "int", "Parameters": {"iceberg.field.current": "false"}},
    ]
    glue.create_table(DatabaseName=bucket, TableInput={"Name": "t", "StorageDescriptor": {"Columns": columns}})
    assert existing_columns(glue, bucket) == {"t": {"here": "bigint"}}


def test_a_column_that_is_described_later_is_added_and_is_null_in_the_rows_that_are_there(
    aws, s3, bucket, aws_environment
):
    settings = replace(lakehouse_settings(), bucket=bucket, database=f"later_{uuid.uuid4().hex[:8]}", poll_seconds=0.1)
    athena, glue = Athena(aws, bucket, settings.database), aws.client("glue")
    for table in (TABLE, TABLES["check_audit"]):
        assert create([table], glue, settings) == [table.name]
        if table.format == "iceberg":
            athena.query(f"insert into {table.name} values ('ada@example.com', 1, 0.5, 0.5, 0.5)")
        else:
            s3.put_object(Bucket=bucket, Key=f"{table.folder}/run.json", Body=b'{"run_id":"1"}\n')
        assert create([with_column(table)], glue, settings) == [table.name]
        assert create([with_column(table)], glue, settings) == []
        assert athena.query(f"select temperature from {table.name}") == [[None]]
