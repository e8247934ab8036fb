"""Tables of delimited text are read as Athena reads them with Hive's LazySimpleSerDe."""

import gzip
import io

import pyarrow.parquet as pq
import pytest
from athena_client import QueryFailed

from local_aws.athena import text_lines

LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


def packed(content):
    """The same bytes at any time: they are in the names of tests, which the workers must agree on."""
    return gzip.compress(content, mtime=0)


#: A member that ends too early.
DAMAGED = packed(b"never seen\n" * 1000)[:-20]


def lines(athena, table, columns="line"):
    return [row[0] if len(row) == 1 else row for row in athena.query(f"select {columns} from {table}")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\rc\nd\r", ["a", "b", "c", "d"]),
        (b"\n\r\na\n\n", ["", "", "a", ""]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"a\x01b\nc\n", ["a", "c"]),
        (b"\x01b\n", [""]),
        (b"\\N\n\\n\n'\"\\N\n", [None, "\\n", "'\"\\N"]),
        (b"\\N\x01b\n", [None]),
        (b"a\xffb\n\xc3\nc\xe2\x82\n", ["a\ufffdb", "\ufffd", "c\ufffd"]),
        ('{"user": "Zoë"}  \n \t\n'.encode(), ['{"user": "Zoë"}  ', " \t"]),
        (packed(b"a\nb") + packed(b"c\n"), ["a", "bc"]),
        (packed(b""), []),
        (packed(b"a\n") + b"\0" * 8, ["a"]),
    ],
)
def test_lines_are_those_of_hadoop(athena, content, expected):
    assert lines(athena, athena.text(content)) == expected


def test_hidden_and_empty_objects_hold_no_lines(athena):
    table = athena.text(b"a\n", b"")
    s3 = athena.client_of("s3")
    for key in ("_SUCCESS", ".hidden", "_staged/x", "day=1/.x"):
        s3.put_object(Bucket=athena.bucket, Key=f"{table}/{key}", Body=b"hidden\n")
    s3.put_object(Bucket=athena.bucket, Key=f"{table}/day=1/x", Body=b"b\n")
    assert sorted(lines(athena, table)) == ["a", "b"]


def test_a_table_without_objects_is_empty(athena):
    assert athena.query(f'select line, "$path" from {athena.text()}') == []


def test_lines_know_their_object(athena):
    table = athena.text(b"a\n", packed(b"b\n"))
    folder = f"s3://{athena.bucket}/{table}"
    rows = athena.query(f'select line, "$path" from {table} order by 1')
    assert rows == [["a", f"{folder}/0"], ["b", f"{folder}/1.gz"]]
    assert athena.query(f"select * from {table} order by 1") == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("row_format", "delimiter"),
    [
        ("", "\x01"),
        ("row format delimited", "\x01"),
        (r"row format delimited fields terminated by '\u0001' lines terminated by '\n' stored as textfile", "\x01"),
        ("row format delimited fields terminated by ','", ","),
        (f"row format serde '{LAZY_SIMPLE}' with serdeproperties ('field.delim' = '|')", "|"),
        (f"row format serde '{LAZY_SIMPLE}' with serdeproperties ('serialization.format' = '9')", "\t"),
    ],
)
def test_fields_are_separated_as_the_table_says(athena, row_format, delimiter):
    content = f"1{delimiter}2{delimiter}3\n1{delimiter}\\N\n1\n\n".encode()
    table = athena.text(content, columns="a string, b string comment 'second'", row_format=row_format)
    assert lines(athena, table, "*") == [["1", "2"], ["1", None], ["1", None], ["", None]]


@pytest.mark.parametrize(
    ("columns", "row_format", "what"),
    [
        ("a int", "", "columns of type int in delimited text"),
        ("a string", "row format delimited fields terminated by '||'", r"the field delimiter '\|\|'"),
        ("a string", r"row format delimited fields terminated by ',' escaped by '\\'", "ESCAPED in ROW FORMAT"),
        ("a string", "row format delimited null defined as ''", "'serialization.null.format'=''"),
        ("a string", "row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'", "the SerDe org.apache.hadoop"),
    ],
)
def test_what_text_tables_cannot_do_is_refused_by_name(athena, columns, row_format, what):
    with pytest.raises(QueryFailed, match=what):
        athena.text(columns=columns, row_format=row_format)


def test_a_header_to_skip_is_refused(athena):
    with pytest.raises(QueryFailed, match=r"'skip.header.line.count'='1' is not supported"):
        athena.query(
            "create external table h (a string) location 's3://b/h/' tblproperties ('skip.header.line.count'='1')"
        )


def test_show_create_table_says_what_creates_the_table_again(athena):
    table = athena.text(
        b"a\tb\n", columns="a string, b string", row_format=r"row format delimited fields terminated by '\t'"
    )
    created = "\n".join(row[0] for row in athena.query(f"show create table {table}"))
    assert LAZY_SIMPLE in created and r"'field.delim'='\u0009'" in created
    athena.query(f"drop table {table}")
    athena.query(created)
    assert lines(athena, table, "*") == [["a", "b"]]
    assert [row[0].split() for row in athena.query(f"describe {table}")] == [["a", "string"], ["b", "string"]]


def test_a_view_reads_lines_and_their_objects(athena):
    table = athena.text(b'{"user": "a"}\nno json\n')
    athena.query(
        "create or replace view lines_view as "
        f"select json_extract_scalar(line, '$.user') as u, \"$path\" as p from {table}"
    )
    path = f"s3://{athena.bucket}/{table}/0"
    assert athena.query("select * from lines_view order by 1") == [["a", path], [None, path]]


# --- what cannot be read ---


@pytest.mark.parametrize(
    "content",
    [
        DAMAGED,
        packed(b"a\n")[:-6] + b"\0" * 6,
        packed(b"a\n") + b"no header",
        packed(b"a\n") + DAMAGED,
        b"\x1f\x8bno gzip",
    ],
)
def test_a_damaged_object_fails_the_whole_query(athena, content):
    table = athena.text(b"a\n", content)
    path = f"s3://{athena.bucket}/{table}/1.gz"
    with pytest.raises(QueryFailed, match=f"HIVE_CURSOR_ERROR: Failed to read file at {path}: "):
        athena.query(f"select count(*) from {table}")


def test_an_unknown_compression_is_refused(athena):
    with pytest.raises(QueryFailed, match=r"the compression of s3://.*/0\.bz2 is not supported"):
        lines(athena, athena.text(b"BZh", suffix=".bz2"))


@pytest.fixture
def short_lines(monkeypatch):
    monkeypatch.setattr(text_lines, "MAX_LINE", 10)
    monkeypatch.setattr(text_lines, "_BLOCK", 4)


def written(content, tmp_path):
    text_lines.write_lines(io.BytesIO(content), tmp_path / "lines", "s3://b/x")
    return pq.read_table(tmp_path / "lines")["line"].to_pylist()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_at_the_limit_is_read(short_lines, tmp_path, end):
    text = "short\r\n" + "é" * 5 + end
    assert written(text.encode(), tmp_path) == ["short", "é" * 5]


@pytest.mark.parametrize("content", [b"short\n12345678901\nshort\n", b"12345678901", b"12345678901\r"])
def test_a_longer_line_fails_the_query(short_lines, tmp_path, content):
    with pytest.raises(ValueError, match="HIVE_CURSOR_ERROR: Line too long in text file: s3://b/x"):
        written(content, tmp_path)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa\r\n\r\n\xc3\xa9\rb", b"\xef\xbb\xbf\n", b"ab\xc3", b"\r\r\n\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_blocks_may_end_anywhere(monkeypatch, tmp_path, content, size):
    monkeypatch.setattr(text_lines, "_BLOCK", size)
    text = content.decode(errors="replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert written(content, tmp_path) == text.removesuffix("\n").split("\n")


# --- "$path" ---


@pytest.mark.parametrize(
    "query",
    [
        "select line from {t} where \"$path\" not in ('{bad}', 'x')",
        "select line from {t} where \"$path\" <> '{bad}' and length(line) > 0",
        "select line from {t} where not ('{bad}' = \"$path\")",
        "select line from {t} where \"$path\" = '{good}'",
        "select line from {t} where (\"$path\" in ('{good}') or \"$path\" = 'x') and true",
        "select a.line from {t} as a where a.\"$path\" <> '{bad}'",
        "select line from {t} where {t}.\"$path\" <> '{bad}'",
        'with l as (select line, "$path" as p from {t} where "$path" not in (\'{bad}\')) select line from l',
        "select line from (select * from {t} where \"$path\" <> '{bad}') as s",
        "select line from {t} cross join unnest(array[1]) as u(x) where \"$path\" <> '{bad}'",
        "select l.line from {t} l join {t} r on l.line = r.line "
        "where l.\"$path\" = '{good}' and r.\"$path\" <> '{bad}'",
        "select line from {t} where \"$path\" = '{good}' and line in (select line from {t} where \"$path\" <> '{bad}')",
        "select line from {t} where \"$path\" <> '{bad}' union select line from {t} where \"$path\" = '{good}'",
    ],
)
def test_constants_keep_an_object_from_being_opened(athena, query):
    table = athena.text(b"a\n", DAMAGED)
    paths = {"good": f"s3://{athena.bucket}/{table}/0", "bad": f"s3://{athena.bucket}/{table}/1.gz"}
    assert athena.query(query.format(t=table, **paths)) == [["a"]]


@pytest.mark.parametrize(
    "query",
    [
        "select line from {t}",
        "select line from {t} where \"$path\" not in (select '{bad}')",
        "select line from {t} where \"$path\" <> '{bad}' or line = 'a'",
        "select line from {t} where \"$path\" <> concat('{bad}', '')",
        "select l.line from {t} l join {t} r on l.line = r.line where l.\"$path\" <> '{bad}'",
        "select line from {t} where \"$path\" <> '{bad}' and line in (select line from {t})",
    ],
)
def test_anything_but_constants_does_not(athena, query):
    table = athena.text(b"a\n", DAMAGED)
    with pytest.raises(QueryFailed, match="HIVE_CURSOR_ERROR"):
        athena.query(query.format(t=table, bad=f"s3://{athena.bucket}/{table}/1.gz"))


def test_each_scan_of_a_table_leaves_out_its_own_objects(athena):
    table = athena.text(b"a\n", b"b\n")
    paths = [f"s3://{athena.bucket}/{table}/{number}" for number in (0, 1)]
    union = " union all ".join(
        f"select line, '{path[-1]}' as n from {table} where \"$path\" = '{path}'" for path in paths
    )
    assert athena.query(f"{union} order by 2") == [["a", "0"], ["b", "1"]]
    assert athena.query(f"select count(*) from {table}") == [["2"]]


def test_constants_keep_an_object_of_a_json_table_closed_too(athena):
    table = athena.landing("a string", b'{"a": "1"}\n', DAMAGED)
    bad = f"s3://{athena.bucket}/{table}/1.json.gz"
    assert athena.query(f"select a from {table} where \"$path\" <> '{bad}'") == [["1"]]


def test_what_is_left_out_is_not_scanned(athena):
    table = athena.text(b"a\n", b"bc\n")
    execution = athena.wait(
        athena.start(
            f"select * from {table} where \"$path\" like '%' and \"$path\" <> 's3://{athena.bucket}/{table}/1'"
        )
    )
    assert execution["Statistics"]["DataScannedInBytes"] == 2
