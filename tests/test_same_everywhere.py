"""What has to be said in several files is the same in all of them: who adds a column or a source is told what is left.

Fast, without Spark or a local AWS.
"""

import re
from pathlib import Path

import pytest

from lakehouse.json_records import FIELDS
from stedi.report.figures import WAYS
from stedi.tables import FILLED, JOBS, LANDING_TABLES
from tests.reference import lakehouse_reference as reference

PROJECT = Path(__file__).resolve().parents[1]
SQL = PROJECT / "include" / "sql"
ATHENA_TYPES = {"text": "string", "time": "bigint", "consent": "bigint", "number": "double", "integer": "int"}
#: The tables with all columns of a landing table, and which one.
ALIKE = {table: table for table in FIELDS}
ALIKE |= {table: f"{table.removesuffix('_trusted')}_landing" for table in JOBS if table.endswith("_trusted")}
ALIKE |= {"customers_curated": "customer_landing"}


def fields(landing_table):
    return [(field.column, ATHENA_TYPES[field.kind]) for field in FIELDS[landing_table]]


def ddl(table):
    """(column, type) in the order of the file."""
    return re.findall(r"^  `?(\w+)`? (\w+)", (SQL / "tables" / f"{table}.sql").read_text(), re.MULTILINE)


def row_of(document, table):
    """The row of a Markdown table that starts with a table's name."""
    return re.search(rf"^\| `?{table}`? \|.*$", (PROJECT / document).read_text(), re.MULTILINE)[0]


def test_every_landing_table_has_fields():
    assert list(FIELDS) == LANDING_TABLES


@pytest.mark.parametrize("table", ALIKE)
def test_a_tables_ddl_has_the_columns_of_its_landing_files(table):
    assert ddl(table) == fields(ALIKE[table])


def test_landing_repaired_has_the_columns_of_all_landing_files():
    columns = dict.fromkeys(column for table in FIELDS for column in fields(table))
    assert ddl("landing_repaired") == [("source", "string"), ("file", "string"), *columns, ("run_id", "string")]


def test_the_second_opinion_reads_the_same_fields():
    assert {table: tuple(map(tuple, fields)) for table, fields in FIELDS.items()} == reference.FIELDS


@pytest.mark.parametrize("table", FIELDS)
def test_the_documents_name_every_field(table):
    for field in FIELDS[table]:
        assert re.search(rf"\b{field.column}\b", row_of("README.md", table))
        assert re.search(rf"\b{field.key}\b", row_of("docs/landing-files.md", table))


@pytest.mark.parametrize("table", FILLED)
def test_the_consent_check_looks_at_every_table_that_jobs_fill(table):
    check = (SQL / "checks" / "consent.sql").read_text()
    assert f"from {{{{ lake.database }}}}.{table} as" in check
    assert re.search(rf"\b{table}\b", check.rpartition("select\n")[2].partition(" as violations")[0])


@pytest.mark.parametrize("table", [table for table in JOBS if table != "machine_learning_curated"])
def test_the_check_of_keys_looks_at_every_table_in_which_no_two_rows_may_be_equal(table):
    check = (SQL / "checks" / "unique_keys.sql").read_text()
    assert f"surplus('{table}'," in check
    assert re.search(rf"\b{table}\b", check.rpartition("select\n")[2].partition(" as violations")[0])


def test_the_report_shows_the_way_of_every_landing_table_and_every_job():
    assert list(WAYS) == LANDING_TABLES
    assert {table for way in WAYS.values() for table in way} == set(JOBS)
