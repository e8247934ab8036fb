"""The process that runs a query is locked down by itself, whatever SQL gets as far as it."""

import duckdb
import pytest

from local_aws.athena import engine


@pytest.fixture
def locked(tmp_path):
    """Locked to one S3 location and one file, with another file beside it."""
    connection = engine.connect()
    job = {
        "endpoint": "http://127.0.0.1:9",
        "memory": "500MB",
        "spill": str(tmp_path / "spill"),
        "key": "k",
        "region": "us-east-1",
    }
    engine.configure(connection, job)
    for name in ("own", "other"):
        connection.execute(f"copy (select 1 as x) to '{tmp_path}/{name}.parquet'")
    connection.execute(f"create temp view t0 as from read_parquet('{tmp_path}/own.parquet')")
    engine.lock(connection, ["s3://a-bucket/a-table/"], [tmp_path / "own.parquet"])
    return connection


def test_a_locked_engine_reads_its_own_files_and_none_beside_them(locked, tmp_path):
    assert locked.execute("select x from t0").fetchall() == [(1,)]
    for path in ("other.parquet", "*.parquet", "own.parquet/../other.parquet", "../*/other.parquet"):
        with pytest.raises(duckdb.PermissionException):
            locked.execute(f"select * from read_parquet('{tmp_path}/{path}')")


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/hostname')",
        "select * from read_blob('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from '/etc/passwd.csv'",
        "copy (select 1) to '/tmp/stolen.csv'",
        "export database '/tmp/stolen'",
        "attach '/tmp/stolen.db'",
        "install spatial",
        "select * from read_text('http://127.0.0.1:9/x')",
        "select * from read_text('s3://another-bucket/x')",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
    ],
)
def test_a_locked_engine_reaches_nothing_but_the_querys_tables(locked, sql):
    with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
        locked.execute(sql)
