"""The lines of landing files as records: used or rejected, each counted once. The rules: docs/landing-files.md.

Plain lines, which are most, are found by a regular expression that only lets through what needs no judgement, and are
read by Arrow. All others are read one by one, in Python. Nothing here needs Spark.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lakehouse.tables import TABLES

_ARROW_TYPES = {
    "text": pa.string(),
    "time": pa.int64(),
    "consent": pa.int64(),
    "number": pa.float64(),
    "integer": pa.int32(),
}

#: What a reader needs to know of a record beside its fields.
OUTCOME_COLUMNS = {
    "file": pa.string(),  # path below the table's folder
    "position": pa.int64(),  # number of the line on which the record starts, from 1
    "reason": pa.string(),  # why it is rejected; null: it is used
    "repaired": pa.bool_(),  # a plain reader of JSON lines would read it otherwise, or not at all
    "lines": pa.int64(),  # null; a row that has it is no record, but says how many lines the file has
}

_WHITE = " \t\r"
_BYTE_ORDER_MARK = "\ufeff"
_FOLLOWING_LINES = 1_000
_LAST_TIME = 253_402_300_799_999  # the end of the year 9999
_FEW_LINES = 64  # so few are read sooner in Python
_DEFLATED_BYTES = 64 * 1024  # of a gzip at a time

_skip_white = re.compile(f"[{_WHITE}]*").match
_skip_between = re.compile(f"[{_WHITE},]*").match
_surrogate = re.compile("[\ud800-\udfff]").search
_digits = re.compile("-?[0-9]+").fullmatch
_number_in_text = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?)([0-9]+))?").fullmatch


def record_schema(table: str) -> pa.Schema:
    """The columns of one landing table's records: its fields in lower case, and OUTCOME_COLUMNS."""
    fields = {field.name: _ARROW_TYPES[field.kind] for field in TABLES[table].columns}
    return pa.schema(list((fields | OUTCOME_COLUMNS).items()))


# --- one record ------------------------------------------------------------------------------------------------------


class _Rejected(Exception):
    """The record cannot be used, for this reason."""


class _Number(str):
    """A JSON number as it is written: neither its digits nor its form are lost."""


class _Object(list):
    """A JSON object as its (key, value) pairs: none of two equal keys is lost."""


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_json_value = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_json
).raw_decode


def _value(text: str, at: int) -> tuple[Any, int] | None:
    """The complete JSON value that starts there, and its end. What is nested too deep for Python's reader (about a
    thousand levels) is taken for no JSON."""
    try:
        return _json_value(text, at)
    except (ValueError, RecursionError):
        return None


def _parts(number: str) -> tuple[bool, str, int] | None:
    """(negative, digits, exponent) of a number: digits, without zeros at the ends, times ten to the exponent."""
    found = _number_in_text(number)
    if not found:
        return None
    sign, whole, fraction, power_sign, power = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return False, "", 0
    # Python refuses to convert thousands of digits; thirty say as much as is needed here.
    exponent = int(power_sign + (power.lstrip("0")[:30] or "0"))
    return sign == "-", significant, exponent - len(fraction) + len(digits) - len(significant)


def _comparable(value: Any) -> Any:
    """Equal for JSON values of one type and value, and for no others."""
    match value:
        case _Number():
            return "number", _parts(value)
        case _Object():
            return "object", frozenset(Counter((key, _comparable(item)) for key, item in value).items())
        case list():
            return "array", tuple(_comparable(item) for item in value)
        case _:
            return type(value).__name__, value


def _equal(one: Any, other: Any) -> bool:
    try:
        return _comparable(one) == _comparable(other)
    except RecursionError:  # nothing that a known field may hold
        return False


def _text(value: Any) -> tuple[str, bool]:
    if isinstance(value, _Number) and _digits(value):
        return "0" if value == "-0" else str(value), True
    if not isinstance(value, str) or isinstance(value, _Number) or _surrogate(value):
        raise _Rejected("not_text")
    return value, False


def _number(value: Any) -> tuple[float, bool]:
    text = value.strip(_WHITE + "\n") if isinstance(value, str) else ""
    if not _number_in_text(text):
        raise _Rejected("not_a_number")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Rejected("out_of_range")
    return number + 0.0, not isinstance(value, _Number)  # -0.0 + 0.0 is 0.0


def _whole(value: Any, *, time: bool) -> tuple[int, bool]:
    text = value.strip(_WHITE + "\n") if isinstance(value, str) else ""
    parts = _parts(text)
    if parts is None or parts[2] < 0:
        raise _Rejected("not_a_number")
    negative, digits, exponent = parts
    if time and negative:
        raise _Rejected("negative_time")
    if len(digits) + exponent > 20:  # too many to be written out, and too many for any field
        raise _Rejected("out_of_range")
    number = int((digits or "0") + "0" * exponent) * (-1 if negative else 1)
    if number > _LAST_TIME if time else not -(2**31) <= number < 2**31:
        raise _Rejected("out_of_range")
    return number, not isinstance(value, _Number) or not _digits(value)


def _integer(value: Any) -> tuple[int, bool]:
    return _whole(value, time=False)


def _time(value: Any) -> tuple[int, bool]:
    return _whole(value, time=True)


def _consent(value: Any) -> tuple[int | None, bool]:
    instant, repaired = _whole(value, time=True)
    return instant or None, repaired


_KINDS = {"text": _text, "time": _time, "consent": _consent, "number": _number, "integer": _integer}


class _Judge:
    """What the objects of one landing table are as records."""

    def __init__(self, table: str) -> None:
        fields = TABLES[table].columns
        self.fields = [(field.name, _KINDS[field.kind], field.required) for field in fields]
        self.own_keys = {field.name: field.key for field in fields}
        self.nothing = (None,) * len(self.fields)

    def values(self, pairs: _Object) -> tuple[tuple, bool]:
        """(the fields' values in order, whether one was repaired); raises _Rejected."""
        given: dict[str, Any] = {}
        repaired = False
        duplicate = False
        for key, value in pairs:
            column = key.lower()
            own_key = self.own_keys.get(column)
            if own_key is None:
                continue
            repaired |= key != own_key
            if column in given:
                repaired = True
                duplicate |= not _equal(given[column], value)
            else:
                given[column] = value
        if duplicate:
            raise _Rejected("duplicate_key")
        values = []
        for column, convert, required in self.fields:
            value = given.get(column)
            if value is None or (isinstance(value, str) and not value.strip(_WHITE + "\n")):
                if required:
                    raise _Rejected("missing_field")
                values.append(None)
            else:
                converted, field_repaired = convert(value)
                repaired |= field_repaired
                values.append(converted)
        return tuple(values), repaired


# --- the lines of a file, one by one ---------------------------------------------------------------------------------


class _Open(NamedTuple):
    """An object that is not complete on the line on which it starts."""

    position: int
    rest: str  # of that line, from the object on
    following: list[str]  # the lines after it


def _starts_object(line: str) -> bool:
    at = _skip_white(line, line.startswith(_BYTE_ORDER_MARK)).end()
    return line.startswith("{", at)


class _Lines:
    """Reads the lines of one file in their order; ``rows`` gets the records, in the order of record_schema."""

    def __init__(self, judge: _Judge, file: str, rows: list[tuple]) -> None:
        self.judge, self.file, self.rows = judge, file, rows
        self.number = 0  # of the last line begun
        self.lone_returns = 0  # carriage returns within lines, which end a line for others
        self.last_position = 0  # of the last record: another one on that line is repaired
        self.open: _Open | None = None

    def plain(self, lines: int) -> None:
        """The next lines, if any, are read elsewhere, and each of them is an object."""
        if lines:
            self.end()
            self.number += lines

    def line(self, raw: bytes) -> None:
        """The next line, without its line feed."""
        self.number += 1
        self.lone_returns += raw.count(b"\r", 0, -1)
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            self.end()
            self._reject(self.number, "not_utf8")
            return
        self._line(self.number, line)

    def end(self) -> None:
        """No further line belongs to an object that is open."""
        while self.open:
            self._settle()

    def damaged(self) -> None:
        """The file is damaged from here on."""
        self.end()
        self._reject(max(1, self.number), "damaged_file")

    def finish(self) -> None:
        """The file has no more lines."""
        self.end()
        self.rows.append((*self.judge.nothing, self.file, None, None, None, self.number + self.lone_returns))

    def _line(self, number: int, line: str) -> None:
        while self.open:
            following = self.open.following
            if len(following) < _FOLLOWING_LINES and not _starts_object(line):
                following.append(line)
                # Tried each time that the lines have doubled, so that many lines take no more than twice their time.
                if len(following) & (len(following) - 1) == 0:
                    self._complete()
                return
            self._settle()
        self._read(number, line, 0)

    def _read(self, number: int, line: str, at: int) -> None:
        """The records of a line from there on."""
        marked = at == 0 and line.startswith(_BYTE_ORDER_MARK)
        at = _skip_white(line, at + marked).end()
        odd = marked or "\r" in line[:-1]
        while at < len(line):
            found = _value(line, at) if line[at] == "{" else None
            if found is None:
                if line[at] == "{":
                    self.open = _Open(number, line[at:], [])
                else:
                    self._reject(number, "not_an_object" if self._is_a_value(line[at:]) else "not_json")
                return
            pairs, end = found
            comma = line.startswith(",", _skip_white(line, end).end())
            self._record(number, pairs, comma or odd)
            at = _skip_between(line, end).end()

    def _settle(self) -> None:
        """Ends the open object with the lines that it has got: read or rejected. Another one may be open then."""
        position, _, following = self.open
        if following and self._complete():
            return
        self.open = None
        self._reject(position, "not_json")
        for number, line in enumerate(following, position + 1):
            self._read(number, line, 0)

    def _complete(self) -> bool:
        """Reads the open object, and the lines after it, if it is complete by now."""
        position, rest, following = self.open
        text = "\n".join((rest, *following))
        found = _value(text.replace("\n" + _BYTE_ORDER_MARK, "\n "), 0)
        if found is None or "\n" not in text[: found[1]]:
            return False
        self.open = None
        pairs, end = found
        last = text.count("\n", 0, end) - 1  # the index of the line on which it ends
        line, at = following[last], end - text.rindex("\n", 0, end) - 1
        at = _skip_between(line, at).end()
        self._record(position, pairs, True)
        if at < len(line):
            self.last_position = position + 1 + last
            self._read(position + 1 + last, line, at)
        for number, further in enumerate(following[last + 1 :], position + 2 + last):
            self._line(number, further)
        return True

    def _is_a_value(self, rest: str) -> bool:
        """Whether the rest of a line is one JSON value, with or without a comma after it."""
        rest = rest.rstrip(_WHITE).removesuffix(",").rstrip(_WHITE)
        found = _value(rest, 0)
        return found is not None and found[1] == len(rest)

    def _record(self, position: int, pairs: _Object, repaired: bool) -> None:
        try:
            values, field_repaired = self.judge.values(pairs)
        except _Rejected as rejected:
            self._reject(position, str(rejected))
            return
        repaired |= field_repaired or position == self.last_position
        self._add(position, values, None, repaired)

    def _reject(self, position: int, reason: str) -> None:
        self._add(position, self.judge.nothing, reason, False)

    def _add(self, position: int, values: tuple, reason: str | None, repaired: bool) -> None:
        self.last_position = position
        self.rows.append((*values, self.file, position, reason, repaired, None))


# --- the lines of files, many at a time ------------------------------------------------------------------------------


# A plain line is one object with all keys there once, spelled and in order as in tables.toml; its text is ASCII without
# white space, escapes and the characters of JSON and CSV, its numbers are well within their limits. What is left of it
# without white space, braces and quotes, and with commas for colons, is a line of CSV: key, value, key, value. Arrow
# reads that four times as fast as JSON.
_PLAIN_VALUES = {
    "text": r'"[!#-+\-./0-9;-\[\]-z|~]+"',
    "time": r"(?:0|[1-9][0-9]{0,13})",
    "number": r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?",
    "integer": r"(?:0|-?[1-9][0-9]{0,8})",
}
_COLONS_TO_COMMAS = bytes.maketrans(b":", b",")
_NOT_IN_CSV = b' \t\r{}"'


def _plain_line(table: str) -> str | None:
    """The regular expression (RE2, over bytes) of a table's plain lines; None if a field may be absent: a table with
    an optional field is read without the fast path."""
    if not all(field.required for field in TABLES[table].columns):
        return None
    fields = " *, *".join(f'"{field.key}" *: *{_PLAIN_VALUES[field.kind]}' for field in TABLES[table].columns)
    return rf"\A[ \t]*\{{ *{fields} *\}}[ \t]*\r?\z"


def _inflated(content: bytes) -> Iterator[bytes | None]:
    """The decompressed bytes of a gzip file, in pieces; None at the end says that it is cut off or damaged there."""
    at = 0
    while at < len(content):
        member = zlib.decompressobj(wbits=31)
        size = _DEFLATED_BYTES
        while not member.eof:
            given = content[at : at + size]
            if not given:
                yield None
                return
            before = member.copy()
            try:
                yield member.decompress(given)
                at += len(given)
            except zlib.error:
                # A call that fails keeps what it had found to itself: so closer and closer to the damage.
                member = before
                if size == 1:
                    yield from _last_bytes(member, given)
                    yield None
                    return
                size //= 2
        at -= len(member.unused_data)
        while content.startswith(b"\0", at):  # padding
            at += 1


def _last_bytes(member: Any, given: bytes) -> Iterator[bytes]:
    """What one more byte of a gzip gives before it turns out to be wrong."""
    try:
        while found := member.decompress(given, 1):
            yield found
            given = member.unconsumed_tail
    except zlib.error:
        return


class RecordReader:
    """Reads the files of one landing table, one after the other, and gives their records as Arrow record batches of
    ``record_schema(table)``: a row a record, and one a file, which counts its lines; in no certain order.

    ``fast``: plain lines are read by Arrow; the records are the same.
    """

    def __init__(self, table: str, *, fast: bool = True) -> None:
        self._schema = record_schema(table)
        self._judge = _Judge(table)
        self._fields = pa.schema([self._schema.field(field.name) for field in TABLES[table].columns])
        self._plain = _plain_line(table) if fast else None
        self._rows: list[tuple] = []
        self._file: _Lines | None = None

    def start(self, file: str) -> None:
        """The lines that follow are those of ``file``, from its first one on."""
        self._finish()
        self._file = _Lines(self._judge, file, self._rows)

    def lines(self, lines: pa.BinaryArray) -> Iterator[pa.RecordBatch]:
        """Reads the file's next lines, which come without their line feeds."""
        if self._plain is None or len(lines) < _FEW_LINES:
            for line in lines.to_pylist():
                self._file.line(line)
            return
        plain = pc.match_substring_regex(lines, self._plain)
        before = self._file.number
        others = pc.indices_nonzero(pc.invert(plain))
        following = 0
        for index, line in zip(others.to_pylist(), lines.take(others).to_pylist(), strict=True):
            self._file.plain(index - following)
            self._file.line(line)
            following = index + 1
        self._file.plain(len(lines) - following)
        if len(others) < len(lines):
            positions = pc.add(pc.indices_nonzero(plain).cast(pa.int64()), before + 1)
            yield self._plain_records(lines.filter(plain) if len(others) else lines, positions)

    def whole(self, file: str, content: bytes) -> Iterator[pa.RecordBatch]:
        """Reads one file from all of its bytes; one that ends in .gz is decompressed."""
        self.start(file)
        rest = None
        damaged = False
        for piece in _inflated(content) if file.endswith(".gz") else [content]:
            if piece is None:
                damaged = True
            else:
                # Hadoop, which reads the other files' lines, skips a byte-order mark at the start of a file.
                rest = piece.removeprefix(_BYTE_ORDER_MARK.encode()) if rest is None else rest + piece
                *lines, rest = rest.split(b"\n")
                yield from self.lines(pa.array(lines, pa.binary()))
        if rest:
            yield from self.lines(pa.array([rest], pa.binary()))
        if damaged:
            self._file.damaged()

    def records(self) -> Iterator[pa.RecordBatch]:
        """The records that the methods above have not given yet."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._rows.clear()
            yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def end(self) -> Iterator[pa.RecordBatch]:
        """The last records; no more lines follow."""
        self._finish()
        yield from self.records()

    def _finish(self) -> None:
        if self._file:
            self._file.finish()
        self._file = None

    def _plain_records(self, lines: pa.BinaryArray, positions: pa.Int64Array) -> pa.RecordBatch:
        count = len(lines)
        text = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), lines), b"\n")[0].as_py()
        text = text.translate(_COLONS_TO_COMMAS, delete=_NOT_IN_CSV)
        names = [name for field in self._fields for name in (f"key of {field.name}", field.name)]
        fields = pa.csv.read_csv(
            pa.BufferReader(text),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            parse_options=pa.csv.ParseOptions(quote_char=False),
            convert_options=pa.csv.ConvertOptions(
                include_columns=self._fields.names, column_types=self._fields, null_values=[]
            ),
        ).combine_chunks()
        values = [column.chunk(0) for column in fields.columns]
        # -0.0 + 0.0 is 0.0
        values = [pc.add(value, 0.0) if pa.types.is_floating(value.type) else value for value in values]
        outcome = [
            pa.repeat(pa.scalar(self._file.file, pa.string()), count),
            positions,
            pa.nulls(count, pa.string()),
            pa.repeat(False, count),
            pa.nulls(count, pa.int64()),
        ]
        return pa.RecordBatch.from_arrays(values + outcome, schema=self._schema)
