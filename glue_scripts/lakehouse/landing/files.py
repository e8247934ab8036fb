"""The files of a landing table become rows, in record batches. Nothing here needs Spark."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.landing.fast import ARROW_TYPES, FastReader, SimpleLines
from lakehouse.landing.gzipped import DamagedFileError, inflated
from lakehouse.landing.lines import BYTE_ORDER_MARK, Line, Piece, line_of, pieces
from lakehouse.landing.values import RecordConverter, RejectedError
from lakehouse.tables import DAMAGED_FILE, TABLES, UNREADABLE

#: What is known of a record beside its fields.
OUTCOME_COLUMNS = {
    "file": pa.string(),  # path below the table's folder
    "position": pa.int64(),  # number of the line on which the record starts, from 1
    "reason": pa.string(),  # why it is rejected; null: it is used
    "repaired": pa.bool_(),  # a plain reader of JSON lines would read it otherwise, or not at all
    # Of the file, as Athena counts them: none if it cannot read it. In one row of each file, which is no record and has
    # nothing else.
    "lines": pa.int64(),
}
_ROWS_OF_A_BATCH = 10_000

Row = tuple[Any, ...]


def row_schema(table: str) -> pa.Schema:
    """The columns of a landing table's rows: its fields, and OUTCOME_COLUMNS."""
    fields = {field.name: ARROW_TYPES[field.kind] for field in TABLES[table].columns}
    return pa.schema(list((fields | OUTCOME_COLUMNS).items()))


class FileReader:
    """Reads files of one landing table. Each gives a row a record, in no certain order, and one with its number of
    lines. Rows come one by one, or many in a record batch; ``in_batches`` makes batches of them all.

    ``fast``: simple lines are read many at a time; the rows are the same.
    """

    def __init__(self, table: str, *, fast: bool = True) -> None:
        self._schema = row_schema(table)
        self._no_values = (None,) * len(TABLES[table].columns)
        self._converter = RecordConverter(table)
        self._fast = FastReader(table) if fast else FastReader(table, layouts=0)

    def read(self, file: str, chunks: Iterable[pa.Array]) -> Iterator[Row | pa.RecordBatch]:
        """Reads a file from its lines, which come without line feeds, as arrays of bytes. ``DamagedFileError`` from
        among them ends the file."""
        lines, unreadable = _Lines(chunks, self._fast), False
        for piece in pieces(lines):
            if piece is None:
                while lines.simple:
                    yield self._batch(file, *lines.simple.pop())
            else:
                unreadable |= piece.reason in UNREADABLE
                yield self._row(file, piece)
        if lines.damaged:
            unreadable = True
            yield self._row(file, Piece(max(1, lines.begun), None, DAMAGED_FILE))
        yield (*self._no_values, file, None, None, None, 0 if unreadable else lines.begun + lines.lone_returns)

    def read_content(self, file: str, content: bytes) -> Iterator[Row | pa.RecordBatch]:
        """Reads a file from all of its bytes; one that ends in .gz is decompressed."""
        return self.read(file, _split(inflated(content) if file.endswith(".gz") else [content]))

    def in_batches(self, rows: Iterable[Row | pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows, all of them in record batches."""
        waiting: list[Row] = []
        for row in rows:
            if isinstance(row, pa.RecordBatch):
                yield row
                continue
            waiting.append(row)
            if len(waiting) == _ROWS_OF_A_BATCH:
                yield self._batch_of_rows(waiting)
                waiting = []
        if waiting:
            yield self._batch_of_rows(waiting)

    def _row(self, file: str, piece: Piece) -> Row:
        reason = piece.reason
        if piece.object is not None:
            try:
                values, repaired = self._converter.values(piece.object)
                return (*values, file, piece.position, None, piece.repaired or repaired, None)
            except RejectedError as rejected:
                reason = str(rejected)
        return (*self._no_values, file, piece.position, reason, False, None)

    def _batch_of_rows(self, rows: list[Row]) -> pa.RecordBatch:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _batch(self, file: str, first: int, lines: SimpleLines) -> pa.RecordBatch:
        """``first``: the number of the line with the index 0."""
        count = len(lines.indices)
        outcome = [
            pa.repeat(pa.scalar(file, pa.string()), count),
            pc.add(lines.indices, first),
            pa.nulls(count, pa.string()),
            pa.repeat(False, count),
            pa.nulls(count, pa.int64()),
        ]
        return pa.RecordBatch.from_arrays(lines.values + outcome, schema=self._schema)


class _Lines:
    """The lines of one file, for ``pieces``: those that are not simple, and None for one or more that are."""

    def __init__(self, chunks: Iterable[pa.Array], fast: FastReader) -> None:
        self._chunks, self._fast = chunks, fast
        self.simple: list[tuple[int, SimpleLines]] = []  # (the number of the line with the index 0, simple lines)
        self.begun = 0  # lines so far
        self.lone_returns = 0  # carriage returns within them, which end a line for Athena
        self.damaged = False

    def __iter__(self) -> Iterator[Line | None]:
        try:
            for lines in self._chunks:
                first, self.begun = self.begun + 1, self.begun + len(lines)
                simple, others = self._fast.read(lines)
                self.simple += [(first, some) for some in simple]
                following = 0
                for index, raw in zip(others.to_pylist(), lines.take(others).to_pylist(), strict=True):
                    if index > following:
                        yield None
                    self.lone_returns += raw.count(b"\r", 0, -1)
                    yield line_of(first + index, raw)
                    following = index + 1
                if following < len(lines):
                    yield None
        except DamagedFileError:
            self.damaged = True


def _split(parts: Iterable[bytes]) -> Iterator[pa.Array]:
    """The lines of a file whose bytes come in parts. A byte-order mark at its start is no part of it: so has Hadoop,
    which reads the lines of all other files."""
    rest, mark, damage = b"", BYTE_ORDER_MARK.encode(), None
    try:
        for part in parts:
            *lines, rest = (rest + part).split(b"\n")
            if lines:
                lines[0], mark = lines[0].removeprefix(mark), b""
                yield pa.array(lines, pa.binary())
    except DamagedFileError as error:
        damage = error
    if rest := rest.removeprefix(mark):
        yield pa.array([rest], pa.binary())
    if damage:
        raise damage
