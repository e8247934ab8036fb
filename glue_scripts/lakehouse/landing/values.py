"""JSON values become the fields of a record, or the reason why it is rejected: one function for each kind of field."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from lakehouse.tables import TABLES

WHITE = " \t\r"  # JSON's white space within a line
_WHITE_IN_TEXT = WHITE + "\n"
_LAST_TIME = 253_402_300_799_999  # the end of the year 9999

_surrogate = re.compile("[\ud800-\udfff]").search
_digits = re.compile("-?[0-9]+").fullmatch
_number = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?)([0-9]+))?").fullmatch


class RejectedError(Exception):
    """The record cannot be used; the message is the reason, as the quarantine shows it."""


class Number(str):
    """A JSON number as it is written: neither its digits nor its form are lost."""


class Object(list[tuple[str, Any]]):
    """A JSON object as its (key, value) pairs: none of two equal keys is lost."""


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_json_value = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_reject_constant
).raw_decode


def complete_value(text: str, at: int) -> tuple[Any, int] | None:
    """The complete JSON value that starts there, and its end. What is nested too deep for Python's reader (about a
    thousand levels) is taken for no JSON."""
    try:
        return _json_value(text, at)
    except (ValueError, RecursionError):
        return None


# --- kinds of fields: a value, neither null nor blank -> (what it is, whether it took a repair); or RejectedError -----


def _text(value: Any) -> tuple[str, bool]:
    if isinstance(value, Number) and _digits(value):
        return "0" if value == "-0" else str(value), True
    if not isinstance(value, str) or isinstance(value, Number) or _surrogate(value):
        raise RejectedError("not_text")
    return value, False


def _double(value: Any) -> tuple[float, bool]:
    text = value.strip(_WHITE_IN_TEXT) if isinstance(value, str) else ""
    if not _number(text):
        raise RejectedError("not_a_number")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise RejectedError("out_of_range")
    return number + 0.0, not isinstance(value, Number)  # -0.0 + 0.0 is 0.0


def _integer(value: Any) -> tuple[int, bool]:
    return _whole_number(value, -(2**31), 2**31 - 1)


def _time(value: Any) -> tuple[int, bool]:
    return _whole_number(value, 0, _LAST_TIME, below="negative_time")


def _consent(value: Any) -> tuple[int | None, bool]:
    instant, repaired = _time(value)
    return instant or None, repaired


def _whole_number(value: Any, least: int, most: int, below: str = "out_of_range") -> tuple[int, bool]:
    """``below``: the reason to reject what is less than ``least``."""
    scientific = _scientific(value.strip(_WHITE_IN_TEXT)) if isinstance(value, str) else None
    if scientific is None or scientific[2] < 0:
        raise RejectedError("not_a_number")
    negative, digits, exponent = scientific
    if len(digits) + exponent > 20:  # too many to be written out, and too many for any field
        raise RejectedError(below if negative else "out_of_range")
    number = int((digits or "0") + "0" * exponent) * (-1 if negative else 1)
    if not least <= number <= most:
        raise RejectedError(below if number < least else "out_of_range")
    return number, not isinstance(value, Number) or not _digits(value)


def _scientific(number: str) -> tuple[bool, str, int] | None:
    """(negative, digits, exponent) of a number: digits, without zeros at the ends, times ten to the exponent."""
    found = _number(number)
    if not found:
        return None
    sign, whole, fraction, power_sign, power = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return False, "", 0
    # Python refuses to convert thousands of digits; thirty say as much as is needed here.
    exponent = int(power_sign + (power.lstrip("0")[:30] or "0"))
    return sign == "-", significant, exponent - len(fraction) + len(digits) - len(significant)


_KINDS: dict[str, Callable[[Any], tuple[Any, bool]]] = {
    "text": _text,
    "time": _time,
    "consent": _consent,
    "number": _double,
    "integer": _integer,
}


# --- records -------------------------------------------------------------------------------------------------------


class RecordConverter:
    """Turns the objects of one landing table into records."""

    def __init__(self, table: str) -> None:
        fields = TABLES[table].columns
        self._fields = [(field.name, _KINDS[field.kind], field.required) for field in fields]
        self._own_keys = {field.name: field.key for field in fields}

    def values(self, pairs: Object) -> tuple[list[Any], bool]:
        """(the fields' values in their order, whether one was repaired); raises ``RejectedError``."""
        given: dict[str, Any] = {}
        repaired = False
        duplicate = False
        for key, value in pairs:
            column = key.lower()
            own_key = self._own_keys.get(column)
            if own_key is None:
                continue
            repaired |= key != own_key
            if column in given:
                repaired = True
                duplicate |= not _equal(given[column], value)
            else:
                given[column] = value
        if duplicate:
            raise RejectedError("duplicate_key")
        values: list[Any] = []
        for column, convert, required in self._fields:
            value = given.get(column)
            if value is None or (isinstance(value, str) and not value.strip(_WHITE_IN_TEXT)):
                if required:
                    raise RejectedError("missing_field")
                values.append(None)
            else:
                converted, field_repaired = convert(value)
                repaired |= field_repaired
                values.append(converted)
        return values, repaired


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(_comparable(one) == _comparable(other))
    except RecursionError:  # nothing that a known field may hold
        return False


def _comparable(value: Any) -> Any:
    """Equal for JSON values of one type and value, and for no others."""
    match value:
        case Number():
            return "number", _scientific(value)
        case Object():
            return "object", frozenset(Counter((key, _comparable(item)) for key, item in value).items())
        case list():
            return "array", tuple(_comparable(item) for item in value)
        case _:
            return type(value).__name__, value
