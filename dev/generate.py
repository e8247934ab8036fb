"""Writes synthetic STEDI landing data: customers, accelerometer readings and step trainer readings.

In: `--out DIR --customers N --seed N`, and three options, below. Out: JSON lines in a folder of DIR for each source of
tables.toml, the same bytes for the same arguments on every machine. The committed sample was written by

    python -m dev.generate --out include/sample --customers 25 --seed 24777

and is written anew, once its folders are deleted, when tables.toml describes another field or source.

The data has the shape of the public STEDI data set and contains none of it. People, devices and readings are invented.

- Each customer has one device, and one walk of 30 instants at a spacing of their own. At every instant the device gives
  one step reading and the phone up to three different accelerometer readings, so (user, timestamp) is not a key.
- 14 % of the walks start at a later instant of somebody else's walk: two people share up to 23 of their 30 instants, so
  whoever joins on the timestamp alone pairs different people. Nobody covers more than 77 % of another's device.
- Consent to research, to the public and to friends: each given by half of the customers, absent otherwise.
- Consent is given at the last update, which is mostly the registration, during the walk: four fifths of the people have
  readings from before. 4.5 % update after their last reading, so that those among them who agree have none after it.
  With 1 % the instant of consent lies a millisecond beside the update.
- Birth days from the year 900 on, as text, the year not padded ("983-01-01").
- 3 % of the customers have not used their device: no readings at all.
- 4 % of the people who agreed withdraw: a second record, updated 1 hour to 30 days later, without consent to research.
- 3 % of the walks have one accelerometer reading delivered twice, and (independently) 3 % one step reading.
- 4 % of the walks have about a third of their instants under another spelling of the email: upper case, lower case, or
  a space before or after it.

A field that is described in tables.toml and has no rule here gets a plausible value of its kind. A source without a
rule reports once at each instant of every walk: its `user` or `email` is the walker, its `serialNumber` their device.

Two options make the data as hard as it really is; the other records stay the same. The third is for benchmarks:

- `--shared-serials N`, the website's defect: it knows the serial numbers of the first N customers' devices only, and
  gives one of them to each further customer. The devices report their own.
- `--damage SHARE`: that share of the records is malformed, in the ways of docs/landing-files.md. Besides, each of the
  three sources gets a last file, a gzip, with devices whose owner cannot be known. `DIR/_rejected.jsonl` lists the
  records that must be rejected, in the columns of landing_quarantine. Where the share is large, more devices may lose
  their owner than are listed.
- `--hours N`: the walks are spread evenly over N hours, and each stays within its hour. With 1, everybody walks in the
  same hour; with as many hours as customers, each customer in an hour of their own.
"""

import argparse
import gzip
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dev.generate_malformed import Rejected, damaged, without_owner
from dev.generate_records import Record, blocks
from stedi.tables import SOURCES

LINES_PER_FILE = 10_000
DELIVERED_AT = 1_717_200_000_000  # 2024-06-01: the first file's name
DELIVERY_GAP = 50  # milliseconds between the names of two files

_compact = json.JSONEncoder(separators=(",", ":")).encode


class UsageError(ValueError):
    """The arguments or the output directory do not allow the work; nothing was written."""


class LandingFile(NamedTuple):
    """A file of the delivery, and which of its records must be rejected."""

    source: str
    name: str
    lines: list[str]
    rejected: list[Rejected]

    @property
    def content(self) -> bytes:
        content = "".join(f"{line}\n" for line in self.lines).encode(errors="surrogateescape")
        # Not compressed: the same bytes with every zlib.
        return gzip.compress(content, compresslevel=0, mtime=0) if self.name.endswith(".gz") else content


def generate(
    out: Path,
    customers: int,
    seed: int,
    shared_serials: int | None = None,
    damage: float = 0.0,
    hours: int | None = None,
) -> dict[str, int]:
    """Write the landing data of ``customers`` customers below ``out``; return how many records each source has, a
    malformed one counted once.

    ``shared_serials``, ``damage`` and ``hours`` are the options of that name. Files of an earlier run with the same
    arguments, even an interrupted one, are kept and completed. Any other landing data in ``out`` is left alone and
    raises ``UsageError``.
    """
    if customers < 1:
        raise UsageError(f"customers must be at least 1, not {customers}")
    if shared_serials is not None and shared_serials < 1:
        raise UsageError(f"shared serials must be at least 1, not {shared_serials}")
    if not 0 <= damage <= 1:
        raise UsageError(f"damage must be a share from 0 to 1, not {damage}")
    if hours is not None and not 1 <= hours <= customers:
        raise UsageError(f"hours must be from 1 to the number of customers, not {hours}")
    arguments = customers, seed, shared_serials, damage, hours
    _check_files_there(out, _files(*arguments))

    counts = dict.fromkeys(SOURCES, 0)
    rejected = []
    part = out / ".generate.part"  # beside the sources: an interrupted run leaves no half file among the landing data
    for file in _files(*arguments):
        counts[file.source] += len(file.lines)
        rejected += [
            {"source": SOURCES[file.source], "file": file.name, "position": position, "reason": reason}
            for position, reason in file.rejected
        ]
        path = out / file.source / file.name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(file.content)
            part.replace(path)
    if damage:
        (out / "_rejected.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rejected))
    return counts


def _check_files_there(out: Path, files: Iterable[LandingFile]) -> None:
    """Raises ``UsageError`` if ``out`` has other landing data than these files."""
    there = {path for source in SOURCES for path in (out / source).rglob("[!.]*") if not path.is_dir()}
    for file in files if there else ():
        path = out / file.source / file.name
        if path in there and path.read_bytes() == file.content:
            there.remove(path)
        if not there:
            return
    if there:
        raise UsageError(f"{min(there)} comes from elsewhere, or from other arguments: choose another --out")


def _files(
    customers: int, seed: int, shared_serials: int | None, damage: float, hours: int | None
) -> Iterator[LandingFile]:
    """Every file, in the order of writing."""
    waiting: dict[str, list[str]] = {source: [] for source in SOURCES}
    written = dict.fromkeys(SOURCES, 0)
    rng = random.Random(f"{seed} damage")  # of its own: the sound records stay the same

    def next_file(source: str) -> LandingFile:
        lines = waiting[source][:LINES_PER_FILE]
        del waiting[source][:LINES_PER_FILE]
        lines, rejected = damaged(source, lines, damage, rng) if damage else (lines, [])
        written[source] += 1
        return LandingFile(source, _file_name(source, written[source]), lines, rejected)

    for block in blocks(customers, seed, shared_serials, hours):
        for source, records in block.items():
            waiting[source] += [_line(source, record) for record in records]
            while len(waiting[source]) >= LINES_PER_FILE:
                yield next_file(source)
    for source in SOURCES:
        if waiting[source]:
            yield next_file(source)
        if damage and (last := without_owner(source, DELIVERED_AT)):
            rejected = [(position, reason) for position, (_, reason) in enumerate(last, 1) if reason]
            name = f"{_file_name(source, written[source] + 1)}.gz"
            yield LandingFile(source, name, [_line(source, record) for record, _ in last], rejected)


def _line(source: str, record: Record) -> str:
    return json.dumps(record) if source == "customer" else _compact(record)  # as the website and the devices write


def _file_name(source: str, number: int) -> str:
    return f"{source}-{DELIVERED_AT + DELIVERY_GAP * (number - 1)}.json"


def main() -> int:
    """Run the command line: 0 when the data is there, 2 with one line on stderr when the arguments are wrong."""
    parser = argparse.ArgumentParser(description="Write synthetic STEDI landing data.")
    parser.add_argument("--out", type=Path, required=True, help="where the folders of the sources go")
    parser.add_argument("--customers", type=int, required=True, help="how many customers, at least 1")
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same bytes")
    parser.add_argument("--shared-serials", type=int, metavar="N", help="the website knows N serial numbers only")
    parser.add_argument("--damage", type=float, default=0.0, metavar="SHARE", help="share of malformed records")
    parser.add_argument("--hours", type=int, metavar="N", help="spread the readings over so many hours")
    arguments = parser.parse_args()
    try:
        counts = generate(**vars(arguments))
    except (UsageError, FileExistsError, NotADirectoryError, PermissionError) as error:
        print(f"generate: {error}", file=sys.stderr)
        return 2
    print(", ".join(f"{count:,} {source}" for source, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
