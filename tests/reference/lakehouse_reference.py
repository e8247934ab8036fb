"""A second opinion: what the lakehouse must make of a landing directory, in plain Python, slow and obvious.

In: a directory with the folders `customer`, `accelerometer` and `step_trainer`, and the two parameters of a run. Out:
the rows of every table. It reads as docs/landing-files.md says, and shares nothing with the jobs.
"""

import gzip
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDERS = {
    "customer_landing": "customer",
    "accelerometer_landing": "accelerometer",
    "step_trainer_landing": "step_trainer",
}

# (the source's own spelling of the key, kind, whether it must be there), in the order in which they are judged
FIELDS = {
    "customer_landing": (
        ("customerName", "text", False),
        ("email", "text", True),
        ("phone", "text", False),
        ("birthDay", "text", False),
        ("serialNumber", "text", True),
        ("registrationDate", "time", False),
        ("lastUpdateDate", "time", True),
        ("shareWithResearchAsOfDate", "consent", False),
        ("shareWithPublicAsOfDate", "consent", False),
        ("shareWithFriendsAsOfDate", "consent", False),
    ),
    "accelerometer_landing": (
        ("user", "text", True),
        ("timestamp", "time", True),
        ("x", "number", True),
        ("y", "number", True),
        ("z", "number", True),
    ),
    "step_trainer_landing": (
        ("sensorReadingTime", "time", True),
        ("serialNumber", "text", True),
        ("distanceFromObject", "integer", True),
    ),
}

CUSTOMER, READING, STEP = (
    tuple(key.lower() for key, _, _ in FIELDS[source])
    for source in ("customer_landing", "accelerometer_landing", "step_trainer_landing")
)

#: The columns of the tables' rows.
COLUMNS = {
    "customer_trusted": CUSTOMER,
    "accelerometer_trusted": READING,
    "customers_curated": CUSTOMER,
    "step_trainer_trusted": STEP,
    "machine_learning_curated": (
        "serialnumber",
        "sensorreadingtime",
        "distancefromobject",
        "timestamp",
        "x",
        "y",
        "z",
    ),
    "device_owners": ("serialnumber", "email", "source", "instants", "covered"),
    "landing_quarantine": ("source", "file", "position", "reason", "record"),
    "job_audit": ("job", "source", "outcome", "reason", "records"),
}

WHITE = " \t\r"
BYTE_ORDER_MARK = "\ufeff"
MARK_BYTES = BYTE_ORDER_MARK.encode()
FOLLOWING_LINES = 1_000
LAST_TIME = 253_402_300_799_999
NUMBER_IN_TEXT = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?)([0-9]+))?")


class Record(NamedTuple):
    """One record of a landing file: used (`values` by column) or refused (`reason`)."""

    file: str
    position: int
    text: str
    values: dict[str, Any] | None = None
    reason: str | None = None
    repaired: bool = False

    @property
    def place(self) -> tuple[str, int, str]:
        return self.file, self.position, self.text


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
    """A field, and with it the record, is refused for this reason."""


def lakehouse(directory: Path, consent_policy: str = "customer", match_on: str = "customer_and_time") -> Lakehouse:
    """Everything that a run with these parameters makes of the landing files in `directory`."""
    landing = {source: read_landing(directory / folder, source) for source, folder in FOLDERS.items()}
    customers = landing["customer_landing"].used
    readings = landing["accelerometer_landing"].used
    steps = landing["step_trainer_landing"].used
    all_consents = consents(record.values for record in customers)

    def before_consent(who: str, instant: int) -> bool:
        return consent_policy == "reading_time" and instant < all_consents[who]

    # customer_trusted
    judged_customers = []
    copies, latest_of_key = set(), {}
    for record in customers:
        key = person(record.values["email"]), record.values["serialnumber"]
        latest_of_key[key] = min(latest_of_key.get(key, record.values), record.values, key=latest_first)
    for record in customers:
        row, who = record.values, person(record.values["email"])
        if frozen(row) in copies:
            outcome = "duplicate", None
        elif row != latest_of_key[who, row["serialnumber"]]:
            outcome = "superseded", None
        elif who not in all_consents:
            outcome = "filtered", "no_consent"
        else:
            outcome = "kept", None
        copies.add(frozen(row))
        judged_customers.append((row, outcome))
    customer_trusted = kept(judged_customers)

    # accelerometer_trusted
    judged_readings = []
    copies = set()
    for record in sorted(readings, key=lambda record: record.values["user"]):
        row, who = record.values, person(record.values["user"])
        same = frozen(row | {"user": who})
        if same in copies:
            outcome = "duplicate", None
        elif who not in all_consents:
            outcome = "filtered", "no_consent"
        elif before_consent(who, row["timestamp"]):
            outcome = "filtered", "before_consent"
        else:
            outcome = "kept", None
        copies.add(same)
        judged_readings.append((row, outcome))
    accelerometer_trusted = kept(judged_readings)

    # customers_curated
    with_reading = {person(row["user"]) for row in accelerometer_trusted}
    judged_trusted = [
        (row, ("kept", None) if person(row["email"]) in with_reading else ("filtered", "no_reading"))
        for row in customer_trusted
    ]
    customers_curated = kept(judged_trusted)
    curated = {person(row["email"]) for row in customers_curated}

    # step_trainer_trusted
    devices = ownership(
        [record.values for record in customers],
        [record.values for record in readings],
        [record.values for record in steps],
    )
    judged_steps, refused_steps = [], []
    copies, smallest = set(), {}
    for record in steps:
        key = record.values["serialnumber"], record.values["sensorreadingtime"]
        smallest[key] = min(smallest.get(key, 2**31), record.values["distancefromobject"])
    for record in sorted(steps, key=lambda record: record.place):
        row = record.values
        owner, source, _, _ = devices[row["serialnumber"]]
        if frozen(row) in copies:
            outcome = "duplicate", None
        elif row["distancefromobject"] > smallest[row["serialnumber"], row["sensorreadingtime"]]:
            outcome = "superseded", None
        elif owner is None:
            outcome = "refused", source
            refused_steps.append(record._replace(reason=source))
        elif owner not in curated:
            outcome = "filtered", "owner_not_curated"
        elif before_consent(owner, row["sensorreadingtime"]):
            outcome = "filtered", "before_consent"
        else:
            outcome = "kept", None
        copies.add(frozen(row))
        judged_steps.append((row, outcome))
    step_trainer_trusted = kept(judged_steps)

    # machine_learning_curated
    def step_key(row: dict) -> tuple:
        return (row["sensorreadingtime"], match_on == "time" or devices[row["serialnumber"]][0])

    def reading_key(row: dict) -> tuple:
        return (row["timestamp"], match_on == "time" or person(row["user"]))

    partners = defaultdict(list)
    for reading in accelerometer_trusted:
        partners[reading_key(reading)].append(reading)
    machine_learning_curated = [step | reading for step in step_trainer_trusted for reading in partners[step_key(step)]]
    instants_of_steps = {step_key(step) for step in step_trainer_trusted}
    no_partner = "filtered", "no_reading_at_instant"
    matched_steps = [(row, ("kept", None) if partners[step_key(row)] else no_partner) for row in step_trainer_trusted]
    matched_readings = [
        (row, ("kept", None) if reading_key(row) in instants_of_steps else no_partner) for row in accelerometer_trusted
    ]

    names = {
        row[column].strip(" \t\r\n").lower()
        for row in (record.values for record in customers)
        for column in ("email", "customername", "phone", "serialnumber")
        if person(row["email"]) not in all_consents and row[column] is not None
    }
    devices_of_others = {
        serial_number.strip(" \t\r\n").lower()
        for serial_number, (owner, *_) in devices.items()
        if owner is not None and owner not in all_consents
    }

    def text(source: str, record: Record) -> str | None:
        """None where it mentions somebody who has not agreed."""
        withheld = names | devices_of_others if source == "step_trainer_landing" else names
        own = record.text.lower()
        mentioned = re.split(r"""[ \t\r\n"',:;{}\[\]]+""", own) + re.findall('"([^"]*)', own)
        return None if withheld & {word.strip(" \t\r\n") for word in mentioned} - {""} else record.text

    quarantine = [
        (source, record.file, record.position, record.reason, text(source, record))
        for source, table in landing.items()
        for record in [*table.records, *(refused_steps if source == "step_trainer_landing" else [])]
        if record.reason is not None
    ]
    audit = [
        *audit_rows("customer_trusted", "customer_landing", judged_customers, landing),
        *audit_rows("accelerometer_trusted", "accelerometer_landing", judged_readings, landing),
        *audit_rows("customers_curated", "customer_trusted", judged_trusted, landing),
        *audit_rows("step_trainer_trusted", "step_trainer_landing", judged_steps, landing),
        *audit_rows("machine_learning_curated", "step_trainer_trusted", matched_steps, landing),
        *audit_rows("machine_learning_curated", "accelerometer_trusted", matched_readings, landing),
    ]
    tables = {
        "customer_trusted": rows("customer_trusted", customer_trusted),
        "accelerometer_trusted": rows("accelerometer_trusted", accelerometer_trusted),
        "customers_curated": rows("customers_curated", customers_curated),
        "step_trainer_trusted": rows("step_trainer_trusted", step_trainer_trusted),
        "machine_learning_curated": rows("machine_learning_curated", machine_learning_curated),
        "device_owners": Counter(
            (serial_number, owner, source, instants, covered)
            for serial_number, (owner, source, instants, covered) in devices.items()
            if owner in curated
        ),
        "landing_quarantine": Counter(quarantine),
    }
    audit += [(job, job, "written", None, tables[job].total()) for job in dict.fromkeys(row[0] for row in audit)]
    tables["job_audit"] = Counter(audit)
    return Lakehouse(tables, landing)


def person(email: str) -> str:
    """Who an email or a user is: without the white space around it, in lower case."""
    return email.strip(" \t\r\n").lower()


def latest_first(row: dict[str, Any]) -> tuple:
    """The order of customer records that puts the valid one first."""
    consent = row["sharewithresearchasofdate"]
    return (
        -row["lastupdatedate"],
        (0, 0) if consent is None else (1, -consent),
        *((row[name] is not None, row[name] if row[name] is not None else 0) for name in sorted(row)),
    )


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

    Where the owner is not known, `owner` is None and `source` the reason for refusing the device's readings.
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


def kept(judged: list[tuple[dict, tuple]]) -> list[dict]:
    return [row for row, (outcome, _) in judged if outcome == "kept"]


def rows(table: str, found: list[dict]) -> Counter:
    return Counter(tuple(row[column] for column in COLUMNS[table]) for row in found)


def audit_rows(job: str, source: str, judged: list[tuple], landing: dict[str, Landing]) -> list[tuple]:
    outcomes = Counter(outcome for _, outcome in judged)
    outcomes["read", None] = len(judged)
    if source in landing:
        refused = Counter(record.reason for record in landing[source].records if record.reason)
        outcomes["read", None] += refused.total()
        outcomes.update({("refused", reason): records for reason, records in refused.items()})
        outcomes["repaired", None] = sum(record.repaired for record in landing[source].used)
        outcomes["lines", None] = landing[source].lines
    return [
        (job, source, outcome, reason, records)
        for (outcome, reason), records in outcomes.items()
        if records or outcome == "read"
    ]


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
        # Hadoop's text files, and with them Athena's, end a line at a carriage return alone, too.
        line_count += len(lines) + sum(line[:-1].count(b"\r") for line in lines)
        if damaged:
            records.append(Record(file, max(1, len(lines)), "", reason="damaged_file"))
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


class NotUtf8(str):
    """A line that is not UTF-8, with its foreign bytes as `\\xNN`."""


def decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return NotUtf8(line.decode(errors="backslashreplace"))


class Piece(NamedTuple):
    """A part of a file that is one record: an object, or refused."""

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
        if isinstance(line, NotUtf8):
            yield Piece(number + 1, line.removeprefix(BYTE_ORDER_MARK).strip(WHITE), None, "not_utf8")
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
        if isinstance(line, NotUtf8) or line[skip_white(line, 0, "") :].startswith("{"):
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
    """The piece as a record of `source`, used or refused."""
    if piece.found is None:
        return Record(file, piece.position, piece.text, reason=piece.reason)
    repaired = piece.comma
    given = defaultdict(list)
    own_keys = {key.lower(): key for key, _, _ in FIELDS[source]}
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
        for key, kind, needed in FIELDS[source]:
            value, field_repaired = field(given[key.lower()][0] if given[key.lower()] else None, kind, needed)
            values[key.lower()] = value
            repaired |= field_repaired
    except Wrong as wrong:
        return Record(file, piece.position, piece.text, reason=str(wrong))
    return Record(file, piece.position, piece.text, values=values, repaired=repaired)


def comparable(value: Any) -> Any:
    """Equal for JSON values of the same type and value, and for no others."""
    if isinstance(value, Number):
        return "number", scientific(value)
    if isinstance(value, Object):
        return "object", sorted((key, repr(comparable(item))) for key, item in value)
    if isinstance(value, list):
        return "array", [comparable(item) for item in value]
    return type(value).__name__, value


def field(value: Any, kind: str, needed: bool) -> tuple[Any, bool]:
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

    number = value.strip(" \t\r\n") if isinstance(value, str) else ""
    if not NUMBER_IN_TEXT.fullmatch(number):
        raise Wrong("not_a_number")
    if kind == "number":
        if abs(float(number)) == float("inf"):
            raise Wrong("out_of_range")
        return float(number) + 0.0, is_text  # -0.0 + 0.0 is 0.0

    negative, digits, exponent = scientific(number)
    if digits and exponent < 0:
        raise Wrong("not_a_number")
    repaired = is_text or not re.fullmatch("-?[0-9]+", number)
    if kind in ("time", "consent") and negative:
        raise Wrong("negative_time")
    # 20 digits are more than any field holds, and an exponent may be too large to write its number out
    whole = 10**20 if len(digits) + exponent > 20 else int((digits or "0") + "0" * exponent)
    whole = -whole if negative else whole
    if not (-(2**31) <= whole < 2**31 if kind == "integer" else whole <= LAST_TIME):
        raise Wrong("out_of_range")
    return (None if kind == "consent" and whole == 0 else whole), repaired


def scientific(number: str) -> tuple[bool, str, int]:
    """(negative, digits, exponent) of digits times ten to the exponent, without zeros at either end; of 0 no digits."""
    sign, whole, fraction, exponent_sign, exponent = NUMBER_IN_TEXT.fullmatch(number).groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return False, "", 0
    power = int(exponent_sign + (exponent.lstrip("0") or "0")[:30]) - len(fraction)
    significant = digits.rstrip("0")
    return sign == "-", significant, power + len(digits) - len(significant)
