"""The local Athena answers as Athena does, or says that it cannot."""

import gzip
import re
import time

import pyarrow as pa
import pytest
from athena_client import QueryFailed
from botocore.exceptions import ClientError

from local_aws.athena.catalog import Catalog

READING = b'{"user": "ada@example.com", "timestamp": 5, "x": 1.0}\n'
COLUMNS = "`user` string, `timestamp` bigint, x double"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("5 / 2", "2"),
        ("-5 / 2", "-2"),
        ("5 % 3", "2"),
        ("5.0 / 2", "2.5"),
        ("1e0 / 0", "Infinity"),
        ("cast(1 as double)", "1.0"),
        ("1e10", "1.0E10"),
        ("cast(null as bigint)", None),
        ("true", "true"),
        ("'it''s'", "it's"),
        ("concat('a', null)", None),
        ("'a' || 'b'", "ab"),
        ("lower(trim('  A '))", "a"),
        ("trim('a ') || trim(' b') || trim('c\u2003') || trim('d')", "abcd"),
        ("count(*)", "1"),
        ("count_if(true)", "1"),
        ("count_if(cast(null as boolean))", "0"),
        ("count_if(x) filter (where x) from (values false, null) as t(x)", "0"),
        ("count_if(x) over (partition by x) from (values false) as t(x)", "0"),
        ("coalesce(null, 7)", "7"),
        ("date '2026-01-02'", "2026-01-02"),
        ("from_unixtime(1655564444.103)", "2022-06-18 15:00:44.103 UTC"),
        ("array[1, 2]", "[1, 2]"),
        ("element_at(array['a', 'b'], 2)", "b"),
        ("substr('abc', 2, 1)", "b"),
        ("try(1 / 0)", None),
        ("max(x) over () from (values 1, 2) as t(x) limit 1", "2"),
        ("length(trim('\t a\n'))", "1"),
        ("sequence(3, 1)", "[3, 2, 1]"),
        ("100.0 * 2 / 3", "66.7"),
        ("cast(2.5e0 as bigint)", "3"),
        ("try_cast(' 1' as bigint)", None),
        ("split_part('a,b', ',', 1)", "a"),
        ("split_part('a,b', ',', 2)", "b"),
        ("split_part('a,b', ',', 3)", None),
        ("regexp_extract('abc', '(x)', 1)", None),
        ("regexp_replace('aXbX', 'X', '-')", "a-b-"),
        ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a.b')", "1"),
        ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')", None),
        ("date_diff('day', timestamp '2026-01-01 10:00:00', timestamp '2026-01-02 09:00:00')", "0"),
        ("date '2026-01-31' + interval '1' month", "2026-02-28"),
        ("date_format(timestamp '2026-01-02 03:04:05', '%Y-%m-%d %H:%i:%s')", "2026-01-02 03:04:05"),
        ("cast(1e-5 as double)", "1.0E-5"),
        ("0e0 / 0", "NaN"),
        ("map(array['k'], array[1])", "{k=1}"),
        ("if(false, 1 / 0, 2)", "2"),
    ],
)
def test_an_expression_comes_to_what_it_is_in_athena(athena, expression, value):
    try:
        assert athena.value(expression) == value
    except QueryFailed as failed:
        pytest.fail(str(failed))


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select 1 / 0", "DIVISION_BY_ZERO"),
        ("select 1 % 0", "DIVISION_BY_ZERO"),
        ("select 9223372036854775807 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("select cast('a' as bigint)", "INVALID_CAST_ARGUMENT"),
        ("select 1 = '1'", "TYPE_MISMATCH"),
        ("select date '2026-01-01' + 1", "TYPE_MISMATCH"),
        ("select sum(true)", "TYPE_MISMATCH"),
        ("select 'a' union select 1", "TYPE_MISMATCH"),
        ("select 9223372036854775808", "SYNTAX_ERROR"),
        ("select b, sum(x) from (values (1, 2)) as t(b, x)", "EXPRESSION_NOT_AGGREGATE"),
        ("select nothing from (values 1) as t(x)", "COLUMN_NOT_FOUND: line 1:8"),
        ("select * from nowhere", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.tests.nowhere' does not exist"),
    ],
)
def test_a_query_fails_where_it_fails_in_athena(athena, sql, reason):
    with pytest.raises(QueryFailed, match=reason):
        athena.query(sql)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_nulls_come_last_in_both_orders(athena, order):
    rows = athena.query(f"select x from (values 1, null, 2) as t(x) order by x {order}")
    assert rows[-1] == [None]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/hostname')",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/etc/*')",
        "select * from duckdb_secrets()",
        "select * from duckdb_settings()",
        "select getenv('HOME')",
        "copy (select 1) to '/tmp/stolen.csv'",
        "attach '/tmp/stolen.db'",
        "install httpfs",
        "set threads = 1",
        "pragma database_list",
        "call pragma_version()",
        "vacuum",
        "optimize t rewrite data using bin_pack",
        "msck repair table t",
        "unload (select 1) to 's3://b/x' with (format = 'PARQUET')",
        "delete from t",
        "update t set x = 1",
        "select no_such_function(1)",
        "from (values 1) as t(x)",
        "select * exclude (x) from (values (1, 2)) as t(x, y)",
        "select unnest(array[1])",
        "select date '2026-01-02' - date '2026-01-01'",
        "select cast(1.5e0 as varchar)",
    ],
)
def test_what_is_not_supported_or_reaches_for_the_host_is_refused(athena, sql):
    with pytest.raises((QueryFailed, ClientError)):
        athena.query(sql)


def test_a_refusal_says_what_is_not_supported(athena):
    with pytest.raises(QueryFailed, match="the function approx_set is not supported"):
        athena.query("select approx_set(1)")


def test_the_result_lies_as_csv_at_the_location_that_is_reported(athena):
    execution = athena.wait(athena.start("select 'a\"b' as x, cast(null as bigint) as y"))
    location = execution["ResultConfiguration"]["OutputLocation"]
    key = location.removeprefix(f"s3://{athena.bucket}/")
    assert key == f"results/{execution['QueryExecutionId']}.csv"
    body = athena.client_of("s3").get_object(Bucket=athena.bucket, Key=key)["Body"].read()
    assert body == b'"x","y"\n"a""b",\n'


def test_results_come_in_pages_under_one_header(athena):
    number = athena.start("select x from unnest(sequence(1, 2500)) as t(x)")
    athena.wait(number)
    assert athena.results(number) == [["x"], *([str(x)] for x in range(1, 2501))]


def test_results_say_their_columns_types(athena):
    number = athena.start("select count(*) as n, 'a' as s, 1.5 as d, true as b")
    athena.wait(number)
    metadata = athena.client.get_query_results(QueryExecutionId=number)["ResultSet"]["ResultSetMetadata"]
    types = {column["Name"]: column["Type"] for column in metadata["ColumnInfo"]}
    assert types == {"n": "bigint", "s": "varchar", "d": "decimal", "b": "boolean"}


def test_a_query_without_a_place_for_its_result_is_refused(athena):
    with pytest.raises(ClientError, match="No output location provided"):
        athena.start("select 1", ResultConfiguration={})


def test_a_text_that_is_no_sql_is_refused_at_once(athena):
    with pytest.raises(ClientError, match="InvalidRequestException"):
        athena.start("selec 1 fro")


def test_parameters_take_the_places_of_question_marks(athena):
    assert athena.query("select ? + 1, ?", ExecutionParameters=["41", "'it''s ?'"]) == [["42", "it's ?"]]


def test_a_client_request_token_starts_one_query(athena):
    token = "t" * 40
    assert athena.start("select 1", ClientRequestToken=token) == athena.start("select 1", ClientRequestToken=token)


def test_a_stopped_query_is_cancelled_and_its_process_ends(athena):
    many = "unnest(sequence(1, 10000))"
    number = athena.start(f"select count(*) from {many} as a(x), {many} as b(y), {many} as c(z)")
    while athena.execution(number)["Status"]["State"] != "RUNNING":
        time.sleep(0.01)
    athena.client.stop_query_execution(QueryExecutionId=number)
    assert athena.execution(number)["Status"]["State"] == "CANCELLED"
    assert athena.value("1") == "1"


def test_more_queries_than_run_at_once_all_get_their_answer(athena):
    numbers = [athena.start(f"select {n}") for n in range(8)]
    for number in numbers:
        athena.wait(number)
    assert [athena.results(number)[1] for number in numbers] == [[str(n)] for n in range(8)]


def test_keys_of_landing_files_compare_without_case(athena):
    table = athena.landing(COLUMNS, b'{"User": "a", "timeStamp": 5, "X": 1}\n')
    assert athena.query(f"select * from {table}") == [["a", "5", "1.0"]]


def test_an_absent_key_is_null(athena):
    table = athena.landing(COLUMNS, b'{"user": "a"}\n')
    assert athena.query(f"select * from {table}") == [["a", None, None]]


def test_a_number_written_as_text_is_read(athena):
    table = athena.landing(COLUMNS, b'{"user": "a", "timestamp": "5"}\n')
    assert athena.query(f'select "timestamp" from {table}') == [["5"]]


@pytest.mark.parametrize("number", ["1.50", "1e3", "-0", "0.10", "12345678901234567890123", "7"])
def test_a_number_in_a_text_column_keeps_its_text(athena, number):
    line = f'{{"User": {number}, "timestamp": 5, "x": "-0 and 1.50"}}\n'
    table = athena.landing("`user` string, `timestamp` bigint, x string", line.encode())
    assert athena.query(f"select * from {table}") == [[number, "5", "-0 and 1.50"]]


def test_a_malformed_line_fails_the_query_unless_the_table_ignores_it(athena):
    content = READING + b'{"user": "b", \n'
    with pytest.raises(QueryFailed, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
        athena.query(f"select * from {athena.landing(COLUMNS, content)}")
    ignoring = "with serdeproperties ('ignore.malformed.json' = 'true')"
    table = athena.landing(COLUMNS, content, properties=ignoring)
    assert athena.query(f'select "user" from {table}') == [["ada@example.com"], [None]]


def test_a_value_that_does_not_fit_its_column_fails_the_query(athena):
    table = athena.landing(COLUMNS, b'{"timestamp": "soon"}\n')
    with pytest.raises(QueryFailed, match="HIVE_BAD_DATA"):
        athena.query(f'select "timestamp" from {table}')


def test_a_value_that_does_not_fit_is_null_where_the_table_says_so(athena):
    properties = "with serdeproperties ('use.null.for.invalid.data' = 'true')"
    table = athena.landing(COLUMNS, b'{"timestamp": "soon"}\n{"timestamp": 5}\n', properties=properties)
    assert athena.query(f'select "timestamp" from {table}') == [[None], ["5"]]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b'{"user": "a", "timestamp": 5},', ["a", "5"]),
        (b'{"user": "a"}{"user": "b"}', ["a", None]),
        (b"{user: 'a'; timestamp => 5} and more", ["a", "5"]),
        (b'{"timestamp": 5.9, "USER": 1, "user": {"b": [true]}}', ['{"b":[true]}', "5"]),
        (b"neither this", [None, None]),
        (b" ", [None, None]),
        (b'["a", 5, "more"]', ["a", "5"]),
        (b'{"timestamp": "017"}', [None, "15"]),
        (b'{"timestamp": "0x1F"}', [None, "31"]),
        (b'{"user": "\xff\xc3\xa9"}', ["\ufffd\u00e9", None]),
        (b'{"user": "%s"}' % (b"x" * 10_000_000), ["x" * 10_000_000, None]),
    ],
    ids=[
        "comma after",
        "two objects",
        "lenient",
        "same key twice",
        "no object",
        "blank",
        "array",
        "octal",
        "hexadecimal",
        "not UTF-8",
        "10 MB",
    ],
)
def test_a_line_is_read_as_the_serde_reads_it(athena, line, values):
    table = athena.landing("`user` string, `timestamp` bigint", READING + line + b"\r\n" + READING)
    rows = athena.query(f"select * from {table}")
    assert sorted(rows, key=str) == sorted([["ada@example.com", "5"], values, ["ada@example.com", "5"]], key=str)


def test_lines_end_in_any_way(athena):
    table = athena.landing("x bigint", b'{"x": 1}\r{"x": 2}\r\n{"x": 3}\n{"x": 4}\r')
    assert sorted(athena.query(f"select * from {table}")) == [["1"], ["2"], ["3"], ["4"]]


def test_a_cut_off_compressed_file_fails_the_query(athena):
    table = athena.landing(COLUMNS, gzip.compress(READING * 1000)[:-12])
    with pytest.raises(QueryFailed, match="HIVE_CURSOR_ERROR"):
        athena.query(f"select count(*) from {table}")


def test_a_table_of_many_files_is_read(athena):
    table = athena.landing(COLUMNS, *[READING] * 100)
    assert athena.query(f'select count(*), count(distinct "$path") from {table}') == [["100", "100"]]


def test_compressed_files_are_read_and_hidden_ones_are_not(athena):
    table = athena.landing(COLUMNS, READING, gzip.compress(READING))
    athena.client_of("s3").put_object(Bucket=athena.bucket, Key=f"{table}/_hidden.json", Body=READING)
    assert athena.query(f"select count(*) from {table}") == [["2"]]


def test_a_landing_table_without_files_is_empty(athena):
    assert athena.query(f"select count(*) from {athena.landing(COLUMNS)}") == [["0"]]


def test_path_names_the_file_of_a_row(athena):
    table = athena.landing(COLUMNS, READING)
    assert athena.query(f'select "$path" from {table}') == [[f"s3://{athena.bucket}/{table}/0.json"]]


def test_what_is_inserted_into_an_iceberg_table_is_read_back(athena):
    table = athena.iceberg(COLUMNS, "partitioned by (truncate(86400000, `timestamp`))")
    assert athena.query(f"select * from {table}") == []
    athena.query(f"insert into {table} values ('a', 5, 1), ('b', 86400001, null)")
    athena.query(f'insert into {table} select "user", "timestamp", x from {table} where x is not null')
    assert sorted(athena.query(f"select * from {table}")) == [
        ["a", "5", "1.0"],
        ["a", "5", "1.0"],
        ["b", "86400001", None],
    ]


def test_an_insert_of_the_wrong_type_or_width_is_refused(athena):
    table = athena.iceberg(COLUMNS)
    with pytest.raises(QueryFailed, match="TYPE_MISMATCH"):
        athena.query(f"insert into {table} values ('a', 'soon', 1)")
    with pytest.raises(QueryFailed, match="TYPE_MISMATCH"):
        athena.query(f"insert into {table} values ('a', 5)")
    with pytest.raises(QueryFailed, match="TYPE_MISMATCH"):
        athena.query(f"insert into {table} values ('a', 5e0, 1)")
    assert athena.query(f"select count(*) from {table}") == [["0"]]


def test_a_new_iceberg_table_has_the_layout_that_athena_gives_it(athena, aws):
    table = athena.iceberg("x bigint, s string", "partitioned by (s)")
    athena.query(f"insert into {table} values (1, 'a'), (2, 'b')")
    iceberg = Catalog(aws).iceberg.load_table((athena.database, table))
    data = f"s3://{athena.bucket}/warehouse/{table}/data"
    assert iceberg.properties["write.object-storage.enabled"] == "true"
    assert iceberg.properties["write.object-storage.path"] == data
    files = iceberg.inspect.files()["file_path"].to_pylist()
    # The folders of zeros and ones spread the keys, by whose beginnings S3 divides its load.
    assert all(re.match(rf"{data}/[01]{{4}}/[01/]+/s=[ab]/", file) for file in files)
    assert athena.query(f"select x from {table} where s = 'b'") == [["2"]]


def test_an_iceberg_table_can_be_read_as_it_was(athena):
    table = athena.iceberg("x bigint")
    athena.query(f"insert into {table} values (1)")
    ((snapshot,),) = athena.query(f'select snapshot_id from "{table}$snapshots"')
    athena.query(f"insert into {table} values (2)")
    assert athena.query(f"select * from {table} for version as of {snapshot}") == [["1"]]
    assert athena.query(f"select count(*) from {table}") == [["2"]]
    assert athena.query(f'select count(*) from "{table}$history"') == [["2"]]
    assert athena.query(f'select sum(record_count) from "{table}$files"') == [["2"]]


def test_branches_and_tags_are_listed_and_a_snapshot_that_only_a_branch_refers_to_can_be_read(athena, aws):
    table = athena.iceberg("x bigint")
    assert athena.query(f'select * from "{table}$refs"') == []
    athena.query(f"insert into {table} values (1)")
    iceberg = Catalog(aws).iceberg.load_table((athena.database, table))
    main = iceberg.current_snapshot().snapshot_id
    iceberg.manage_snapshots().create_branch(main, "run").create_tag(main, "release").commit()
    iceberg.append(pa.table({"x": [2]}), branch="run")
    staged = iceberg.refs()["run"].snapshot_id

    rows = athena.query(f'select name, type, snapshot_id from "{table}$refs" order by name')

    assert rows == [["main", "BRANCH", str(main)], ["release", "TAG", str(main)], ["run", "BRANCH", str(staged)]]
    assert athena.query(f"select sum(x) from {table} for version as of {staged}") == [["3"]]
    assert athena.query(f"select sum(x) from {table}") == [["1"]]


def test_ddl_is_shown_as_it_was_given(athena):
    table = athena.iceberg("x bigint comment 'a number', s string", "partitioned by (bucket(4, s))")
    assert [table] in athena.query("show tables")
    assert athena.query(f"show columns in {table}") == [["x"], ["s"]]
    assert [row[0].split("\t")[0].strip() for row in athena.query(f"describe {table}")] == ["x", "s"]
    shown = "\n".join(row[0] for row in athena.query(f"show create table {table}"))
    assert "x bigint COMMENT 'a number'" in shown
    assert "bucket(4, s)" in shown


def test_a_column_added_to_an_iceberg_table_is_null_in_the_rows_that_are_there(athena):
    table = athena.iceberg("x bigint")
    athena.query(f"insert into {table} values (1)")
    athena.query(f"alter table {table} add columns (y int comment 'new', z string)")
    athena.query(f"insert into {table} values (2, 3, 'a')")
    assert athena.query(f"select x, y, z from {table} order by x") == [["1", None, None], ["2", "3", "a"]]
    with pytest.raises(QueryFailed, match=r"ALTER TABLE other than ADD COLUMNS"):
        athena.query(f"alter table {table} drop column y")


def test_dropping_an_iceberg_table_deletes_its_files(athena):
    table = athena.iceberg("x bigint")
    athena.query(f"insert into {table} values (1)")
    athena.query(f"drop table {table}")
    listed = athena.client_of("s3").list_objects_v2(Bucket=athena.bucket, Prefix=f"warehouse/{table}/")
    assert listed["KeyCount"] == 0
    with pytest.raises(QueryFailed, match="does not exist"):
        athena.query(f"select * from {table}")


def test_a_view_reads_what_its_query_reads(athena):
    table = athena.iceberg("x bigint")
    athena.query(f"insert into {table} values (1), (2)")
    athena.query(f"create or replace view doubled as select x * 2 as y from {table}")
    assert sorted(athena.query("select y from doubled")) == [["2"], ["4"]]
    assert athena.query("describe doubled")[0][0].split() == ["y", "bigint"]


def test_the_catalog_is_told_through_athenas_api(athena):
    table = athena.iceberg("x bigint")
    names = {"CatalogName": "AwsDataCatalog", "DatabaseName": athena.database}
    metadata = athena.client.get_table_metadata(TableName=table, **names)["TableMetadata"]
    assert [(column["Name"], column["Type"]) for column in metadata["Columns"]] == [("x", "bigint")]
    pages = athena.client.get_paginator("list_table_metadata").paginate(**names)
    assert table in {item["Name"] for page in pages for item in page["TableMetadataList"]}


def test_a_database_with_a_view_is_dropped_with_cascade_only(athena):
    athena.query("create database to_drop comment 'a comment'")
    athena.query("create view to_drop.one as select 1 as x, now() as t")
    assert athena.query("describe to_drop.one")[1][0].split("\t")[1].strip() == "timestamp with time zone"
    with pytest.raises(QueryFailed, match="is not empty"):
        athena.query("drop database to_drop")
    athena.query("create or replace view to_drop.one as select 2 as x")
    assert athena.query("select x from to_drop.one") == [["2"]]
    with pytest.raises(QueryFailed, match="is not a table"):
        athena.query("drop table to_drop.one")
    athena.query("drop view to_drop.one")
    athena.query("create view to_drop.two as select 1 as x")
    athena.query("drop database to_drop cascade")
    assert ["to_drop"] not in athena.query("show databases")
    with pytest.raises(QueryFailed, match="Database does not exist"):
        athena.query("drop database to_drop")


def test_an_iceberg_table_can_be_read_as_of_a_time(athena):
    table = athena.iceberg("x bigint")
    athena.query(f"insert into {table} values (1)")
    ((instant,),) = athena.query(f'select committed_at from "{table}$snapshots"')
    time.sleep(0.01)
    athena.query(f"insert into {table} values (2)")
    assert athena.query(f"select * from {table} for timestamp as of timestamp '{instant}'") == [["1"]]
    with pytest.raises(QueryFailed, match="No version history table at or before 1999"):
        athena.query(f"select * from {table} for timestamp as of timestamp '1999-01-01 00:00:00 UTC'")
    parents = athena.query(f'select parent_id, is_current_ancestor from "{table}$history" order by made_current_at')
    assert [parent is None for parent, _ in parents] == [True, False]
    assert {current for _, current in parents} == {"true"}
    summaries = athena.query(f"select element_at(summary, 'added-records') from \"{table}$snapshots\"")
    assert summaries == [["1"], ["1"]]
    assert athena.query(f'select record_count, file_count from "{table}$partitions"') == [["2", "2"]]
