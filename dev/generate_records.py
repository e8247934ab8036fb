"""The records of generated landing data: invented people, their walks, and what their devices and phones report."""

import random
import uuid
from collections import deque
from collections.abc import Iterator
from itertools import chain, count
from typing import Any, NamedTuple

from stedi.tables import SOURCES, TABLES, Column

Record = dict[str, Any]

FIELDS = {source: TABLES[table].columns for source, table in SOURCES.items()}
#: The sources that have no rule of their own here: they report once at each instant of a walk.
OTHER_SOURCES = tuple(source for source in SOURCES if source not in ("customer", "accelerometer", "step_trainer"))

FIRST_WALK_ENDS = 1_709_251_200_000  # 2024-03-01, UTC, as all times in epoch milliseconds
HOUR = 3_600_000

INSTANTS = 30
MAX_SPACING = 4_000
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
ABSENT = 0.2  # of an optional field without a rule of its own

BLOCK = 500  # customers held in memory at a time
BATCHES = {"accelerometer": 8}  # a person's readings are spread over so many parts of their block
OTHER_BATCHES = 6

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
VECTORS = tuple((x, y, z) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) for z in (-1.0, 0.0))
SPELLINGS = (str.upper, str.lower, " {}".format, "{} ".format)


class Draws(dict[str, random.Random]):
    """A source of random numbers for each name, so that one field more changes nothing else."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __missing__(self, name: str) -> random.Random:
        self[name] = random.Random(f"{self.seed} {name}")
        return self[name]


class Walk(NamedTuple):
    """The instants at which one customer's device and phone take readings."""

    start: int
    spacing: int

    @property
    def instants(self) -> range:
        return range(self.start, self.start + INSTANTS * self.spacing, self.spacing)


def blocks(
    customers: int, seed: int, shared_serials: int | None, hours: int | None = None
) -> Iterator[dict[str, list[Record]]]:
    """The records of all sources, for a bounded number of customers at a time."""
    rng = random.Random(str(seed))  # as text, since -1 and 1 are one seed as numbers
    draws = Draws(seed)
    shared: list[str] = []
    offset = rng.randrange(NAMES)
    walks = _walks_in_hours(rng, customers, hours) if hours else _walks(rng)
    for begin in range(0, customers, BLOCK):
        records: list[Record] = []
        batches: dict[str, list[list[Record]]] = {
            source: [[] for _ in range(BATCHES.get(source, OTHER_BATCHES))] for source in SOURCES
        }
        people = list(zip(range(begin, min(begin + BLOCK, customers)), walks, strict=False))
        rng.shuffle(people)  # those who share instants need not be neighbours
        for number, walk in people:
            customer = _customer(rng, draws, *name_and_email(number, offset), walk)
            email, device = customer["email"], customer["serialNumber"]
            if shared_serials and len(shared) < shared_serials:
                shared.append(device)
            elif shared_serials:
                customer["serialNumber"] = draws["shared serials"].choice(shared)
            records.append(customer)
            if "shareWithResearchAsOfDate" in customer and rng.random() < WITHDRAWN:
                records.append(_withdrawal(rng, customer))
            if rng.random() >= UNUSED:
                _deal(rng, _accelerometer_readings(rng, draws, email, walk), batches["accelerometer"])
                _deal(rng, _step_readings(rng, draws, device, walk), batches["step_trainer"])
                for source in OTHER_SOURCES:
                    known = {"user": email, "email": email, "serialNumber": device}
                    readings = [record(source, known, instant, draws) for instant in reversed(walk.instants)]
                    _deal(draws[source], readings, batches[source])
        rng.shuffle(records)  # a withdrawal may stand before the record that it supersedes
        yield {source: list(chain(*batches[source])) for source in SOURCES} | {"customer": records}


def record(source: str, known: Record, instant: int, draws: Draws) -> Record:
    """A record with the fields that tables.toml describes: those of ``known``, where None is absent, and for any other
    a plausible value of its kind."""
    values = {
        field.key: known[field.key]
        if field.key in known
        else _plausible(field, instant, draws[f"{source} {field.key}"])
        for field in FIELDS[source]
    }
    return {key: value for key, value in values.items() if value is not None}


def _plausible(field: Column, instant: int, rng: random.Random) -> Any:
    if not field.required and rng.random() < ABSENT:
        return None
    if field.kind == "text":
        return f"{field.key} {rng.randrange(1, 10)}"
    if field.kind == "number":
        return round(rng.uniform(0, 100), 1)
    return instant if field.kind in ("time", "consent") else rng.randrange(50, 200)


def name_and_email(number: int, offset: int) -> tuple[str, str]:
    """The name of the customer with this number, and an email that no other number has."""
    again, position = divmod(number, NAMES)
    last, first = divmod((position * NAME_STRIDE + offset) % NAMES, len(FIRST_NAMES))
    first_name, last_name = FIRST_NAMES[first], LAST_NAMES[last]
    return f"{first_name} {last_name}", f"{first_name}.{last_name}{again + 1 if again else ''}@example.com"


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
            while (spacing, start % spacing) in recent:  # nobody may walk in step with another by chance
                start += 1
            recent.append((spacing, start % spacing))
            walk = Walk(start, spacing)
        yield walk


def _walks_in_hours(rng: random.Random, customers: int, hours: int) -> Iterator[Walk]:
    """As ``_walks``, but as many in each of so many hours, and none that reaches into the next."""
    room = HOUR - INSTANTS * MAX_SPACING
    recent: deque[tuple[int, int]] = deque(maxlen=2_000)  # fewer than the shortest spacing has milliseconds
    walk = None
    for number in count():
        hour, place = divmod(number * hours, customers)
        begin = FIRST_WALK_ENDS + hour * HOUR
        later = walk and Walk(walk.start + rng.randrange(FIRST_JOINED_INSTANT, INSTANTS) * walk.spacing, walk.spacing)
        if later and rng.random() < JOINED and begin <= later.start and later.instants[-1] < begin + HOUR:
            walk = later
        else:
            spacing = rng.randint(61, 120) * 100 // 3
            start = begin + place * room // customers + rng.randrange(max(1, room * hours // customers))
            while (spacing, start % spacing) in recent:
                start += 1
            recent.append((spacing, start % spacing))
            walk = Walk(start, spacing)
        yield walk


def _customer(rng: random.Random, draws: Draws, name: str, email: str, walk: Walk) -> Record:
    last_instant = walk.instants[-1]
    registered = last_instant - int(rng.triangular(54_000, 73_500, 72_500))
    updated = last_instant + rng.randrange(1, 10_000) if rng.random() < LATE_UPDATE else registered
    agreed = updated + rng.choice((-1, 1)) if rng.random() < CONSENT_BESIDE_UPDATE else updated
    known = {
        "customerName": name,
        "email": email,
        "phone": f"{rng.randrange(200, 1000)}55501{rng.randrange(100):02d}",
        "birthDay": f"{rng.randint(900, 2000)}-01-01",
        "serialNumber": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "registrationDate": registered,
        "lastUpdateDate": updated,
        "shareWithResearchAsOfDate": agreed if rng.random() < CONSENT else None,
        "shareWithPublicAsOfDate": updated if rng.random() < CONSENT else None,
        "shareWithFriendsAsOfDate": updated if rng.random() < CONSENT else None,
    }
    return record("customer", known, updated, draws)


def _withdrawal(rng: random.Random, customer: Record) -> Record:
    later = customer | {"lastUpdateDate": customer["lastUpdateDate"] + rng.randrange(HOUR, 30 * 24 * HOUR)}
    del later["shareWithResearchAsOfDate"]
    return later


def _accelerometer_readings(rng: random.Random, draws: Draws, email: str, walk: Walk) -> list[Record]:
    spelling = rng.choice(SPELLINGS)(email) if rng.random() < RESPELLED else email
    readings = []
    for instant in reversed(walk.instants):
        user = spelling if spelling != email and rng.random() < RESPELLED_INSTANTS else email
        # keys of a dict, not a set: their order does not depend on the hash seed
        for x, y, z in dict.fromkeys(VECTORS[int(rng.random() * len(VECTORS))] for _ in range(3)):
            known = {"user": user, "timestamp": instant, "x": x, "y": y, "z": z}
            readings.append(record("accelerometer", known, instant, draws))
    return readings


def _step_readings(rng: random.Random, draws: Draws, device: str, walk: Walk) -> list[Record]:
    readings = []
    for instant in reversed(walk.instants):
        known = {"sensorReadingTime": instant, "serialNumber": device, "distanceFromObject": rng.randint(201, 300)}
        readings.append(record("step_trainer", known, instant, draws))
    return readings


def _deal(rng: random.Random, readings: list[Record], batches: list[list[Record]]) -> None:
    """Spread a person's readings over the batches, latest first in each, and one of them twice if it is redelivered."""
    if rng.random() < REDELIVERED:
        position = rng.randrange(len(readings))
        readings.insert(position, readings[position])
    for reading in readings:
        batches[int(rng.random() * len(batches))].append(reading)
