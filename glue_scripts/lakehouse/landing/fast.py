"""The lines that need no judgement, which are most, many at a time; read as ``lines`` and ``values`` would read them.

A simple line is one object with keys of the table, spelled as in tables.toml: none twice, and all the required ones.
Its text is ASCII without white space at its ends, escapes and the special characters of JSON and CSV; its numbers are
well within their limits. Without braces and quotes, and with commas for colons, such a line is CSV (key, value, key,
value), which Arrow reads four times as fast as JSON.

Lines that differ in nothing but their values, none of which is null in one line only, have one layout. A regular
expression finds all lines of a layout.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lakehouse.landing.lines import LONGEST_LINE
from lakehouse.tables import TABLES

#: The types of the kinds of fields.
ARROW_TYPES = {
    "text": pa.string(),
    "time": pa.int64(),
    "consent": pa.int64(),
    "number": pa.float64(),
    "integer": pa.int32(),
}

_FEW_LINES = 64  # so few are read sooner one by one
_LINES_TO_LEARN_FROM = 8  # of those that have none of the known layouts

_CHARACTERS = r"!#-+\-./0-9;-\[\]-z|~"
_TIME = "(?:0|[1-9][0-9]{0,13})"
_SIMPLE_VALUES = {
    "text": f'"[{_CHARACTERS}](?:[{_CHARACTERS} ]*[{_CHARACTERS}])?"',
    "time": _TIME,
    "consent": _TIME,
    "number": r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?",
    "integer": "(?:0|-?[1-9][0-9]{0,8})",
}
_fields_of = re.compile(r'"([A-Za-z0-9_-]+)"( *: *)(null|"[^"]*"|[^ ",}]+)').split
_COLONS_TO_COMMAS = bytes.maketrans(b":", b",")
_NOT_IN_CSV = b'\r{}"'


class SimpleLines(NamedTuple):
    """The lines of one layout, as records."""

    indices: pa.Array  # of the lines, among those given
    values: list[pa.Array]  # of each field of the table


class _Layout(NamedTuple):
    expression: str  # matches the lines that have it (RE2, over bytes)
    keys: tuple[str, ...]  # in their order
    nulls: frozenset[str]  # those of them whose value is null


class FastReader:
    """Finds and reads the simple lines of one landing table. It learns the layouts from the lines."""

    def __init__(self, table: str, *, layouts: int = 16) -> None:
        """``layouts``: how many it learns at most."""
        self._fields = {field.key: field for field in TABLES[table].columns}
        self._most_layouts = layouts
        self._layouts: list[_Layout] = []

    def read(self, lines: pa.Array) -> tuple[list[SimpleLines], pa.Array]:
        """(the simple ones among the lines, the indices of all others)"""
        found: list[SimpleLines] = []
        others = pa.array(np.arange(len(lines)))
        if len(lines) < _FEW_LINES or pc.max(pc.binary_length(lines)).as_py() > LONGEST_LINE:
            return found, others
        tried = 0
        while len(lines) >= _FEW_LINES and (tried < len(self._layouts) or self._learn_layout(lines)):
            layout = self._layouts[tried]
            tried += 1
            matches = pc.match_substring_regex(lines, layout.expression)
            if matches.true_count:
                found.append(SimpleLines(others.filter(matches), self._values(layout, lines.filter(matches))))
                rest = pc.invert(matches)
                lines, others = lines.filter(rest), others.filter(rest)
        return found, others

    def _learn_layout(self, lines: pa.Array) -> bool:
        """Adds a new layout, that of one of the first lines."""
        if len(self._layouts) < self._most_layouts:
            for line in lines[:_LINES_TO_LEARN_FROM].to_pylist():
                layout = self._layout(line.decode(errors="replace").removesuffix("\r"))
                if layout and layout not in self._layouts:
                    self._layouts.append(layout)
                    return True
        return False

    def _layout(self, line: str) -> _Layout | None:
        """The layout of a line, if it may be a simple one."""
        *fields, end = _fields_of(line)
        before, keys, colons, values = (tuple(fields[part::4]) for part in range(4))
        given = {key for key, value in zip(keys, values, strict=True) if value != "null"}
        required = {key for key, field in self._fields.items() if field.required}
        if not (
            given
            and required <= given
            and set(keys) <= self._fields.keys()
            and len(set(keys)) == len(keys)
            and [part.replace(" ", "") for part in (*before, end)] == ["{", *[","] * (len(keys) - 1), "}"]
        ):
            return None
        expression = "".join(
            f'{re.escape(start)}"{key}"{colon}' + (_SIMPLE_VALUES[self._fields[key].kind] if key in given else "null")
            for start, key, colon in zip(before, keys, colons, strict=True)
        )
        return _Layout(rf"\A{expression}{re.escape(end)}\r?\z", keys, frozenset(keys) - given)

    def _values(self, layout: _Layout, lines: pa.Array) -> list[pa.Array]:
        """Of each field of the table, the values in the lines, which have that layout."""
        every_line = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        text = pc.binary_join(every_line, b"\n")[0].as_py().translate(_COLONS_TO_COMMAS, delete=_NOT_IN_CSV)
        types = {key: ARROW_TYPES[self._fields[key].kind] for key in layout.keys if key not in layout.nulls}
        table = pa.csv.read_csv(
            pa.BufferReader(text),
            read_options=pa.csv.ReadOptions(
                use_threads=False,
                block_size=len(text) + 1,
                column_names=[name for key in layout.keys for name in (f"the key {key}", key)],
            ),
            parse_options=pa.csv.ParseOptions(quote_char=False),
            convert_options=pa.csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[]),
        ).combine_chunks()
        values = []
        for key, field in self._fields.items():
            if key not in types:
                values.append(pa.nulls(len(lines), ARROW_TYPES[field.kind]))
                continue
            value = table[key].chunk(0)
            if field.kind == "text" and b" " in text:
                value = pc.ascii_trim(value, " ")  # what stands between colon and value
            elif field.kind == "number":
                value = pc.add(value, 0.0)  # -0.0 + 0.0 is 0.0
            elif field.kind == "consent":
                value = pc.if_else(pc.equal(value, 0), None, value)
            values.append(value)
        return values
