"""Reads tables of delimited text into DuckDB with the meaning that Hive's LazySimpleSerDe gives them.

The lines go to a Parquet file for each object, which DuckDB reads with little memory, and only where a query needs it.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from local_aws.athena.objects import Readable, fetch, unix_lines
from local_aws.athena.quoting import name, text

#: A line has at most so many bytes, without its end; a longer one fails the query.
MAX_LINE = 32 * 2**20
_BLOCK = 8 * 2**20


def create_text(connection: duckdb.DuckDBPyConnection, source: dict[str, Any], job: dict[str, Any]) -> list[Path]:
    """A view of a table of text; gives the files that it reads."""
    files = fetch(source["objects"], job, Path(job["spill"]) / source["name"], write_lines)
    columns = [
        f"{field(number, source['delimiter'])} AS {name(column)}" for number, column in enumerate(source["columns"], 1)
    ]
    connection.execute(
        f'CREATE TEMP VIEW {source["name"]} AS SELECT {", ".join(columns)}, path AS "$path" FROM {rows(files)}'
    )
    return files


def rows(files: list[Path]) -> str:
    """The SQL of a relation of the lines (line, path) in these files."""
    if not files:
        return "(SELECT NULL::VARCHAR AS line, NULL::VARCHAR AS path WHERE false)"
    return f"read_parquet([{', '.join(text(str(file)) for file in files)}])"


def field(number: int, delimiter: str) -> str:
    """The SQL of a column: a field of the line, NULL where there is none or it is ``\\N``, and what is left is lost."""
    fields = f"string_split(line, {text(delimiter)})"
    whole = "line" if number == 1 else "NULL"
    return f"nullif(CASE WHEN contains(line, {text(delimiter)}) THEN {fields}[{number}] ELSE {whole} END, '\\N')"


def write_lines(source: Readable, target: Path, uri: str) -> None:
    """Writes an object's lines and its URI as Parquet (line, path)."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("line", pa.string()), ("path", pa.dictionary(pa.int32(), pa.string()))])
    with parquet.ParquetWriter(
        target, schema, compression="lz4", use_dictionary=["path"], write_statistics=["path"]
    ) as writer:
        for block in whole_lines(source, uri):
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            # an array of texts is one run of characters, and where each text ends in it
            offsets = np.concatenate(([0], ends - np.arange(len(ends)))).astype(np.int32)
            buffers = pa.py_buffer(offsets), pa.py_buffer(block.translate(None, b"\n"))
            lines = pa.StringArray.from_buffers(len(ends), *buffers)
            paths = pa.DictionaryArray.from_arrays(np.zeros(len(ends), np.int32), [uri])
            writer.write_table(pa.table([lines, paths], schema=schema))


def whole_lines(source: Readable, uri: str) -> Iterator[bytes]:
    """The text in blocks of whole lines, each line with LF at its end: without byte-order mark, as valid UTF-8."""
    rest, begin = b"", True
    for chunk in unix_lines(source, _BLOCK):
        block = rest + chunk
        if begin and len(block) >= len(codecs.BOM_UTF8):
            block, begin = block.removeprefix(codecs.BOM_UTF8), False
        end = block.rfind(b"\n") + 1
        block, rest = block[:end], block[end:]
        if len(rest) > MAX_LINE:
            raise too_long(uri)
        if block:
            yield valid(block, uri)
    rest = rest.removeprefix(codecs.BOM_UTF8) if begin else rest
    if rest:
        yield valid(rest + b"\n", uri)


def valid(block: bytes, uri: str) -> bytes:
    """The block as UTF-8, with U+FFFD for what is not (as Java decodes it); raises where a line is too long."""
    # only then can a line be too long
    if len(block) > MAX_LINE and max(map(len, block.split(b"\n"))) > MAX_LINE:
        raise too_long(uri)
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode(errors="replace").encode()
    return block


def too_long(uri: str) -> ValueError:
    return ValueError(f"HIVE_CURSOR_ERROR: Line too long in text file: {uri}")
