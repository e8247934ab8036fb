"""Simple lines are read many at a time, as they would be one by one."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from landing_files import CUSTOMER, READING, STEP, read_rows

from lakehouse.landing.files import FileReader
from lakehouse.tables import LANDING_TABLES, TABLES, Column, columns

LINES = {
    "accelerometer_landing": READING,
    "step_trainer_landing": STEP,
    "customer_landing": CUSTOMER.replace("{", '{"customerName":"Ada B. Lovelace","phone":"+1 (555) 0100",')
    + ',"registrationDate":1655553600000,"shareWithResearchAsOfDate":1655553600000,"shareWithFriendsAsOfDate":0}',
}
NUMBERS = """1 0 -0 -0.0 -1 1.0 1.5 1e3 1e-3 5e-324 1e308 1e400 01 +1 .5 1. 99999999999999 253402300799999
    253402300800000 999999999 1000000000 2147483648 9999999999999999 12345678901234567890 0.30000000000000004"""
OTHERS = r"""null true [] {} NaN Infinity "" "a" "A@x.de" "," ":" "{}" "[]" "\"" "\u0041" "é" "NA" "null" "nan" "1"
    "-0" """
SPACED = ['" "', '"a b"', '" a "', '"\t"', '"\x7f"', '"\\n"']
VALUES = st.sampled_from(NUMBERS.split() + OTHERS.split() + SPACED)


@st.composite
def lines_of(draw, table):
    """One line: plain, or one that differs from a plain one a little or a lot."""
    pairs = [[key, json.dumps(value)] for key, value in json.loads(LINES[table]).items()]
    change = draw(
        st.sampled_from(
            ["none", "none", "value", "null", "key", "twice", "absent", "order", "spaces", "bytes", "other"]
        )
    )
    which = draw(st.sampled_from(pairs))
    comma, colon, begin, end = ",", ":", "", ""
    if change == "value":
        which[1] = draw(VALUES)
    elif change == "null":
        which[1] = "null"
    elif change == "key":
        which[0] = draw(st.sampled_from([which[0].upper(), which[0] + " ", "other", ""]))
    elif change == "twice":
        pairs.append([which[0], draw(VALUES)])
    elif change == "absent":
        pairs.remove(which)
    elif change == "order":
        pairs = draw(st.permutations(pairs))
    elif change == "spaces":
        space = st.sampled_from(["", " ", "\t", "\r", "\xa0", "\ufeff", "\x0b", ","])
        comma, colon, begin, end = f",{draw(space)}", f"{draw(space)}:", draw(space), draw(space)
    line = (begin + "{" + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + "}" + end).encode()
    if change == "bytes":
        at = draw(st.integers(0, len(line) - 1))
        line = line[:at] + draw(st.binary(max_size=2)).replace(b"\n", b"") + line[at + 1 :]
    if change == "other":
        line = draw(
            st.sampled_from([b"", b"{", b"}", b"}{", b'{"a":', b"1}", b"5", b"\xff", b"\xef\xbb\xbf", line + line])
        )
    return line


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_fast_path_and_the_slow_one_read_the_same(data):
    table = data.draw(st.sampled_from(sorted(LANDING_TABLES)))
    lines = data.draw(st.lists(lines_of(table), min_size=1, max_size=12))
    # Enough of them for the fast path, and of two layouts, if the other line is simple.
    plain = [LINES[table].encode(), data.draw(lines_of(table))] * 70
    at = data.draw(st.integers(0, 140))
    content = b"\n".join(plain[:at] + lines + plain[at:] + lines)

    def rows(**options):
        return sorted(map(repr, read_rows(content, table, **options)))

    slow = rows(fast=False)
    assert rows() == slow
    assert rows(batch=data.draw(st.sampled_from([1, 65, 80, 100]))) == slow


def fast_rows(table, *lines):
    """The rows read by the fast path, of a hundred times these lines. Nothing else would notice if there were none."""
    rows = FileReader(table).read("f.json", [pa.array([line.encode() for line in lines] * 100)])
    return [record for row in rows if isinstance(row, pa.RecordBatch) for record in row.to_pylist()]


def test_simple_lines_are_read_by_the_fast_path():
    rows = fast_rows("accelerometer_landing", READING, READING.replace(",", ", ").replace(":", ": ") + "\r")
    assert sorted(row["position"] for row in rows) == list(range(1, 201))
    assert {(row["user"], row["z"]) for row in rows} == {("ada@example.com", 0.0)}


@pytest.mark.parametrize("table", LANDING_TABLES)
@pytest.mark.parametrize("form", ["absent", "null", "all but the required ones absent", "another order"])
def test_optional_fields_do_not_turn_the_fast_path_off(table, form):
    required = {field.key for field in TABLES[table].columns if field.required}
    full = json.loads(LINES[table])
    optional = [key for key in full if key not in required][:1]
    changed = {
        "absent": {key: value for key, value in full.items() if key not in optional},
        "null": full | dict.fromkeys(optional),
        "all but the required ones absent": {key: full[key] for key in required},
        "another order": dict(reversed(full.items())),
    }[form]
    rows = fast_rows(table, json.dumps(full), json.dumps(changed))
    assert sorted(row["position"] for row in rows) == list(range(1, 201))
    for row in rows:
        given = full if row["position"] % 2 else changed
        assert {name: row[name] for name in columns(table)} == {
            field.name: (given.get(field.key) or (None if field.kind == "consent" else given.get(field.key)))
            for field in TABLES[table].columns
        }


def test_a_column_of_any_kind_that_is_added_as_optional_leaves_the_readings_to_the_fast_path(monkeypatch):
    for kind in ("text", "time", "consent", "number", "integer"):
        table = TABLES["accelerometer_landing"]
        column = Column("pulse", kind, "", key="pulse")
        monkeypatch.setitem(TABLES, table.name, replace(table, columns=(*table.columns, column)))
        assert (
            len(
                fast_rows(
                    table.name, READING, READING.replace("}", ',"pulse":"a b"}' if kind == "text" else ',"pulse":7}')
                )
            )
            == 200
        )
        monkeypatch.undo()
