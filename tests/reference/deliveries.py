"""Small deliveries with everything that real ones contain, as a hypothesis strategy.

`deliveries()` gives {path below the landing directory: bytes}; `write` puts one on disk. The people, devices and
instants are few, so that they collide: claims, coverage, withdrawal and redelivery meet in every way. Each delivery is
a sound one with a list of oddities, so that a failing one shrinks to the oddity that matters.
"""

import gzip
import json
from pathlib import Path

from hypothesis import strategies as st

from lakehouse.tables import SOURCES, TABLES

KINDS = {source: {field.key: field.kind for field in TABLES[table].columns} for source, table in SOURCES.items()}
#: Some values of each kind, for fields that no rule of the data looks at.
SAMPLES = {
    "text": ("a", "983-01-01"),
    "time": (5, 6),
    "consent": (5, 6),
    "integer": (5, 4, 6),
    "number": (1.0, 2.0, 0.0, -0.0),
}
#: What the rules of the data look at.
RULED = {
    "user",
    "email",
    "serialNumber",
    "timestamp",
    "sensorReadingTime",
    "lastUpdateDate",
    "shareWithResearchAsOfDate",
}
PEOPLE = ("Ann@example.com", "Bob@example.com", "Éva@example.com", "Dee@example.com")
SPELLINGS = (str, str.upper, str.lower, " {}".format, "{}\t".format, "\r\n{} ".format)
SERIAL_NUMBERS = ("s1", "s2", "s3", "S1")
FIRST_INSTANTS = (
    100,
    100,
    115,
    130,
    145,
    160,
)  # two devices with the same first instant are covered by the same people
LAST_INSTANT = 170

# JSON in place of a field's own: OWN is the field's JSON, BARE the same without quotes.
ANY_KIND = ("null", '""', '" \\t "', '"\\n"', "true", "false", "[]", "{}", "[OWN]", '{"user":OWN}', "NaN", "-Infinity")
NUMBERS = (
    *('"BARE"', '" BARE "', '"+BARE"', "BAREe0", '"BAREE+0"', '"BARE."', '"00BARE"', "-BARE", '"-BARE"', "BARE0e-1"),
    *("0", "-0", "-0.0", '"0"', "-1", "1.5", '"1.5"', '".5"', '"1e"', '"1_0"', '"0x1"', '"\\u0663"', '"NaN"', '"abc"'),
    *("1e400", "-1e400", "1e-400", '"1e400"', "01", "+1", ".5", "5.", '"BARE\\u00a0"', '"BARE BARE"'),
    *("2147483647", "2147483648", "-2147483649", "253402300799999", "253402300800000", "253402300799999.5"),
    *("9223372036854775808", "1e99999999999999999999", "0e99999999999999999999", "1e-99999999999999999999", "1" * 400),
)
WHOLE = ("BARE.0", "BARE0.0e-1", '"BARE.00"')
VALUES = {
    "text": (
        *ANY_KIND,
        *("5", "-5", "-0", "5.0", "1e3", "12345678901234567890123", '" BARE "', '"BARE\\u00a0"', '"BARE\\u0000"'),
        *('"\\ud83d\\ude00"', '"\\ud800"', '"a\tb"', '"\\x41"', '"\\"BARE\\""', '"},{"', "'a'"),
    ),
    "time": (*ANY_KIND, *NUMBERS, *WHOLE),
    "consent": (*ANY_KIND, *NUMBERS, *WHOLE),
    "integer": (*ANY_KIND, *NUMBERS, *WHOLE),
    "number": (*ANY_KIND, *NUMBERS),
}

# What stands before and after a pair of the record: unknown keys, and known ones again.
EXTRA_PAIRS = (
    '"note":{"user":"x","timestamp":[{"x":1}]}',
    '"note":1,"note":2',
    '"":null',
    '"user ":"x"',
    '"note":"' + "long " * 20_000 + '"',
    '"note":' + "[" * 20 + "]" * 20,
    '"note":' + "[" * 100_000 + "]" * 100_000,
    '"note":"\\u"',
    '"note"',
    "",
)

# OWN, a record's text, in its surroundings; surrogates stand for bytes that are not UTF-8.
# fmt: off
LINES = (
    "OWN,", "OWN ,", "OWN,,", ",OWN", "OWN\n,", " \tOWN\t ", "OWN\r", "\rOWN", "\u00a0OWN", "OWN\u2028", "\x0bOWN",
    "\ufeffOWN", "\ufeff OWN", " \ufeffOWN", "\ufeff\ufeffOWN", "OWN\ufeff", "\n\nOWN", " \t\n\ufeff\n\ufeff\r\nOWN\n",
    "OWNOWN", "OWN OWN", "OWN,OWN,", "OWN\t,, OWN", "OWN," * 30, "OWNxOWN", 'OWN"a"', "OWN[1],", "OWN {", 'OWN{"aOWN',
    "[OWN]", "[OWN],", "[\nOWN,\nOWN\n]", "null,", "5", '"{"', "true ,", "[1],,", "[1] OWN", "OWN 5 OWN",
    "{}", "OWN{}", "OWN{},", "{", "}", "OWN}", "{OWN}", "garbage", "OWN//", "# OWN", "NaN", "\x00", "OWN\x00", "'OWN'",
    "OWN\udcff", "\udcc3(OWN", "OWN\n\udce2\udc82\nOWN", "\udcc0\udc80", "\udced\udca0\udc80OWN", '{"a":\n\udcff\n}',
    '{"user":OWN}', '{"a":OWN,\n"b":[\n1\n]\n},', '{"a":\nOWN\n}', '{"a":\n OWN\n}', '{"a":[\n5,\nOWN',
    '{"a\nb":1}\nOWN',
    '{"a":\n\n\r\n5\n}OWN', '{"a":\n5},\n', '{"a":\n\ufeff5\n}', 'OWN{"user"', '{"user":"a\nOWN',
    '{"a":[' + "\n5," * 1_100 + "\n5]}OWN",
)
# fmt: on
BETWEEN_PAIRS = ("\n", ",\n", "\n,", ",\r\n\t", ",\n\n \n", ",\n\ufeff ", ", ", ",,")  # in place of the comma


def _value_changes(source: str) -> st.SearchStrategy:
    return st.one_of(
        st.tuples(st.just("value"), st.just(key), st.sampled_from(VALUES[kind])) for key, kind in KINDS[source].items()
    )


def _key_changes(source: str) -> st.SearchStrategy:
    spelling = st.sampled_from(("upper", "lower", "swapcase", "escaped", "spaced", "missing"))
    return st.tuples(st.just("key"), st.sampled_from(list(KINDS[source])), spelling)


def _repetitions(source: str) -> st.SearchStrategy:
    value = st.sampled_from(("OWN", "OWN", "BARE.0", '"BARE"', "null", '"other"', "7"))
    return st.tuples(st.just("again"), st.sampled_from(list(KINDS[source])), value, st.booleans())


def _oddities(source: str) -> st.SearchStrategy:
    """(which record, what is odd about it): several may meet in one record."""
    kinds = (
        *[_value_changes(source)] * 3,
        _key_changes(source),
        _repetitions(source),
        st.tuples(st.just("extra"), st.sampled_from(EXTRA_PAIRS), st.booleans()),
        st.tuples(st.just("between"), st.sampled_from(BETWEEN_PAIRS)),
        st.tuples(st.just("cut"), st.integers(0, 120), st.sampled_from(("", "\n", "\nOWN", "OWN"))),
        *[st.tuples(st.just("line"), st.sampled_from(LINES))] * 4,
    )
    # not one_of, which would take every field's changes for a kind of their own
    return st.tuples(st.integers(0, 40), st.sampled_from(kinds).flatmap(lambda kind: kind))


def _text(record: dict, oddities: list[tuple]) -> str:
    """The record as it stands in its file, with its oddities."""
    pairs = [[key, json.dumps(value, ensure_ascii=False)] for key, value in record.items()]
    before, after, between, cut, surroundings = [], [], ",", None, []
    for what, *how in oddities:
        own = next((pair for pair in pairs if pair[0] == how[0]), None)
        if what == "value" and own:
            own[1] = _filled(how[1], own[1])
        elif what == "value":
            pairs.append([how[0], _filled(how[1], "1")])
        elif what == "key" and own and how[1] == "missing":
            pairs.remove(own)
        elif what == "key" and own:
            own[0] = {
                "upper": str.upper,
                "lower": str.lower,
                "swapcase": str.swapcase,
                "escaped": lambda key: f"\\u{ord(key[0]):04x}{key[1:]}",
                "spaced": "{} ".format,
            }[how[1]](own[0])
        elif what == "again" and own:
            key = own[0].upper() if how[2] else own[0]
            after.append(f'"{key}":{_filled(how[1], own[1])}')
        elif what == "extra":
            (before if how[1] else after).append(how[0])
        elif what == "between":
            between = how[0]
        elif what == "cut":
            cut = how
        elif what == "line":
            surroundings.append(how[0])
    text = "{" + between.join([*before, *(f'"{key}":{value}' for key, value in pairs), *after]) + "}"
    if cut:
        text = text[: -1 - cut[0]] + cut[1].replace("OWN", text)
    for surrounding in surroundings:
        text = surrounding.replace("OWN", text)
    return text


def _filled(form: str, own: str) -> str:
    return form.replace("OWN", own).replace("BARE", own.strip('"'))


def _record(source: str, **ruled: object) -> dict:
    """A record with every described field."""
    return {
        key: ruled.get(key, SAMPLES[kind][0]) for key, kind in KINDS[source].items() if ruled.get(key, "") is not None
    }


def least_record(source: str, **values: object) -> dict:
    """A record with these values, and the other fields that must be there."""
    fields = TABLES[SOURCES[source]].columns
    return {field.key: SAMPLES[field.kind][0] for field in fields if field.required} | values


def _altered(draw: st.DrawFn, source: str, record: dict) -> dict:
    """The record with another value, or none, of one field, which can be any that no rule looks at."""
    key = draw(st.sampled_from([key for key in KINDS[source] if key not in RULED]))
    required = next(field.required for field in TABLES[SOURCES[source]].columns if field.key == key)
    value = draw(st.sampled_from((*SAMPLES[KINDS[source][key]], *(() if required else (None,)))))
    return record | {key: value}


@st.composite
def _records(draw: st.DrawFn) -> dict[str, list[dict]]:
    """Sound records: devices, who claims and who covers them, and what these people agreed to."""
    customers, readings, steps = [], [], []
    instants_of = {who: set() for who in PEOPLE}
    some_people = st.lists(st.sampled_from(PEOPLE), unique=True, max_size=2)
    claims = []
    for serial_number in draw(st.lists(st.sampled_from(SERIAL_NUMBERS), unique=True, min_size=1)):
        owner, rival, *_ = draw(st.permutations(PEOPLE))
        claimants, covering, spans = draw(
            st.sampled_from(
                (
                    ([owner], [owner], (1, 4, 5, 10)),
                    ([owner, rival], [owner], (1, 4, 5, 10)),
                    ([owner, rival], [owner, rival], (4, 5)),
                    ([rival], [owner], (4, 5, 10)),
                    ([rival, *draw(some_people)], [owner], (5, 10)),
                    ([], [owner], (4, 5, 10)),
                    ([owner], [], (1, 5)),
                    (draw(some_people), draw(some_people), (1, 4, 5, 10)),
                )
            )
        )
        claims += [(who, serial_number) for who in claimants]
        first = draw(st.sampled_from(FIRST_INSTANTS))
        instants = range(first, first + draw(st.sampled_from(spans)))
        for who in covering:
            left_out = draw(st.sampled_from((0, 0, 0, 1, 2)))
            instants_of[who].update(instants[left_out:])
        for instant in instants:
            steps.append(_record("step_trainer", sensorReadingTime=instant, serialNumber=serial_number))
    claims += [(who, "other") for who in draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=2))]

    instant = st.integers(100, LAST_INSTANT)
    for who, serial_number in claims:
        agreed = draw(st.sampled_from((1, 1, 1, 1, 1, 103, 124, None, 0)))
        customers.append(_customer(who, serial_number, 10, agreed))
        for updated, again in draw(
            st.lists(st.tuples(st.sampled_from((9, 9, 10, 11)), st.sampled_from((None, 0, 1, 2, 103))), max_size=1)
        ):
            customer = _customer(draw(st.sampled_from(SPELLINGS))(who), serial_number, updated, again)
            customers.append(_altered(draw, "customer", customer))
    for who in PEOPLE:
        if not draw(st.booleans()):
            instants_of[who].update(draw(st.lists(instant, max_size=3)))
        readings += [_record("accelerometer", user=who, timestamp=instant) for instant in sorted(instants_of[who])]
        if instants_of[who] and draw(st.booleans()):
            # the same instant again: as another spelling of the person, or with other values
            copied = draw(st.sampled_from(readings))
            readings.append(copied | {"user": draw(st.sampled_from(SPELLINGS))(copied["user"])})
            readings += [_altered(draw, "accelerometer", copied) for _ in range(2)]
    if steps:
        for step in draw(st.lists(st.sampled_from(steps), max_size=3)):
            steps.append(_altered(draw, "step_trainer", step))
    others = {source: [] for source in SOURCES if source not in ("customer", "accelerometer", "step_trainer")}
    for source, records in others.items():
        for who in draw(st.lists(st.sampled_from(PEOPLE), max_size=4)):
            record = _record(source, user=draw(st.sampled_from(SPELLINGS))(who), email=who, timestamp=draw(instant))
            records += [record, _altered(draw, source, record)]
    return {"customer": customers, "accelerometer": readings, "step_trainer": steps} | others


def _customer(email: str, serial_number: str, updated: int, agreed: int | None) -> dict:
    consent = {"shareWithResearchAsOfDate": agreed}
    return _record("customer", email=email, serialNumber=serial_number, lastUpdateDate=updated, **consent)


# (name, what is done to the file's bytes)
FILES = (
    ("a.json", bytes),
    ("b", lambda content: content.rstrip(b"\n")),
    ("day=1/c d%20é.json", lambda content: content.replace(b"\n", b"\r\n")),
    ("e.json", lambda content: b"\xef\xbb\xbf" + content),
    ("f/g.json.gz", lambda content: gzip.compress(content)),
    ("h.gz", lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]) + b"\0\0"),
    ("cut.gz", lambda content: gzip.compress(content)[: -len(content) // 20 - 3]),
    ("checksum.gz", lambda content: gzip.compress(content)[:-8] + b"nonsense"),
    ("no.gz", bytes),
    ("empty.gz", lambda content: b""),
    ("empty.json", lambda content: b""),
    ("utf16.json", lambda content: content.decode(errors="replace").encode("utf-16")),
    ("_hidden.json", bytes),
    ("_hidden/i.json", bytes),
    (".hidden/j.json", bytes),
)
SOUND = [file for file in FILES if file[0] in ("a.json", "b", "day=1/c d%20é.json", "e.json", "f/g.json.gz", "h.gz")]


@st.composite
def deliveries(draw: st.DrawFn) -> dict[str, bytes]:
    """{path below the landing directory: bytes}; now and then a source delivers nothing."""
    files = {}
    for source, records in draw(_records()).items():
        if draw(st.integers(0, 19)) == 0:
            continue
        oddities = draw(st.lists(_oddities(source), max_size=12 if records else 0))
        texts = [
            _text(record, [how for which, how in oddities if which % len(records) == number])
            for number, record in enumerate(draw(st.permutations(records)))
        ]
        layout = draw(st.lists(st.sampled_from(SOUND), unique=True, min_size=1, max_size=3))
        for number, (name, form) in enumerate(layout):
            lines = "".join(text + "\n" for text in texts[number :: len(layout)])
            files[f"{source}/{name}"] = form(lines.encode(errors="surrogateescape"))
        for name, form in draw(st.lists(st.sampled_from(FILES), unique=True, max_size=1)):
            again = "".join(text + "\n" for text in texts[:3])
            files.setdefault(f"{source}/{name}", form(again.encode(errors="surrogateescape")))
    return files


def write(delivery: dict[str, bytes], directory: Path) -> None:
    """Put a delivery into a directory."""
    for path, content in delivery.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
