"""A second opinion: what the lakehouse must make of a landing directory, in plain Python, slow and obvious.

In: a directory with a folder for each source, and the parameter of a run. Out: the rows of every table. It reads as
docs/landing-files.md says, takes the names of sources, fields and columns from tables.toml, and shares no rule and no
parsing with the jobs.
"""

import gzip
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from lakehouse.tables import SOURCES, TABLES

FOLDERS = {landing: source for source, landing in SOURCES.items()}

#: {landing table: its trusted table} of those that hold the readings of people who agreed, each different one once.
READINGS = {
    table.inputs[0]: table
    for table in TABLES.values()
    if len(table.inputs) == 1 and table.inputs[0] in FOLDERS and table.person
    if not table.key or table.key == table.column_names
}

#: The columns of the tables' rows, in their order.
COLUMNS = {
    table: tuple(column.name for column in TABLES[table].columns if column.name != "run_id")
    for table in (
        "customer_trusted",
        *(table.name for table in READINGS.values()),
        "customers_curated",
        "step_trainer_trusted",
        "machine_learning_curated",
        "device_owners",
        "landing_quarantine",
        "job_audit",
        "job_figures",
    )
}

WHITE = " \t\r"
BYTE_ORDER_MARK = "\ufeff"
MARK_BYTES = BYTE_ORDER_MARK.encode()
FOLLOWING_LINES = 1_000
LONGEST_LINE = 32_000_000
LAST_TIME = 253_402_300_799_999


class Record(NamedTuple):
    """One record of a landing file: used (`values` by column) or rejected (`reason`)."""

    file: str
    position: int
    values: dict[str, Any] | None = None
    reason: str | None = None
    repaired: bool = False


class Landing(NamedTuple):
    """One landing table as it was read."""

    records: list[Record]
    lines: int

    @property
    def used(self) -> list[Record]:
        return [record for record in self.records if record.reason is None]


class Lakehouse(NamedTuple):
    """What a run leaves: {table: how often each row, in the order of COLUMNS, is in it}, and the landing tables."""

    tables: dict[str, Counter]
    landing: dict[str, Landing]


class Number(str):
    """A JSON number, as its digits stand in the file."""


class Object(list):
    """A JSON object, as its (key, value) pairs stand in the file."""


class Wrong(Exception):
    """A field, and with it the record, is rejected for this reason."""


def lakehouse(directory: Path, consent_policy: str = "customer") -> Lakehouse:
    """Everything that a run under this policy makes of the landing files in `directory`."""
    landing = {table: read_landing(directory / folder, table) for table, folder in FOLDERS.items()}
    used = {table: [record.values for record in found.used] for table, found in landing.items()}
    all_consents = consents(used["customer_landing"])
    # {(job, source): [(row, (outcome, reason))]}, and the rows of each table
    judged: dict[tuple[str, str], list[tuple]] = {}
    tables: dict[str, list[dict]] = {}

    def before_consent(who: str, instant: int) -> bool:
        return consent_policy == "reading_time" and instant < all_consents[who]

    def judge(job: str, source: str, decided: list[tuple]) -> None:
        judged[job, source] = decided
        tables[job] = [row for row, (outcome, _) in decided if outcome == "kept"]

    judge("customer_trusted", "customer_landing", judged_customers(used["customer_landing"], all_consents))

    for source, table in READINGS.items():
        decided, copies = [], set()
        for row in sorted(used[source], key=lambda row: row[table.person]):
            who = person(row[table.person])
            same = frozen(row | {table.person: who})
            if same in copies:
                outcome = "duplicate", None
            elif who not in all_consents:
                outcome = "filtered", "no_consent"
            elif table.instant and before_consent(who, row[table.instant]):
                outcome = "filtered", "before_consent"
            else:
                outcome = "kept", None
            copies.add(same)
            decided.append((row, outcome))
        judge(table.name, source, decided)

    with_reading = {person(row["user"]) for row in tables["accelerometer_trusted"]}
    decided = [
        (row, ("kept", None) if person(row["email"]) in with_reading else ("filtered", "no_reading"))
        for row in tables["customer_trusted"]
    ]
    judge("customers_curated", "customer_trusted", decided)
    curated = {person(row["email"]) for row in tables["customers_curated"]}

    # step_trainer_trusted
    devices = ownership(used["customer_landing"], used["accelerometer_landing"], used["step_trainer_landing"])
    decided, rejected_steps = [], []
    copies, smallest = set(), {}
    for row in used["step_trainer_landing"]:
        key = row["serialnumber"], row["sensorreadingtime"]
        smallest[key] = min(smallest.get(key, row), row, key=smallest_first)
    # of equal ones the first is the one that may be rejected
    for record in sorted(landing["step_trainer_landing"].used, key=lambda record: (record.file, record.position)):
        row = record.values
        owner, source, _, _ = devices[row["serialnumber"]]
        if frozen(row) in copies:
            outcome = "duplicate", None
        elif row != smallest[row["serialnumber"], row["sensorreadingtime"]]:
            outcome = "superseded", None
        elif owner is None:
            outcome = "rejected", source
            rejected_steps.append(record._replace(reason=source))
        elif owner not in curated:
            outcome = "filtered", "owner_not_curated"
        elif before_consent(owner, row["sensorreadingtime"]):
            outcome = "filtered", "before_consent"
        else:
            outcome = "kept", None
        copies.add(frozen(row))
        decided.append((row, outcome))
    judge("step_trainer_trusted", "step_trainer_landing", decided)
    tables["device_owners"] = [
        dict(zip(COLUMNS["device_owners"], (serial_number, *found), strict=True))
        for serial_number, found in devices.items()
        if found[0] in curated
    ]

    # machine_learning_curated
    def step_key(step: dict) -> tuple:
        return devices[step["serialnumber"]][0], step["sensorreadingtime"]

    def reading_key(reading: dict) -> tuple:
        return person(reading["user"]), reading["timestamp"]

    partners = defaultdict(list)
    for reading in tables["accelerometer_trusted"]:
        partners[reading_key(reading)].append(reading)
    job = "machine_learning_curated"
    tables[job] = [step | reading for step in tables["step_trainer_trusted"] for reading in partners[step_key(step)]]
    instants_of_steps = {step_key(step) for step in tables["step_trainer_trusted"]}
    for source, has_partner in (
        ("step_trainer_trusted", lambda row: partners[step_key(row)]),
        ("accelerometer_trusted", lambda row: reading_key(row) in instants_of_steps),
    ):
        judged[job, source] = [
            (row, ("kept", None) if has_partner(row) else ("filtered", "no_reading_at_instant"))
            for row in tables[source]
        ]

    rows = {
        table: Counter(tuple(row[column] for column in COLUMNS[table]) for row in found)
        for table, found in tables.items()
    }
    rows["landing_quarantine"] = Counter(
        (source, record.file, record.position, record.reason)
        for source, table in landing.items()
        for record in [*table.records, *(rejected_steps if source == "step_trainer_landing" else [])]
        if record.reason is not None
    )
    audit, figures = Counter(), Counter()
    for (job, source), decided in judged.items():
        audit.update((job, source, *outcome) for _, outcome in decided)
        figures[job, source, "read"] = len(decided)
        if source in landing:
            before = [record.reason for record in landing[source].records if record.reason]
            audit.update((job, source, "rejected", reason) for reason in before)
            figures[job, source, "read"] += len(before)
            figures[job, source, "repaired"] = sum(record.repaired for record in landing[source].used)
            figures[job, source, "lines"] = landing[source].lines
    for table, found in tables.items():
        figures[TABLES[table].written_by or table, table, "written"] = len(found)
    figures.update(("step_trainer_trusted", "device_owners", source) for _, source, _, _ in devices.values())
    rows["job_audit"] = Counter((*key, records) for key, records in audit.items())
    rows["job_figures"] = Counter((*key, value) for key, value in figures.items())
    return Lakehouse(rows, landing)


def judged_customers(customers: list[dict], all_consents: dict[str, int]) -> list[tuple]:
    """The customer records with their outcomes: of each person and serial number the latest counts."""
    decided, copies, latest = [], set(), {}
    for row in customers:
        key = person(row["email"]), row["serialnumber"]
        latest[key] = min(latest.get(key, row), row, key=latest_first)
    for row in customers:
        who = person(row["email"])
        if frozen(row) in copies:
            outcome = "duplicate", None
        elif row != latest[who, row["serialnumber"]]:
            outcome = "superseded", None
        elif who not in all_consents:
            outcome = "filtered", "no_consent"
        else:
            outcome = "kept", None
        copies.add(frozen(row))
        decided.append((row, outcome))
    return decided


def person(email: str) -> str:
    """Who an email or a user is: without the white space around it, in lower case."""
    return email.strip(" \t\r\n").lower()


def latest_first(row: dict[str, Any]) -> tuple:
    """The order of customer records that puts the valid one first."""
    consent = row["sharewithresearchasofdate"]
    return (
        -row["lastupdatedate"],
        (0, 0) if consent is None else (1, -consent),
        *(nulls_first(row[name]) for name in sorted(row)),
    )


def smallest_first(step: dict[str, Any]) -> tuple:
    """The order of a device's step readings at one instant that puts the valid one first."""
    return tuple(nulls_first(value) for value in step.values())


def nulls_first(value: Any) -> tuple:
    return (value is not None, 0 if value is None else value)


def consents(customers: Iterable[dict[str, Any]]) -> dict[str, int]:
    """{person: instant of consent} of those whose latest record agrees to research."""
    latest = {}
    for row in customers:
        who = person(row["email"])
        latest[who] = min(latest.get(who, row), row, key=latest_first)
    instants = {who: row["sharewithresearchasofdate"] for who, row in latest.items()}
    return {who: instant for who, instant in instants.items() if instant is not None}


def ownership(customers: list[dict], readings: list[dict], steps: list[dict]) -> dict[str, tuple]:
    """{serial number: (owner, source, instants, covered)} of all devices with step readings.

    Where the owner is not known, `owner` is None and `source` the reason for rejecting the device's readings.
    """
    claims = defaultdict(set)
    for row in customers:
        claims[row["serialnumber"]].add(person(row["email"]))
    people_at = defaultdict(set)
    for row in readings:
        people_at[row["timestamp"]].add(person(row["user"]))
    instants_of = defaultdict(set)
    for row in steps:
        instants_of[row["serialnumber"]].add(row["sensorreadingtime"])

    devices = {}
    for serial_number, instants in instants_of.items():
        claimants = claims[serial_number]
        covered = Counter(who for instant in instants for who in people_at[instant])
        covering = {who for who in covered if 10 * covered[who] >= 9 * len(instants)}
        qualified = covering if len(instants) >= 5 else set()
        if len(claimants & covering) == 1:
            (owner,), source = claimants & covering, "website_confirmed"
        elif not claimants & covering and len(qualified) == 1:
            (owner,), source = qualified, "readings"
        elif len(claimants) == 1 and not qualified:
            (owner,), source = claimants, "website"
        elif len(claimants) > 1 or len(qualified) > 1:
            owner, source = None, "owner_ambiguous"
        else:
            owner, source = None, "owner_unknown"
        devices[serial_number] = owner, source, len(instants), covered[owner]
    return devices


def frozen(row: dict[str, Any]) -> tuple:
    return tuple(row.values())


# --- reading -------------------------------------------------------------------------------------------------------


def read_landing(folder: Path, source: str) -> Landing:
    """Every record of the files below `folder`, which feed the landing table `source`."""
    records, line_count = [], 0
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part.startswith((".", "_")) for part in file.split("/")):
            continue
        content, damaged = path.read_bytes(), False
        if file.endswith(".gz"):
            content, damaged = unzipped(content)
        lines = content.removeprefix(MARK_BYTES).split(b"\n")
        if lines[-1] == b"":
            lines.pop()

        begun = set()
        for piece in pieces([decoded(line) for line in lines]):
            record = judged(piece, source, file)
            # Nothing that reads a record a line would find it there.
            line = lines[piece.position - 1]
            moved = piece.position in begun or "\n" in piece.text or line.startswith(MARK_BYTES) or b"\r" in line[:-1]
            records.append(record._replace(repaired=record.reason is None and (record.repaired or moved)))
            begun.add(piece.position + piece.text.count("\n"))
        if damaged:
            records.append(Record(file, max(1, len(lines)), reason="damaged_file"))
        # Athena reads no such file at all. In others it ends a line at a carriage return alone, too.
        if not damaged and not any(too_long(line) for line in lines):
            line_count += len(lines) + sum(line[:-1].count(b"\r") for line in lines)
    return Landing(records, line_count)


def unzipped(content: bytes) -> tuple[bytes, bool]:
    """The bytes before the damage, and whether there is damage."""
    try:
        return gzip.decompress(content), False
    except (OSError, EOFError, zlib.error):
        pass
    found = bytearray()
    while content:
        member = zlib.decompressobj(wbits=31)
        for end in range(1, len(content) + 1):
            given = content[end - 1 : end]
            try:
                # One byte in, one byte out: a call that fails forgets what it has found.
                while byte := member.decompress(given, 1):
                    found += byte
                    given = member.unconsumed_tail
            except zlib.error:
                return bytes(found), True
            if member.eof:
                break
        else:
            return bytes(found), True
        content = content[end:].lstrip(b"\0")
    return bytes(found), False


class Unreadable(str):
    """A line that is rejected as a whole, for the reason that it is."""


def too_long(line: bytes) -> bool:
    return any(len(part) > LONGEST_LINE for part in line.split(b"\r"))


def decoded(line: bytes) -> str:
    if too_long(line):
        return Unreadable("line_too_long")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8")


class Piece(NamedTuple):
    """A part of a file that is one record: an object, or rejected."""

    position: int
    text: str
    found: Object | None
    reason: str | None
    comma: bool = False


def pieces(lines: list[str]) -> Iterator[Piece]:
    """The records in a file's lines, in their order."""
    number, at, after_object = 0, 0, False
    while number < len(lines):
        line = lines[number]
        if isinstance(line, Unreadable):
            yield Piece(number + 1, "", None, str(line))
            number, at, after_object = number + 1, 0, False
            continue
        at = skip_white(line, at, "," if after_object else "")
        if at == len(line):
            number, at, after_object = number + 1, 0, False
            continue

        text, begun = line, at
        found = complete_value(text, at) if text[at] == "{" else None
        if found is None and text[at] == "{":
            text, begun = "\n".join([line[at:], *following(lines, number)]), 0
            found = complete_value(text.replace("\n" + BYTE_ORDER_MARK, "\n "), 0)
        if found is None:
            rest = line[at:].rstrip(WHITE)
            yield Piece(number + 1, rest, None, "not_an_object" if is_a_value(rest) else "not_json")
            number, at, after_object = number + 1, 0, False
            continue

        value, end = found
        position = number + 1
        if further_lines := text.count("\n", begun, end):
            number += further_lines
            at = end - (text.rindex("\n", 0, end) + 1)
        else:
            at += end - begun
        after_object = True
        comma = lines[number].startswith(",", skip_white(lines[number], at, ""))
        yield Piece(position, text[begun:end], value, None, comma)


def skip_white(line: str, at: int, more: str) -> int:
    if at == 0 and line.startswith(BYTE_ORDER_MARK):
        at = 1
    while at < len(line) and line[at] in WHITE + more:
        at += 1
    return at


def following(lines: list[str], number: int) -> list[str]:
    """The lines that may belong to an object that is not complete on its first one."""
    found = []
    for line in lines[number + 1 : number + 1 + FOLLOWING_LINES]:
        if isinstance(line, Unreadable) or line[skip_white(line, 0, "") :].startswith("{"):
            break
        found.append(line)
    return found


def is_a_value(text: str) -> bool:
    """Whether this is one JSON value, with or without a comma after it."""
    text = text.removesuffix(",").rstrip(WHITE)
    found = complete_value(text, 0)
    return found is not None and found[1] == len(text)


def complete_value(text: str, at: int) -> tuple[Any, int] | None:
    """The JSON value that starts at this place of the text, and where it ends."""

    def no_json(constant: str) -> None:
        raise ValueError(constant)

    decoder = json.JSONDecoder(
        parse_int=Number, parse_float=Number, parse_constant=no_json, object_pairs_hook=Object, strict=True
    )
    try:
        return decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


# --- fields --------------------------------------------------------------------------------------------------------


def judged(piece: Piece, source: str, file: str) -> Record:
    """The piece as a record of `source`, used or rejected."""
    if piece.found is None:
        return Record(file, piece.position, reason=piece.reason)
    repaired = piece.comma
    given = defaultdict(list)
    own_keys = {field.name: field.key for field in TABLES[source].columns}
    for key, value in piece.found:
        if key.lower() in own_keys:
            given[key.lower()].append(value)
            repaired |= key != own_keys[key.lower()]
    values = {}
    try:
        for same_key in given.values():
            if any(comparable(value) != comparable(same_key[0]) for value in same_key[1:]):
                raise Wrong("duplicate_key")
            repaired |= len(same_key) > 1
        for field in TABLES[source].columns:
            value = given[field.name][0] if given[field.name] else None
            values[field.name], field_repaired = field_value(value, field.kind, field.required)
            repaired |= field_repaired
    except Wrong as wrong:
        return Record(file, piece.position, reason=str(wrong))
    return Record(file, piece.position, values=values, repaired=repaired)


def comparable(value: Any) -> Any:
    """Equal for JSON values of the same type and value, and for no others."""
    if isinstance(value, Number):
        return "number", exact(value)
    if isinstance(value, Object):
        return "object", sorted((key, repr(comparable(item))) for key, item in value)
    if isinstance(value, list):
        return "array", [comparable(item) for item in value]
    return type(value).__name__, value


def field_value(value: Any, kind: str, needed: bool) -> tuple[Any, bool]:
    """The field's value in its table, and whether it was repaired."""
    is_text = isinstance(value, str) and not isinstance(value, Number)
    if value is None or (is_text and not value.strip(" \t\r\n")):
        if needed:
            raise Wrong("missing_field")
        return None, False
    if kind == "text":
        if isinstance(value, Number) and re.fullmatch("-?[0-9]+", value):
            return ("0" if value == "-0" else str(value)), True
        if not is_text or re.search("[\ud800-\udfff]", value):
            raise Wrong("not_text")
        return value, False

    text = value.strip(" \t\r\n") if isinstance(value, str) else ""
    number = exact(text)
    if number is None:
        raise Wrong("not_a_number")
    if kind == "number":
        if abs(float(text)) == float("inf"):
            raise Wrong("out_of_range")
        return float(text) or 0.0, is_text  # -0.0 is 0.0

    if number != number.to_integral_value():
        raise Wrong("not_a_number")
    if kind in ("time", "consent") and number < 0:
        raise Wrong("negative_time")
    if not (-(2**31) <= number < 2**31 if kind == "integer" else number <= LAST_TIME):
        raise Wrong("out_of_range")
    repaired = is_text or not text.removeprefix("-").isdigit()
    return (None if kind == "consent" and number == 0 else int(number)), repaired


def exact(text: str) -> Decimal | None:
    """The number that the text is, or None. Decimal alone would take "NaN", "1_0", ".5" and other digits, too."""
    if not set(text) <= set("0123456789+-.eE") or not text.lstrip("+-")[:1].isdigit():
        return None
    digits, e, exponent = text.lower().partition("e")
    try:
        # An exponent beyond what Decimal can hold is as good as the largest.
        return Decimal(f"{digits}e{max(-(10**15), min(10**15, int(exponent)))}" if e else digits)
    except (InvalidOperation, ValueError):
        return None
