"""Landing files in few words, and what is read in them."""

import pyarrow as pa

from lakehouse.landing.files import FileReader, row_schema
from lakehouse.tables import columns

NOON = 1_655_553_600_000
STEP = '{"sensorReadingTime":1655553600000,"serialNumber":"s","distanceFromObject":250}'
USED = (NOON, "s", 250)
READING = '{"user":"ada@example.com","timestamp":1655553600000,"x":1.0,"y":-0.5,"z":0.0}'
CUSTOMER = '{"email":"ada@example.com","serialNumber":"s","lastUpdateDate":1655553600000'


def read_rows(content, table="step_trainer_landing", *, fast=True, name="f.json", batch=None):
    """Every row of one file, as a dictionary; ``batch``: its lines come as so many at a time."""
    content = content.encode() if isinstance(content, str) else content
    reader = FileReader(table, fast=fast)
    if batch is None:
        rows = reader.read_content(name, content)
    else:
        lines = content.split(b"\n")
        lines = pa.array(lines if lines[-1] else lines[:-1], pa.binary())
        rows = reader.read(name, [lines[begin : begin + batch] for begin in range(0, len(lines), batch)])
    batches = list(reader.in_batches(rows))
    assert all(batch.schema == row_schema(table) for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def read(*arguments, **options):
    """Every record of one file, as a dictionary, in the order of its lines."""
    rows = read_rows(*arguments, **options)
    assert len([row for row in rows if row["lines"] is not None]) == 1
    return sorted((row for row in rows if row["lines"] is None), key=lambda row: row["position"])


def count_lines(content, **options):
    """How many lines a file has, as Athena counts them."""
    (lines,) = [row["lines"] for row in read_rows(content, **options) if row["lines"] is not None]
    return lines


def steps(content, **options):
    """(position, values or reason, repaired) of the records of a step trainer file."""
    return [
        (
            row["position"],
            row["reason"] or tuple(row[name] for name in columns("step_trainer_landing")),
            row["repaired"],
        )
        for row in read(content, **options)
    ]


def write(folder, **files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def found(frame, *names):
    """The rows of a frame, sorted."""
    return sorted((tuple(row) for row in frame.select(*names).collect()), key=repr)
