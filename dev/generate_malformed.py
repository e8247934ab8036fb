"""Records as real deliveries damage them: the cases of docs/landing-files.md, and why the record is rejected, if so."""

import json
import random
import re
from collections.abc import Iterable

from dev.generate_records import FIELDS, HOUR, Draws, Record, record
from stedi.tables import Column

#: A text and the reason for which its record is rejected; None where it can be read all the same.
Malformed = tuple[str, str | None]
#: The number of a line, from 1, and the reason for which its record is rejected.
Rejected = tuple[int, str]

# Of a whole record. OWN is its text, SPREAD the same over several lines, CUT its beginning up to the middle of a
# string, and a surrogate a byte that is not UTF-8.
RECORD_MUTATIONS: tuple[Malformed, ...] = (
    (" \tOWN \r", None),
    ("\ufeffOWN", None),
    ("\r\n \t\nOWN", None),
    ("OWN ,", None),
    ("OWN OWN", None),
    ("OWN,OWN", None),
    ("SPREAD", None),
    ("SPREAD,OWN", None),
    ("OWN\udcff", "not_utf8"),
    ("CUT", "not_json"),
    ("CUTOWN", "not_json"),
    ("#!? OWN", "not_json"),
    ("OWN } OWN", "not_json"),
    (",OWN", "not_json"),
    ("[OWN],", "not_an_object"),
    ('"{}"', "not_an_object"),
    ("5", "not_an_object"),
    ("null", "not_an_object"),
)

# Of a value, by the kind of its field. OWN is the value as JSON.
TIME_MUTATIONS: tuple[Malformed, ...] = (
    ("OWN.0", None),
    ("OWNe0", None),
    ('"OWN"', None),
    ('" +OWN.00 "', None),
    ("OWN.5", "not_a_number"),
    ('"yesterday"', "not_a_number"),
    ("[OWN]", "not_a_number"),
    ("253402300800000", "out_of_range"),
    ("-OWN", "negative_time"),
    ("NaN", "not_json"),
)
VALUE_MUTATIONS: dict[str, tuple[Malformed, ...]] = {
    "text": (("true", "not_text"), ("5.5", "not_text"), ('{"a":OWN}', "not_text")),
    "time": TIME_MUTATIONS,
    "consent": (*TIME_MUTATIONS, ("0", None), ('"0"', None)),
    "number": (('"OWN"', None), ("1e400", "out_of_range"), ('"NaN"', "not_a_number"), ("false", "not_a_number")),
    "integer": (("OWN.0", None), ("OWN.5", "not_a_number"), ("2147483648", "out_of_range")),
}


def damaged(source: str, lines: list[str], share: float, rng: random.Random) -> tuple[list[str], list[Rejected]]:
    """The lines of a file with a share of its records malformed, and which of them must be rejected."""
    found, rejected, position = [], [], 1
    for line in lines:
        if rng.random() < share:
            present = json.loads(line)
            field = rng.choice([field for field in FIELDS[source] if field.key in present])
            line, reason = rng.choice(mutations(line, field))
            if reason:
                rejected.append((position, reason))
        found.append(line)
        position += 1 + line.count("\n")
    return found, rejected


def mutations(line: str, field: Column) -> list[Malformed]:
    """Everything that may happen to a record as a whole, and to one of its fields."""
    values = json.loads(line)
    texts = {"OWN": line, "SPREAD": json.dumps(values, indent=1), "CUT": line[: line.rindex('"')]}
    found = [(re.sub("OWN|SPREAD|CUT", lambda name: texts[name[0]], form), why) for form, why in RECORD_MUTATIONS]

    fields = {key: json.dumps(value) for key, value in values.items()}
    key, own = field.key, fields[field.key]
    missing = "missing_field" if field.required else None
    respelled = {"timeStamp" if key == "timestamp" else key.upper(): value for key, value in fields.items()}
    found += [
        (_written([*fields.items(), ("note", f'{{"{key}":[{{}}]}}'), ("note", '"\\u00e9"')]), None),
        (_written(respelled.items()), None),
        (_written([*fields.items(), (key.upper(), own)]), None),
        (_written([*fields.items(), (key, "null")]), "duplicate_key"),
        (_written(pair for pair in fields.items() if pair[0] != key), missing),
    ]
    forms = [("null", missing), ('" \\t"', missing), *VALUE_MUTATIONS.get(field.kind, ())]
    if re.fullmatch('"[1-9][0-9]*"', own):
        forms.append((own.strip('"'), None))  # a phone number as a number
    return found + [(_written((fields | {key: form.replace("OWN", own)}).items()), why) for form, why in forms]


def _written(pairs: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"


def without_owner(source: str, instant: int) -> list[tuple[Record, str | None]]:
    """Records of a device that two people have, neither of whom covers it, and of a device that nobody has; with the
    reason for which they are rejected."""
    two, nobody = "claimed-by-two", "claimed-by-nobody"
    known: dict[str, list[tuple[Record, str | None]]] = {
        "customer": [({"email": f"{who}@example.com", "serialNumber": two}, None) for who in ("one", "another")],
        "accelerometer": [({"user": "one@example.com"}, None)],
        "step_trainer": [
            ({"serialNumber": two, "sensorReadingTime": instant + HOUR}, "owner_ambiguous"),
            ({"serialNumber": nobody, "sensorReadingTime": instant + HOUR}, "owner_unknown"),
        ],
    }
    absent = {field.key: None for field in FIELDS[source] if not field.required}
    return [(record(source, absent | own, instant, Draws(0)), reason) for own, reason in known.get(source, [])]
