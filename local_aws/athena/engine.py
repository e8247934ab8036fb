"""A process for queries, one at a time: DuckDB, locked down before it sees the query's SQL, a new one for each query.

``python -m local_aws.athena.engine`` loads DuckDB and its extensions, reads a job (a line of JSON), runs it, and writes
a line of JSON, which says whether the process ``stays`` for another job. It also ends when its stdin closes, so it
never outlives the server.
"""

import importlib.util
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import duckdb

from local_aws.athena import jsonvalues, regexps
from local_aws.athena.errors import END_OF_MESSAGE
from local_aws.athena.iceberg_files import create_iceberg
from local_aws.athena.json_lines import create_json
from local_aws.athena.quoting import literal, name, text
from local_aws.athena.text_lines import create_text
from local_aws.athena.values import UnprintableType, column_info, csv_line, formatter

#: Bytes that a query may read if its process is to stay.
SMALL = 2**24
EXTENSIONS = ("icu", "httpfs", "avro", "iceberg")

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


def athena_error(error: Exception) -> str:
    """The StateChangeReason of a query that failed with this error."""
    message = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", re.split(r"\n\n(?:LINE |At:)", str(error))[0].strip())
    own = _ATHENA_ERROR.search(message)
    if own and not isinstance(error, duckdb.ParserException):
        return message[own.start() :].split(END_OF_MESSAGE)[0]
    for pattern, reason in _ERRORS:
        if re.search(pattern, str(error)):
            return reason.format(message.split("\n")[0])
    return f"GENERIC_INTERNAL_ERROR: {message}"


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB that can read Iceberg and S3. The extensions come from installed packages, never from the network."""
    # To check the signature of an extension takes longer than a small query. Their packages are pinned by hash.
    config: dict[str, Any] = {"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true"}
    connection = duckdb.connect(":memory:", config=config)
    for extension in EXTENSIONS:
        package = importlib.util.find_spec(f"duckdb_extension_{extension}")
        if package is None or not package.submodule_search_locations:
            raise ModuleNotFoundError(f"duckdb_extension_{extension} is not installed")
        file = next(Path(package.submodule_search_locations[0]).rglob(f"{extension}.duckdb_extension"))
        connection.execute(f"LOAD {text(str(file))}")
    return connection


def configure(connection: duckdb.DuckDBPyConnection, job: dict[str, Any]) -> None:
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


def lock(connection: duckdb.DuckDBPyConnection, locations: list[str], files: Sequence[Path] = ()) -> None:
    """From here on SQL reads these S3 locations and files only: no other file or host, and no setting is changed."""
    if files:
        connection.execute(f"SET allowed_paths=[{', '.join(text(str(file)) for file in files)}]")
    if locations:
        connection.execute(f"SET allowed_directories=[{', '.join(map(text, locations))}]")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")


# --- what a table is -------------------------------------------------------------------------------------------------


def create_source(connection: duckdb.DuckDBPyConnection, source: dict[str, Any], job: dict[str, Any]) -> list[Path]:
    """Makes one of the query's tables readable under ``source['name']``; gives the files that it is read from."""
    if source["kind"] == "text":
        return create_text(connection, source, job)
    if source["kind"] == "json":
        create_json(connection, source, job)
    elif source["kind"] == "iceberg":
        return create_iceberg(connection, source, job)
    else:
        columns = ", ".join(f"{name(column)} {kind}" for column, kind in source["columns"])
        connection.execute(f"CREATE TEMP TABLE {source['name']} ({columns})")
        if source["rows"]:
            rows = ", ".join(f"({', '.join(map(literal, row))})" for row in source["rows"])
            connection.execute(f"INSERT INTO {source['name']} VALUES {rows}")
    return []


# --- a job -----------------------------------------------------------------------------------------------------------


def run(connection: duckdb.DuckDBPyConnection, job: dict[str, Any]) -> dict[str, Any]:
    """Runs one job; what comes back says its columns and number of rows, or its error in Athena's words."""
    begun = time.monotonic()
    try:
        configure(connection, job)
        files = [file for source in job["sources"] for file in create_source(connection, source, job)]
        if regexps.PREFIX in job["sql"].lower():
            regexps.register(connection)
        if jsonvalues.PREFIX in job["sql"].lower():
            jsonvalues.register(connection)
        lock(connection, job["locations"], files)
        connection.execute(job["sql"])
        result = write_arrow(connection, job) if job["arrow"] else write_rows(connection, job)
    except OverflowError as error:
        result = {"error": str(error)}
    except UnprintableType as error:
        result = {"error": f"NOT_SUPPORTED: results of type {error} are not supported by the local Athena"}
    except Exception as error:
        result = {"error": athena_error(error)}
    return {**result, "milliseconds": round((time.monotonic() - begun) * 1000)}


def write_rows(connection: duckdb.DuckDBPyConnection, job: dict[str, Any]) -> dict[str, Any]:
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


def batches(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while batch := connection.fetchmany(5000):
        yield batch


def write_arrow(connection: duckdb.DuckDBPyConnection, job: dict[str, Any]) -> dict[str, Any]:
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


def _read_until_the_server_ends(jobs: "SimpleQueue[str]") -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(1)


def main() -> None:
    jobs: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read_until_the_server_ends, args=(jobs,), daemon=True).start()
    stays = True
    while stays:
        connection = connect()
        job = json.loads(jobs.get())
        result = run(connection, job)
        # After a large query, a new process is cheaper than to take this one's memory apart.
        stays = "error" not in result and sum(source["bytes"] for source in job["sources"]) < SMALL
        sys.stdout.write(json.dumps({**result, "stays": stays}) + "\n")
        sys.stdout.flush()
        if stays:
            connection.close()
    os._exit(0)  # DuckDB's orderly end takes longer than the query


if __name__ == "__main__":
    main()
