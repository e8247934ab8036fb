"""One query's process: DuckDB, told on stdin what to read and run, locked down before it sees the query's SQL.

``python -m local_aws.athena.engine`` loads DuckDB and its extensions, reads one job (a line of JSON), runs it, writes
one line of JSON and ends. It also ends when its stdin closes, so it never outlives the server.
"""

import gzip
import importlib.util
import json
import os
import re
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import IO
from urllib.parse import quote

import duckdb

from local_aws.athena import regexps
from local_aws.athena.errors import END_OF_MESSAGE
from local_aws.athena.jsontext import NUMBERS, QUOTED
from local_aws.athena.openx import Malformed, strict_json
from local_aws.athena.values import UnprintableType, column_info, csv_line, formatter

EXTENSIONS = ("icu", "httpfs", "avro", "iceberg")
#: A line can be this long at most; a longer one fails the query.
MAX_LINE = 16 * 2**20

#: How DuckDB's errors read in Athena.
_ERRORS = (
    (r"must appear in the GROUP BY clause", "EXPRESSION_NOT_AGGREGATE: {0}"),
    (r"Overflow in .* of (?:U?INT\d+|HUGEINT)|[Oo]verflow", "NUMERIC_VALUE_OUT_OF_RANGE: {0}"),
    (r"Could not convert|Conversion Error|can't be cast|out of range", "INVALID_CAST_ARGUMENT: {0}"),
    (r"More than one row returned", "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows"),
    (r"Out of Memory|could not allocate", "EXCEEDED_LOCAL_MEMORY_LIMIT: {0}"),
    (r"Binder Error|Parser Error|Catalog Error", "SYNTAX_ERROR: {0}"),
)
_ATHENA_ERROR = re.compile(r"\b([A-Z][A-Z_]{5,}): ")


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A quoted SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def athena_error(error: Exception) -> str:
    """The StateChangeReason of a query that failed with this error."""
    message = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", re.split(r"\n\n(?:LINE |At:)", str(error))[0].strip())
    own = _ATHENA_ERROR.search(message)
    if own and not isinstance(error, duckdb.ParserException):
        return message[own.start() :].split(END_OF_MESSAGE)[0]
    for pattern, answer in _ERRORS:
        if re.search(pattern, str(error)):
            return answer.format(message.split("\n")[0])
    return f"GENERIC_INTERNAL_ERROR: {message}"


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB that can read Iceberg and S3. The extensions come from installed packages, never from the network."""
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    for extension in EXTENSIONS:
        package = importlib.util.find_spec(f"duckdb_extension_{extension}")
        file = next(Path(package.submodule_search_locations[0]).rglob(f"{extension}.duckdb_extension"))
        connection.execute(f"LOAD {text(str(file))}")
    return connection


def configure(connection: duckdb.DuckDBPyConnection, job: dict) -> None:
    """Gives DuckDB the job's means: memory, a place to spill to, and S3."""
    host = job["endpoint"].removeprefix("http://")
    connection.execute(f"SET memory_limit={text(job['memory'])}")
    connection.execute(f"SET temp_directory={text(job['spill'])}")
    for setting in ("threads=2", "TimeZone='UTC'", "default_null_order='nulls_last'", "ieee_floating_point_ops=true"):
        connection.execute(f"SET {setting}")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID {text(job['key'])}, SECRET {text(job['key'])}, REGION {text(job['region'])}, "
        f"ENDPOINT {text(host)}, URL_STYLE 'path', USE_SSL false)"
    )


def lock(connection: duckdb.DuckDBPyConnection, locations: list[str]) -> None:
    """From here on SQL reads these S3 locations only: no file of the host, no other host, no setting changed."""
    if locations:
        connection.execute(f"SET allowed_directories=[{', '.join(map(text, locations))}]")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")


# --- what a table is -------------------------------------------------------------------------------------------------


def create_source(connection: duckdb.DuckDBPyConnection, source: dict, job: dict) -> None:
    """Makes one of the query's tables readable under ``source['name']``."""
    if source["kind"] == "json":
        create_json(connection, source, job)
    elif source["kind"] == "iceberg":
        snapshot = f", snapshot_from_id={source['snapshot']}" if source["snapshot"] else ""
        columns = ", ".join(f"{name(column)} AS {name(column.lower())}" for column, _ in source["columns"])
        connection.execute(
            f"CREATE TEMP VIEW {source['name']} AS SELECT {columns} "
            f"FROM iceberg_scan({text(source['metadata'])}{snapshot})"
        )
    else:
        columns = ", ".join(f"{name(column)} {kind}" for column, kind in source["columns"])
        connection.execute(f"CREATE TEMP TABLE {source['name']} ({columns})")
        if source["rows"]:
            marks = ", ".join("?" for _ in source["columns"])
            connection.executemany(f"INSERT INTO {source['name']} VALUES ({marks})", source["rows"])


def create_json(connection: duckdb.DuckDBPyConnection, source: dict, job: dict) -> None:
    """A table of JSON lines with the meaning that the OpenX SerDe gives them.

    A line that does not begin with { or [ (a blank one too) is a row of NULLs; keys compare without case, the last of
    equal ones counts; the elements of an array are the columns in their order; what only the SerDe's lenient parser
    reads is read by ``openx``.
    """
    raw = f"{source['name']}_lines"
    files = fetch(source["objects"], job["endpoint"], Path(job["spill"]) / raw)
    load_lines(connection, raw, files)
    for file in files:
        file.unlink()
    # CASE, because json_keys fails on what is not valid
    keys = "CASE WHEN line[1] = '{' AND json_valid(line) THEN json_keys(line) END"
    found = connection.execute(f"SELECT DISTINCT {keys} FROM {raw} WHERE line IS NOT NULL").fetchall()
    invalid = (None,) in found
    lists = [names for (names,) in found if names is not None]
    ambiguous = [names for names in lists if len({name.lower() for name in names}) < len(names)]
    spellings = {name for names in lists for name in names}
    if invalid or ambiguous:
        repair(connection, raw, f"{keys} IS NULL OR list_contains(?::VARCHAR[][], {keys})", ambiguous, source)
        spellings |= {name.lower() for name in spellings} | {key for _, _, key in source["columns"]}
    paths, columns = [], []
    for column, kind, key in source["columns"]:
        places = []
        for spelling in sorted(spelling for spelling in spellings if spelling.lower() == key):
            paths.append('$."' + spelling.replace('"', '\\"') + '"')
            places.append(f"v[{len(paths)}]")
        value = f"coalesce({', '.join(places)})" if places else "NULL::VARCHAR"
        if places and kind.upper() in ("TEXT", "VARCHAR"):
            value = number_text(value, paths[-len(places) :])
        columns.append(f"{decoded(value, column, kind, source['null_for_invalid'])} AS {name(column)}")
    extract = f"json_extract_string(line, [{', '.join(map(text, paths))}])" if paths else "NULL::VARCHAR[]"
    connection.execute(
        f'CREATE TEMP VIEW {source["name"]} AS SELECT {", ".join(columns)}, path AS "$path" '
        f"FROM (SELECT {extract} AS v, line, path FROM {raw})"
    )


def number_text(value: str, paths: list[str]) -> str:
    """The SQL of a text column's value: where it may be a number that DuckDB has written anew, as the line has it."""
    quoted = f"regexp_replace(line || ' ', {text(NUMBERS)}, {text(QUOTED)}, 'g')[:-4]"
    as_written = ", ".join(f"json_extract_string({quoted}, {text(path)})" for path in paths)
    rewritten = rf"regexp_full_match({value}, '-?[0-9]+[.eE][0-9.eE+-]*') OR ({value} = '0' AND contains(line, '-0'))"
    return f"CASE WHEN {rewritten} THEN coalesce({as_written}) ELSE {value} END"


def repair(connection: duckdb.DuckDBPyConnection, raw: str, odd: str, ambiguous: list, source: dict) -> None:
    """Replaces the lines that only the SerDe's parser understands by what it makes of them."""
    lines = connection.execute(
        f"SELECT rowid, line, path FROM {raw} WHERE line IS NOT NULL AND ({odd})", [ambiguous]
    ).fetchall()
    repaired = []
    for row, line, path in lines:
        try:
            repaired.append((row, strict_json(line, [key for _, _, key in source["columns"]])))
        except Malformed as error:
            if not source["ignore_malformed"]:
                raise ValueError(
                    f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {error} (in {path})"
                ) from None
            repaired.append((row, None))
    replace_lines(connection, raw, repaired)


def replace_lines(connection: duckdb.DuckDBPyConnection, raw: str, lines: list[tuple[int, str | None]]) -> None:
    """Puts these texts in the place of the lines with these row ids."""
    connection.execute(
        f"UPDATE {raw} SET line = f.line FROM (SELECT unnest(?::BIGINT[]) AS row, unnest(?::VARCHAR[]) AS line) f "
        f"WHERE {raw}.rowid = f.row",
        [[row for row, _ in lines], [line for _, line in lines]],
    )


def fetch(objects: list[str], endpoint: str, directory: Path) -> dict[Path, str]:
    """Copies S3 objects to files, unpacked; gives each file's object.

    Not by DuckDB, whose many ranged requests take 5 to 30 times as long. The local S3 asks for no signature.
    """
    directory.mkdir()
    kept = threading.local()

    def copy(number: int, uri: str) -> tuple[Path, str]:
        if not hasattr(kept, "connection"):
            kept.connection = HTTPConnection(endpoint.removeprefix("http://"))
        kept.connection.request("GET", quote("/" + uri.removeprefix("s3://")))
        response = kept.connection.getresponse()
        if response.status != 200:
            raise ValueError(f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {uri}: HTTP status {response.status}")
        file = directory / f"{number}.json"
        with file.open("wb") as target:
            try:
                copy_lines(gzip.GzipFile(fileobj=response) if uri.endswith(".gz") else response, target)
            except (EOFError, OSError, zlib.error) as error:
                raise ValueError(f"HIVE_CURSOR_ERROR: Failed to read file at {uri}: {error}") from None
        response.read()
        return file, uri

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(copy, range(len(objects)), objects))


def copy_lines(source: IO[bytes], target: IO[bytes]) -> None:
    """Copies text whose lines end in LF, CR or both, and leaves LF: DuckDB loses a character behind a CR alone."""
    held = b""
    while chunk := source.read(2**20):
        chunk = held + chunk
        held = chunk[-1:] if chunk.endswith(b"\r") else b""
        chunk = chunk.removesuffix(b"\r")
        target.write(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk)
    target.write(b"\n" if held else b"")


def load_lines(connection: duckdb.DuckDBPyConnection, raw: str, files: dict[Path, str]) -> None:
    """The files' lines, trimmed, into a table (line, path of the object); line is NULL where no JSON begins."""
    connection.execute(f"CREATE TEMP TABLE {raw} (line VARCHAR, path VARCHAR)")
    if not files:
        return
    connection.execute(
        f"CREATE TEMP TABLE {raw}_objects AS SELECT unnest(?::VARCHAR[]) AS filename, unnest(?::VARCHAR[]) AS path",
        [[str(file) for file in files], list(files.values())],
    )
    longest = min(max(max(file.stat().st_size for file in files) + 1, 2**20), MAX_LINE)
    read = (
        f"INSERT INTO {raw} SELECT CASE WHEN line[1] IN ('{{', '[') THEN line END, path FROM (SELECT "
        "trim(line, e' \\t\\r\\x01\\x0b\\x0c') AS line, filename FROM "
        f"read_csv([{', '.join(text(str(file)) for file in files)}], columns={{'line': 'VARCHAR'}}, auto_detect=false, "
        # One column of whole lines: a separator that no JSON holds, nothing quoted.
        f"header=false, delim='\x02\x03\x04', quote='', escape='', strict_mode=false, new_line='\\n', "
        f"filename=true, max_line_size={longest}, buffer_size={2 * longest}, encoding='%s')) "
        f"JOIN {raw}_objects USING (filename)"
    )
    try:
        connection.execute(read % "utf-8")
    except duckdb.InvalidInputException as error:
        if "Invalid unicode" not in str(error):
            raise
        # Java replaces what is not UTF-8: read the bytes one for one, and decode the lines that need it.
        connection.execute(f"DELETE FROM {raw}")
        connection.execute(read % "latin-1")
        found = connection.execute(
            rf"SELECT rowid, line FROM {raw} WHERE regexp_matches(line, '[^\x00-\x7f]')"
        ).fetchall()
        decoded_lines = [(row, line.encode("latin-1").decode("utf-8", "replace")) for row, line in found]
        replace_lines(connection, raw, decoded_lines)


def decoded(value: str, column: str, kind: str, null_for_invalid: bool) -> str:
    """The SQL that turns a JSON value's text into a column, as the SerDe does: what does not fit fails the query."""
    invalid = "NULL"
    if not null_for_invalid:
        message = f"HIVE_BAD_DATA: Error parsing field value for field {column}: "
        invalid = f"error({text(message)} || 'For input string: \"' || {value} || '\"')"
    kind = kind.upper()
    if kind in ("TEXT", "VARCHAR"):
        return value
    if kind == "BOOLEAN":
        return f"lower({value}) = 'true'"
    if kind in ("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT"):
        whole = f"TRY_CAST(regexp_extract({value}, '^[+-]?[0-9]+') AS {kind})"
        digits = f"list_transform(string_split(substr({value}, 2), ''), lambda digit: TRY_CAST(digit AS HUGEINT))"
        octal = f"TRY_CAST(list_reduce({digits}, lambda number, digit: number * 8 + digit) AS {kind})"
        return (
            f"CASE WHEN {value} IS NULL THEN NULL "
            f"WHEN regexp_full_match({value}, '0[0-7]+') AND {octal} IS NOT NULL THEN {octal} "
            f"WHEN regexp_full_match({value}, '0[xX][0-9a-fA-F]+') AND TRY_CAST({value} AS {kind}) IS NOT NULL "
            f"THEN TRY_CAST({value} AS {kind}) "
            f"WHEN regexp_full_match({value}, '0[0-8].*|0[xX].*') THEN {invalid} "
            f"WHEN regexp_full_match({value}, '[+-]?[0-9]+([.][0-9]*)?') AND {whole} IS NOT NULL THEN {whole} "
            f"WHEN regexp_full_match({value}, '[+-]?[0-9.]+[eE][+-]?[0-9]+') "
            f"AND TRY_CAST(trunc(TRY_CAST({value} AS DOUBLE)) AS {kind}) IS NOT NULL "
            f"THEN TRY_CAST(trunc(TRY_CAST({value} AS DOUBLE)) AS {kind}) ELSE {invalid} END"
        )
    if kind in ("FLOAT", "REAL", "DOUBLE", "DATE") or kind.startswith("DECIMAL"):
        cast = f"TRY_CAST({value} AS {kind})"
        return f"CASE WHEN {value} IS NULL THEN NULL WHEN {cast} IS NULL THEN {invalid} ELSE {cast} END"
    if kind == "TIMESTAMP":
        written = "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"
        fits = f"regexp_full_match({value}, '{written}')"
        return f"CASE WHEN {value} IS NULL THEN NULL WHEN {fits} THEN CAST({value} AS TIMESTAMP) ELSE {invalid} END"
    return f"CAST(error('NOT_SUPPORTED: columns of type {kind} in JSON tables ({column})') AS {kind})"


# --- a job -----------------------------------------------------------------------------------------------------------


def run(connection: duckdb.DuckDBPyConnection, job: dict) -> dict:
    """Runs one job; what comes back says its columns and number of rows, or its error in Athena's words."""
    begun = time.monotonic()
    try:
        configure(connection, job)
        for source in job["sources"]:
            create_source(connection, source, job)
        if regexps.PREFIX in job["sql"].lower():
            regexps.register(connection)
        lock(connection, job["locations"])
        connection.execute(job["sql"])
        answer = write_arrow(connection, job) if job["arrow"] else write_rows(connection, job)
    except OverflowError as error:
        answer = {"error": str(error)}
    except UnprintableType as error:
        answer = {"error": f"NOT_SUPPORTED: results of type {error} are not supported by the local Athena"}
    except Exception as error:
        answer = {"error": athena_error(error)}
    return {**answer, "milliseconds": round((time.monotonic() - begun) * 1000)}


def write_rows(connection: duckdb.DuckDBPyConnection, job: dict) -> dict:
    """The result as Athena's CSV, and as lines of JSON for GetQueryResults."""
    types = [kind for _, kind, *_ in connection.description]
    columns = [column_info(column, kind) for column, kind in zip(job["names"], types, strict=True)]
    formatters = [formatter(kind) for kind in types]
    count = 0
    with Path(job["csv"]).open("w", newline="") as csv, Path(job["rows"]).open("w") as rows:
        csv.write(csv_line(job["names"]))
        for batch in batches(connection):
            printed = [[print_(value) for print_, value in zip(formatters, row, strict=True)] for row in batch]
            csv.writelines(map(csv_line, printed))
            rows.writelines(json.dumps(row) + "\n" for row in printed)
            count += len(printed)
    return {"columns": columns, "count": count}


def batches(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple]]:
    while batch := connection.fetchmany(5000):
        yield batch


def write_arrow(connection: duckdb.DuckDBPyConnection, job: dict) -> dict:
    """The result as an Arrow file, for the server to append to an Iceberg table."""
    import pyarrow as pa

    types = [str(kind) for _, kind, *_ in connection.description]
    reader = connection.to_arrow_reader(100_000)
    count = 0
    with pa.OSFile(job["arrow"], "wb") as file, pa.ipc.new_file(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return {"types": types, "count": count}


def _end_with_server() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    connection = connect()
    line = sys.stdin.readline()
    if not line:
        return
    threading.Thread(target=_end_with_server, daemon=True).start()
    answer = run(connection, json.loads(line))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # DuckDB's orderly end takes longer than the query


if __name__ == "__main__":
    main()
