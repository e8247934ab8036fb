"""Writes synthetic STEDI landing data: customers, accelerometer readings and step trainer readings.

In: `--out DIR --customers N --seed N`, and two options, below. Out: JSON lines in `DIR/customer`, `DIR/accelerometer`
and `DIR/step_trainer`, the same bytes for the same arguments on every machine. The committed sample beside this file
was written by

    python include/sample/generate.py --out include/sample --customers 25 --seed 24777

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

Extras, well-formed, that real deliveries contain too:

- 3 % of the customers have not used their device: no readings at all.
- 4 % of the people who agreed withdraw: a second record, updated 1 hour to 30 days later, without consent to research.
- 3 % of the walks have one accelerometer reading delivered twice, and (independently) 3 % one step reading.
- 4 % of the walks have about a third of their instants under another spelling of the email: upper case, lower case, or
  a space before or after it.

Two options make the data as hard as it really is; the sound records stay the same:

- `--shared-serials N`, the website's defect: it knows the serial numbers of the first N customers' devices only, and
  gives one of them to each further customer. The devices report their own.
- `--damage SHARE`: that share of the records is delivered in an odd or broken form, the cases of docs/landing-files.md
  in turn. Besides, each source gets a last file, a gzip, with devices whose owner cannot be known. What is to
  become of these records stands in `DIR/_expected/<source>.jsonl`, and in `totals.json` what reading a source gives
  altogether. Where the share is large, more devices may lose their owner than are named there.
"""

import argparse
import gzip
import io
import json
import random
import re
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

SOURCES = ("customer", "accelerometer", "step_trainer")
LINES_PER_FILE = 10_000
PROGRESS_SECONDS = 5

FIRST_WALK_ENDS = 1_709_251_200_000  # 2024-03-01, UTC, as all times in epoch milliseconds
DELIVERED_AT = 1_717_200_000_000  # 2024-06-01: the first file's name
DELIVERY_GAP = 50  # milliseconds between the names of two files
HOUR = 3_600_000

INSTANTS = 30
MEAN_GAP = 2_565  # between the ends of two walks: this density makes people share instants by chance, too
JOINED = 0.14
FIRST_JOINED_INSTANT = 7  # 23 shared instants are 77 %: below the 90 % at which coverage decides whose device it is

UNUSED = 0.03
CONSENT = 0.5
LATE_UPDATE = 0.045
CONSENT_BESIDE_UPDATE = 0.01
WITHDRAWN = 0.04
REDELIVERED = 0.03
RESPELLED = 0.04
RESPELLED_INSTANTS = 1 / 3

BLOCK = 500  # customers held in memory at a time; a person's readings lie within their block's four or five files
ACCELEROMETER_BATCHES = 8
STEP_BATCHES = 6

FIRST_NAMES = tuple(
    """Abrielle Adaric Aldwina Amberlyn Anwick Ardelle Auberon Averil Balin Bellamy Berrin Birgitta Blythe Branwell
    Brisa Calder Calista Carrow Cedany Clover Corbin Cressida Dacian Dagny Damaris Darrow Delphine Dorian Edlyn Eirwen
    Elspeth Emeric Ember Esme Evander Fabian Faelan Fenella Fennimore Florian Garnet Gideon Ginevra Greer Halcyon Harlan
    Hespera Hollis Idony Ingram Isaura Isolde Jareth Jessamy Jorah Junia Kelda Kerensa Kester Lachlan Larkin Leocadia
    Linnea Lorcan Lysander Maelis Marlow Merrin Mirabel Neve Nerissa Niall Oberon Odalys Orla Osric Peregrine Perpetua
    Petra Philippa Quilla Quillon Rafferty Romilly Rowena Sabra Severin Sorrel Tamsin Thaddeus Thora Ursel Vesper
    Wilder Winifred Yseult Zephyrine Zinnia""".split()  # noqa: SIM905 - a list of names is read as prose
)
LAST_NAMES = tuple(
    """Alderfield Ambrosden Applewick Ashgrove Barrowmere Beechcombe Birchwater Blackthorne Bramblewood Brightwater
    Brookhollow Burdock Cattermole Chalkwell Cherrywick Cinderford Coldbrook Copperfen Cranmoor Crowhurst Dampierre
    Deepdale Dovecote Drystone Duskwood Eastmere Elderbrook Elmswick Evenlode Fairwether Fallowfield Fernhollow
    Flintlock Foxmoor Frostwick Gallowglass Gildersleeve Goldfinch Greywater Hailsworth Harrowgate Hawksmoor Hazelrigg
    Heathervale Hollowell Ivybridge Jessop Juniperfield Kestrelman Kingcup Larkspur Lavenham Lindenmoor Loxwood
    Marchbanks Marlpit Meadowsweet Merriweather Millrace Mistlethwaite Mossgrove Nettlefold Nightingale Northwold
    Oakenshaw Oldcastle Orchardson Otterburn Partridge Pebblecombe Pennywort Plumtree Quickthorn Quillfeather
    Ravenscar Redfern Ringwould Rookwood Rushmere Saltmarsh Sandpiper Silverlock Snowdrop Sparrowhawk Stillwater
    Summerhay Swallowtail Tanglewood Thistledown Underhay Vinterfell Waxwing Westerdale Whinfell Whitlock Willowbank
    Yarrowby Zouchfield""".split()  # noqa: SIM905
)
NAMES = len(FIRST_NAMES) * len(LAST_NAMES)
NAME_STRIDE = 7919  # a prime that does not divide NAMES: walks through all names before one comes again

# Three readings an instant out of these, equal ones once: 2.8 a reading instant on average.
VECTORS = tuple(f',"x":{x},"y":{y},"z":{z}}}' for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) for z in (-1.0, 0.0))
SPELLINGS = (str.upper, str.lower, " {}".format, "{} ".format)

Lines = dict[str, list[str]]

USED = "used"
REPAIRED = "repaired"

# What a record may look like in its file. A case is its parts in turn, each with what becomes of it: used, repaired,
# the reason for its refusal, or None for what is no record. OWN is the record's text, SPREAD the same over several
# lines, CUT its beginning up to the middle of a string, and a surrogate a byte that is not UTF-8.
FORMS = {
    "spaces_around": ((" \t", None), ("OWN", USED), (" \r", None)),
    "byte_order_mark": (("\ufeff", None), ("OWN", REPAIRED)),
    "blank_lines_before": (("\r\n \t\n", None), ("OWN", USED)),
    "comma_after": (("OWN", REPAIRED), (" ,", None)),
    "twice_on_one_line": (("OWN", USED), (" ", None), ("OWN", REPAIRED)),
    "comma_between": (("OWN", REPAIRED), (",", None), ("OWN", REPAIRED)),
    "over_several_lines": (("SPREAD", REPAIRED),),
    "next_to_the_end_of_another": (("SPREAD", REPAIRED), (",", None), ("OWN", REPAIRED)),
    "not_utf8": (("OWN\udcff", "not_utf8"),),
    "cut_off": (("CUT", "not_json"),),
    "glued_to_a_cut_off_one": (("CUTOWN", "not_json"),),
    "garbage": (("#!? OWN", "not_json"),),
    "garbage_after": (("OWN", USED), (" ", None), ("} OWN", "not_json")),
    "comma_before": ((",OWN", "not_json"),),
    "array": (("[OWN],", "not_an_object"),),
    "string": (('"{}"', "not_an_object"),),
    "number": (("5", "not_an_object"),),
    "null": (("null", "not_an_object"),),
}

TEXT = {"customer": "email", "accelerometer": "user", "step_trainer": "serialNumber"}
TIME = {"customer": "lastUpdateDate", "accelerometer": "timestamp", "step_trainer": "sensorReadingTime"}

# What the value of a key may be: JSON, with OWN for the key's own value and BARE for the same without quotes; and what
# becomes of the record.
OF_TEXT = (
    ('" \\t"', "missing_field"),
    ("null", "missing_field"),
    ("true", "not_text"),
    ("5.5", "not_text"),
    ('{"a":OWN}', "not_text"),
)
OF_TIME = (
    ("OWN.0", REPAIRED),
    ("OWNe0", REPAIRED),
    ('"OWN"', REPAIRED),
    ('" +OWN.00 "', REPAIRED),
    ("OWN.5", "not_a_number"),
    ('"yesterday"', "not_a_number"),
    ("[OWN]", "not_a_number"),
    ("253402300800000", "out_of_range"),
    ("-OWN", "negative_time"),
    ("NaN", "not_json"),
)
OF_OTHERS = {
    "customer": (
        ("phone", "BARE", REPAIRED),
        ("birthDay", "null", USED),
        ("shareWithFriendsAsOfDate", "0", USED),
        ("shareWithFriendsAsOfDate", '""', USED),
        ("shareWithFriendsAsOfDate", '"0"', REPAIRED),
        ("shareWithPublicAsOfDate", "-1.0", "negative_time"),
    ),
    "accelerometer": (
        ("x", '"OWN"', REPAIRED),
        ("y", "1e400", "out_of_range"),
        ("z", '"NaN"', "not_a_number"),
        ("x", "false", "not_a_number"),
    ),
    "step_trainer": (
        ("distanceFromObject", "OWN.0", REPAIRED),
        ("distanceFromObject", "OWN.5", "not_a_number"),
        ("distanceFromObject", "2147483648", "out_of_range"),
    ),
}

# The device of two people neither of whom covers it, and the device of nobody.
LAST_RECORDS = {
    "customer": tuple(
        (f'{{"email":"{who}@example.com","serialNumber":"claimed-by-two","lastUpdateDate":{DELIVERED_AT}}}', USED)
        for who in ("one", "another")
    ),
    "accelerometer": ((f'{{"user":"one@example.com","timestamp":{DELIVERED_AT},"x":0.0,"y":0.0,"z":0.0}}', USED),),
    "step_trainer": tuple(
        (f'{{"sensorReadingTime":{DELIVERED_AT + HOUR},"serialNumber":"{device}","distanceFromObject":250}}', reason)
        for device, reason in (("claimed-by-two", "owner_ambiguous"), ("claimed-by-nobody", "owner_unknown"))
    ),
}


class Odd(str):
    """A record in an odd form: the text to write, and what it is (`case`) and holds (`parts`, as in FORMS)."""

    case: str
    parts: tuple[tuple[str, str | None], ...]


class Counts(NamedTuple):
    """The records written for each source."""

    customers: int
    accelerometer: int
    step_trainer: int


class Walk(NamedTuple):
    """The instants at which one customer's device and phone take readings."""

    start: int
    spacing: int

    @property
    def instants(self) -> range:
        return range(self.start, self.start + INSTANTS * self.spacing, self.spacing)


class Refused(ValueError):
    """The arguments or the output directory do not allow the work; nothing was written."""


def generate(out: Path, customers: int, seed: int, shared_serials: int | None = None, damage: float = 0.0) -> Counts:
    """Write the landing data of `customers` customers below `out`; return how many records that are.

    `shared_serials` and `damage` are the options of that name. Files of an earlier run with the same arguments, even an
    interrupted one, are kept and completed. Any other landing data in `out` is left alone and raises `Refused`.
    """
    if customers < 1:
        raise Refused(f"customers must be at least 1, not {customers}")
    if shared_serials is not None and shared_serials < 1:
        raise Refused(f"shared serials must be at least 1, not {shared_serials}")
    if not 0 <= damage <= 1:
        raise Refused(f"damage must be a share from 0 to 1, not {damage}")
    arguments = customers, seed, shared_serials, damage
    present = _landing_files(out)
    _refuse_foreign_names(out, present)
    if present:
        _refuse_foreign_content(out, present, *arguments)

    for source in SOURCES:
        (out / source).mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(SOURCES, 0)
    part = out / ".generate.part"  # beside the sources: an interrupted run leaves no half file among the landing data
    expected = _Expected(out / "_expected") if damage else None
    for name, lines in _files(*arguments):
        source = name.split("/")[0]
        counts[source] += len(lines)
        if expected:
            expected.add(source, name, lines)
            counts[source] = expected.totals[source]["read"]
        if name not in present:
            part.write_bytes(_content(name, lines))
            part.replace(out / name)
    if expected:
        expected.close()
    return Counts(*(counts[source] for source in SOURCES))


def name_and_email(number: int, offset: int) -> tuple[str, str]:
    """The name of the customer with this number, and an email that no other number has."""
    again, position = divmod(number, NAMES)
    last, first = divmod((position * NAME_STRIDE + offset) % NAMES, len(FIRST_NAMES))
    first_name, last_name = FIRST_NAMES[first], LAST_NAMES[last]
    return f"{first_name} {last_name}", f"{first_name}.{last_name}{again + 1 if again else ''}@example.com"


def _landing_files(out: Path) -> set[str]:
    return {
        path.relative_to(out).as_posix()
        for source in SOURCES
        for path in (out / source).rglob("*")
        if not path.is_dir() and not path.name.startswith(".")
    }


def _refuse_foreign_names(out: Path, present: set[str]) -> None:
    # Files are written in order, so a source's files are the first so many names: known without generating anything.
    own = {
        _file_name(source, number) + end for source in SOURCES for number in range(len(present)) for end in ("", ".gz")
    }
    if foreign := sorted(present - own):
        raise Refused(f"{out / foreign[0]} is not of this generator: choose another --out")


def _refuse_foreign_content(out: Path, present: set[str], *arguments: float | None) -> None:
    missing = set(present)
    for name, lines in _files(*arguments):
        if name in present and (out / name).read_bytes() != _content(name, lines):
            raise Refused(f"{out / name} comes from other arguments: choose another --out")
        missing.discard(name)
        if not missing:
            return
    raise Refused(f"{out / min(missing)} comes from other arguments: choose another --out")


def _files(customers: int, seed: int, shared_serials: int | None, damage: float) -> Iterator[tuple[str, list[str]]]:
    """Every file in the order of writing: its name below the output directory, and its lines."""
    waiting: Lines = {source: [] for source in SOURCES}
    written = dict.fromkeys(SOURCES, 0)

    def take(source: str) -> tuple[str, list[str]]:
        lines = waiting[source][:LINES_PER_FILE]
        del waiting[source][:LINES_PER_FILE]
        written[source] += 1
        return _file_name(source, written[source] - 1), lines

    rng = random.Random(f"{seed} damage")  # of its own: the sound records stay the same
    numbers = {source: count() for source in SOURCES}
    for block in _blocks(customers, seed, shared_serials):
        for source, lines in block.items():
            if damage:
                lines = [_odd(source, next(numbers[source]), line) if rng.random() < damage else line for line in lines]
            waiting[source] += lines
            while len(waiting[source]) >= LINES_PER_FILE:
                yield take(source)
    for source in SOURCES:
        if waiting[source]:
            yield take(source)
        if damage:
            lines = [_with_parts("last_file", (record,)) for record in LAST_RECORDS[source]]
            yield f"{_file_name(source, written[source])}.gz", lines


def _file_name(source: str, number: int) -> str:
    return f"{source}/{source}-{DELIVERED_AT + DELIVERY_GAP * number}.json"


def _content(name: str, lines: list[str]) -> bytes:
    content = ("\n".join(lines) + "\n").encode(errors="surrogateescape")
    if not name.endswith(".gz"):
        return content
    zipped = io.BytesIO()
    with gzip.GzipFile("", "wb", 0, zipped, mtime=0) as file:  # uncompressed: the same bytes with every zlib
        file.write(content)
    return zipped.getvalue()


def _blocks(customers: int, seed: int, shared_serials: int | None) -> Iterator[Lines]:
    """The lines of all sources, for a bounded number of customers at a time."""
    rng = random.Random(str(seed))  # as text, since -1 and 1 are one seed as numbers
    sharing = random.Random(f"{seed} shared serials")
    shared: list[str] = []
    offset = rng.randrange(NAMES)
    walks = _walks(rng)
    reported = time.monotonic()
    for begin in range(0, customers, BLOCK):
        records: list[str] = []
        accelerometer: list[list[str]] = [[] for _ in range(ACCELEROMETER_BATCHES)]
        steps: list[list[str]] = [[] for _ in range(STEP_BATCHES)]
        numbers = range(begin, min(begin + BLOCK, customers))
        people = list(zip(numbers, walks, strict=False))
        rng.shuffle(people)  # those who share instants need not be neighbours
        for number, walk in people:
            customer = _customer(rng, *name_and_email(number, offset), walk)
            device = customer["serialNumber"]
            if shared_serials and len(shared) < shared_serials:
                shared.append(device)
            elif shared_serials:
                customer["serialNumber"] = sharing.choice(shared)
            records.append(json.dumps(customer))
            if "shareWithResearchAsOfDate" in customer and rng.random() < WITHDRAWN:
                records.append(json.dumps(_withdrawal(rng, customer)))
            if rng.random() >= UNUSED:
                _deal(rng, _accelerometer_lines(rng, customer["email"], walk), accelerometer)
                _deal(rng, _step_lines(rng, device, walk), steps)
        rng.shuffle(records)  # a withdrawal may stand before the record that it supersedes
        yield {"customer": records, "accelerometer": list(chain(*accelerometer)), "step_trainer": list(chain(*steps))}

        if time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            print(f"generate: {numbers.stop:,} of {customers:,} customers", file=sys.stderr)


def _walks(rng: random.Random) -> Iterator[Walk]:
    """Walks without end, in the order of time, some of which join the one before."""
    end = FIRST_WALK_ENDS
    recent: deque[tuple[int, int]] = deque(maxlen=256)
    walk = None
    while True:
        end += rng.randrange(2 * MEAN_GAP)
        if walk and rng.random() < JOINED:
            walk = Walk(walk.start + rng.randrange(FIRST_JOINED_INSTANT, INSTANTS) * walk.spacing, walk.spacing)
        else:
            spacing = rng.randint(61, 120) * 100 // 3  # 2 to 4 seconds in thirtieths of a second
            start = end - (INSTANTS - 1) * spacing
            while (spacing, start % spacing) in recent:  # by chance nobody may walk in step with another
                start += 1
            recent.append((spacing, start % spacing))
            walk = Walk(start, spacing)
        yield walk


def _customer(rng: random.Random, name: str, email: str, walk: Walk) -> dict:
    last_instant = walk.instants[-1]
    registered = last_instant - int(rng.triangular(54_000, 73_500, 72_500))
    updated = last_instant + rng.randrange(1, 10_000) if rng.random() < LATE_UPDATE else registered
    agreed = updated + rng.choice((-1, 1)) if rng.random() < CONSENT_BESIDE_UPDATE else updated
    customer = {
        "customerName": name,
        "email": email,
        "phone": f"{rng.randrange(200, 1000)}55501{rng.randrange(100):02d}",
        "birthDay": f"{rng.randint(900, 2000)}-01-01",
        "serialNumber": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "registrationDate": registered,
        "lastUpdateDate": updated,
        "shareWithResearchAsOfDate": agreed,
        "shareWithPublicAsOfDate": updated,
        "shareWithFriendsAsOfDate": updated,
    }
    for purpose in ("Research", "Public", "Friends"):
        if rng.random() >= CONSENT:
            del customer[f"shareWith{purpose}AsOfDate"]
    return customer


def _withdrawal(rng: random.Random, customer: dict) -> dict:
    later = customer | {"lastUpdateDate": customer["lastUpdateDate"] + rng.randrange(HOUR, 30 * 24 * HOUR)}
    del later["shareWithResearchAsOfDate"]
    return later


def _accelerometer_lines(rng: random.Random, email: str, walk: Walk) -> list[str]:
    spelling = rng.choice(SPELLINGS)(email) if rng.random() < RESPELLED else email
    lines = []
    for instant in reversed(walk.instants):
        user = spelling if spelling != email and rng.random() < RESPELLED_INSTANTS else email
        # keys of a dict, not a set: their order does not depend on the hash seed
        for vector in dict.fromkeys(VECTORS[int(rng.random() * len(VECTORS))] for _ in range(3)):
            lines.append(f'{{"user":"{user}","timestamp":{instant}{vector}')
    return lines


def _step_lines(rng: random.Random, serial_number: str, walk: Walk) -> list[str]:
    device = f',"serialNumber":"{serial_number}","distanceFromObject":'
    return [f'{{"sensorReadingTime":{instant}{device}{rng.randint(201, 300)}}}' for instant in reversed(walk.instants)]


def _deal(rng: random.Random, lines: list[str], batches: list[list[str]]) -> None:
    """Spread a person's lines over the batches, latest first in each, and one of them twice if it is redelivered."""
    if rng.random() < REDELIVERED:
        position = rng.randrange(len(lines))
        lines.insert(position, lines[position])
    for line in lines:
        batches[int(rng.random() * len(batches))].append(line)


def _odd(source: str, number: int, line: str) -> Odd:
    """The record in the odd form whose turn it is."""
    others = _other_texts(source, line)
    turn = number % (len(FORMS) + len(others))
    if turn >= len(FORMS):
        case, text, becomes = others[turn - len(FORMS)]
        return _with_parts(case, ((text, becomes),))
    case, form = list(FORMS.items())[turn]
    spread = json.dumps(json.loads(line), indent=1)
    cut = line[: [index for index, character in enumerate(line) if character == '"'][2] + 3]
    texts = {"OWN": line, "SPREAD": spread, "CUT": cut}
    return _with_parts(
        case, tuple((re.sub("OWN|SPREAD|CUT", lambda name: texts[name[0]], part), becomes) for part, becomes in form)
    )


def _other_texts(source: str, line: str) -> list[tuple[str, str, str]]:
    """The record with another key or value: (case, text, what becomes of it)."""
    record = {key: json.dumps(value) for key, value in json.loads(line).items()}
    text, time = TEXT[source], TIME[source]
    respelled = {"timeStamp" if key == "timestamp" else key.upper(): value for key, value in record.items()}

    def written(fields: dict[str, str], more: str = "") -> str:
        return "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + more + "}"

    found = [
        ("unknown_keys", written(record, f',"note":{{"{text}":[{{}}]}},"note":"\\u00e9"'), USED),
        ("absent", written({key: value for key, value in record.items() if key != text}), "missing_field"),
        ("other_spelling", written(respelled), REPAIRED),
        ("key_again", written(record, f',"{text}":{record[text]}'), REPAIRED),
        ("key_again_in_other_spelling", written(record, f',"{time.upper()}":{record[time]}'), REPAIRED),
        ("key_again_with_another_value", written(record, f',"{time}":{record[time]}1'), "duplicate_key"),
        ("key_again_with_another_type", written(record, f',"{time.upper()}":"{record[time]}"'), "duplicate_key"),
    ]
    values = [*((text, *form) for form in OF_TEXT), *((time, *form) for form in OF_TIME), *OF_OTHERS[source]]
    for key, form, becomes in values:
        own = record.get(key, "")
        value = form.replace("OWN", own).replace("BARE", own.strip('"'))
        found.append((f"{key}: {form}", written(record | {key: value}), becomes))
    return found


def _with_parts(case: str, parts: tuple[tuple[str, str | None], ...]) -> Odd:
    odd = Odd("".join(text for text, _ in parts))
    odd.case, odd.parts = case, parts
    return odd


class _Expected:
    """Writes beside the data what reading it must give."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.files = {source: (directory / f"{source}.jsonl").open("w", encoding="utf-8") for source in SOURCES}
        self.totals = {source: {"read": 0, "used": 0, "repaired": 0, "lines": 0, "refused": {}} for source in SOURCES}

    def add(self, source: str, name: str, lines: list[str]) -> None:
        """Take down what becomes of the records of one file."""
        totals = self.totals[source]
        position = 1

        def expect(position: int, case: str, text: str, becomes: str) -> None:
            refused = becomes not in (USED, REPAIRED)
            totals["read"] += 1
            totals["repaired"] += becomes == REPAIRED
            if refused:
                totals["refused"][becomes] = totals["refused"].get(becomes, 0) + 1
            else:
                totals["used"] += 1
            record = {
                "file": name.removeprefix(f"{source}/"),
                "position": position,
                "case": case,
                "outcome": "refused" if refused else becomes,
                "reason": becomes if refused else None,
                "text": text.encode(errors="surrogateescape").decode(errors="backslashreplace"),
            }
            self.files[source].write(json.dumps(record) + "\n")

        for line in lines:
            if not isinstance(line, Odd):
                totals["read"] += 1
                totals["used"] += 1
                position += 1
                continue
            for text, becomes in line.parts:
                if becomes:
                    first = position == 1 and line.case == "byte_order_mark"  # of the file, where it is no part of it
                    expect(position, line.case, text, USED if first else becomes)
                position += text.count("\n")
            position += 1
        totals["lines"] += position - 1

    def close(self) -> None:
        """Write the totals, after all files were added."""
        for file in self.files.values():
            file.close()
        (self.directory / "totals.json").write_text(json.dumps(self.totals, indent=2) + "\n")


def main() -> int:
    """Run the command line: 0 when the data is there, 2 with one line on stderr when it was refused."""
    parser = argparse.ArgumentParser(description="Write synthetic STEDI landing data.")
    parser.add_argument("--out", type=Path, required=True, help="where the three directories go")
    parser.add_argument("--customers", type=int, required=True, help="how many customers, at least 1")
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same bytes")
    parser.add_argument("--shared-serials", type=int, metavar="N", help="the website knows N serial numbers only")
    parser.add_argument("--damage", type=float, default=0.0, metavar="SHARE", help="share of odd and broken records")
    arguments = parser.parse_args()
    try:
        counts = generate(**vars(arguments))
    except (Refused, FileExistsError, NotADirectoryError, PermissionError) as refusal:
        print(f"generate: {refusal}", file=sys.stderr)
        return 2
    print(", ".join(f"{count:,} {source}" for source, count in counts._asdict().items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
