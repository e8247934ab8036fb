"""Reads tables of JSON lines into DuckDB with the meaning that the OpenX JSON SerDe gives them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from local_aws.athena.jsontext import NUMBERS, QUOTED
from local_aws.athena.objects import fetch
from local_aws.athena.openx import Malformed, strict_json
from local_aws.athena.quoting import name, text
from local_aws.athena.text_lines import rows, write_lines


def create_json(connection: duckdb.DuckDBPyConnection, source: dict[str, Any], job: dict[str, Any]) -> None:
    """A table of JSON lines with the meaning that the OpenX SerDe gives them.

    A line that does not begin with { or [ (a blank one too) is a row of NULLs; keys compare without case, the last of
    equal ones counts; the elements of an array are the columns in their order; what only the SerDe's lenient parser
    reads is read by ``openx``.
    """
    raw = f"{source['name']}_lines"
    files = fetch(source["objects"], job, Path(job["spill"]) / raw, write_lines)
    # trimmed, and NULL where no JSON begins
    connection.execute(
        f"CREATE TEMP TABLE {raw} AS SELECT CASE WHEN line[1] IN ('{{', '[') THEN line END AS line, path "
        f"FROM (SELECT trim(line, e' \\t\\r\\x01\\x0b\\x0c') AS line, path FROM {rows(files)})"
    )
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


def repair(
    connection: duckdb.DuckDBPyConnection, raw: str, odd: str, ambiguous: list[list[str]], source: dict[str, Any]
) -> None:
    """Replaces the lines that only the SerDe's parser understands by what it makes of them."""
    lines = connection.execute(
        f"SELECT rowid, line, path FROM {raw} WHERE line IS NOT NULL AND ({odd})", [ambiguous]
    ).fetchall()
    repaired: list[tuple[int, str | None]] = []
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


def replace_lines(connection: duckdb.DuckDBPyConnection, raw: str, lines: Sequence[tuple[int, str | None]]) -> None:
    """Puts these texts in the place of the lines with these row ids."""
    connection.execute(
        f"UPDATE {raw} SET line = f.line FROM (SELECT unnest(?::BIGINT[]) AS row, unnest(?::VARCHAR[]) AS line) f "
        f"WHERE {raw}.rowid = f.row",
        [[row for row, _ in lines], [line for _, line in lines]],
    )


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
