"""Athena's JSON functions as Trino has them: they read a text from its begin (with Jackson), and only as far as needed.

So the value of ``$.a`` is found in ``{"a": 1, and more``. DuckDB calls these functions where its own differ.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import duckdb

from local_aws.athena.values import double_text

#: The names of the functions that ``register`` adds to DuckDB begin so.
PREFIX = "athena_json_"
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE])")
_LITERAL = re.compile(r"(?:true|false|null)(?![\w$])")
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_BEYOND = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class NotJson(ValueError):
    """The text is not JSON, as far as it was read."""


class TooDeep(RuntimeError):
    """Trino reads what Python cannot."""


class Number(str):
    """A number, as the text it was written as."""


def _pairs(pairs: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple(pairs)


def _constant(name: str) -> None:
    raise NotJson(name)


#: Gives an object as a tuple of pairs, since keys may repeat; an array as a list.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=Number, parse_int=Number, parse_constant=_constant, strict=True
)


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins there, and where it ends."""
    kind = text[at : at + 1]
    if kind and kind in '{["':
        try:
            return _DECODER.raw_decode(text, at)
        except RecursionError:
            raise TooDeep("NOT_SUPPORTED: JSON nested so deep is not supported by the local Athena") from None
        except ValueError as error:
            raise NotJson(str(error)) from None
    if match := _NUMBER.match(text, at):
        return Number(match[0]), match.end()
    if match := _LITERAL.match(text, at):
        return {"true": True, "false": False, "null": None}[match[0]], match.end()
    raise NotJson(f"no value at {at}")


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _root(text: str) -> int:
    """Where the text's value begins."""
    at = _skip_space(text, 0)
    if (match := _NUMBER.match(text, at)) and text[match.end() : match.end() + 1].strip(" \t\r\n"):
        raise NotJson("no space behind a number")
    return at


def _whole(text: str) -> Any:
    """The value of a text that holds nothing else."""
    value, end = _value(text, _root(text))
    if _skip_space(text, end) < len(text):
        raise NotJson("more than one value")
    return value


def _find(text: str, path: str) -> int | None:
    """Where the value at the path begins, None if there is none."""
    at = _root(text)
    for step in _steps(path):
        found = next((begin for key, begin in _members(text, at) if key == step), None)
        if found is None:
            return None
        at = found
    return at


@lru_cache(maxsize=100)
def _steps(path: str) -> list[str]:
    steps: list[str] = json.loads(path)
    return steps


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Each key of the object or index of the array, and where its value begins; read only as far as it is asked for."""
    kind = text[at : at + 1]
    if kind not in ("{", "["):
        raise NotJson("neither object nor array")
    end, number = "}" if kind == "{" else "]", 0
    at = _skip_space(text, at + 1)
    if text.startswith(end, at):
        return
    while True:
        key = str(number)
        if kind == "{":
            if not text.startswith('"', at):
                raise NotJson(f"no name at {at}")
            key, at = _value(text, at)
            at = _skip_space(text, at)
            if not text.startswith(":", at):
                raise NotJson(f"no colon at {at}")
            at = _skip_space(text, at + 1)
        yield key, at
        at = _skip_space(text, _value(text, at)[1])
        if text.startswith(end, at):
            return
        if not text.startswith(",", at):
            raise NotJson(f"no comma at {at}")
        at, number = _skip_space(text, at + 1), number + 1


# --- how values are written ---


def _string(text: str) -> str:
    """A string of Java's, whose lone surrogates are written as ?."""
    if not _BEYOND.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "?")


def _quoted(text: str, ascii_beyond: bool) -> str:
    escaped = _ESCAPED.sub(lambda match: _SHORT.get(match[0], f"\\u{ord(match[0]):04X}"), text)
    if ascii_beyond:  # as Jackson writes to a stream of bytes
        escaped = _BEYOND.sub(_surrogates, escaped)
    return f'"{escaped if ascii_beyond else _string(escaped)}"'


def _surrogates(match: re.Match[str]) -> str:
    pair = match[0].encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(f"\\u{pair[i : i + 4]}" for i in range(0, len(pair), 4))


def _written(value: Any, *, sort: bool = False, ascii_beyond: bool = True) -> str:
    """The value as Jackson writes it; ``sort``: as a map, with keys in order, the last of equal ones."""
    if isinstance(value, Number):
        if not any(mark in value for mark in ".eE"):
            return "0" if value == "-0" else str(value)
        number = double_text(float(value))
        return number if number[-1] != "y" else f'"{number}"'  # infinity
    if isinstance(value, str):
        return _quoted(value, ascii_beyond)
    if isinstance(value, list):
        return "[" + ",".join(_written(item, sort=sort, ascii_beyond=ascii_beyond) for item in value) + "]"
    if isinstance(value, tuple):
        members = value
        if sort:
            members = tuple(sorted(dict(value).items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass")))
        return (
            "{"
            + ",".join(
                f"{_quoted(key, ascii_beyond)}:{_written(item, sort=sort, ascii_beyond=ascii_beyond)}"
                for key, item in members
            )
            + "}"
        )
    return {True: "true", False: "false", None: "null"}[value]


# --- the functions ---


def _extract_scalar(text: str, path: str) -> str | None:
    at = _find(text, path)
    return None if at is None else _scalar(_value(text, at)[0] if text[at : at + 1] not in ("{", "[") else None)


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, list | tuple):
        return None
    return str(value).lower() if isinstance(value, bool) else _string(str(value))


def _extract(text: str, path: str) -> str | None:
    at = _find(text, path)
    return None if at is None else _written(_value(text, at)[0])


def _size(text: str, path: str) -> int | None:
    at = _find(text, path)
    if at is None:
        return None
    if text.startswith('"', at):
        return 0  # without a look at its end
    value, _ = _value(text, at)
    return len(value) if isinstance(value, list | tuple) else 0


def _array_length(text: str) -> int | None:
    at = _root(text)
    return len(_value(text, at)[0]) if text.startswith("[", at) else None


def _array_get(text: str, index: int) -> str | None:
    at = _root(text)
    if not text.startswith("[", at):
        return None
    if index >= 0:
        found = _find(text, json.dumps([str(index)]))
        value = None if found is None else _value(text, found)[0]
    else:
        values = _value(text, at)[0]
        value = values[index] if -index <= len(values) else None
    return _written(value) if isinstance(value, list | tuple) else _scalar(value)


def _parse(text: str) -> str:
    try:
        return _written(_whole(text), sort=True)
    except NotJson:
        raise ValueError(f"INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON: '{text}'") from None


def _is_scalar(text: str) -> bool:
    try:
        return not isinstance(_whole(text), list | tuple)
    except NotJson:
        raise ValueError(f"INVALID_FUNCTION_ARGUMENT: Invalid JSON value: {text}") from None


def _to_map(text: str) -> dict[str, str] | None:
    value = _cast(text, "map(varchar, json)", tuple, "object")
    if value is None:
        return None
    if len(dict(value)) < len(value):
        raise ValueError("INVALID_CAST_ARGUMENT: Cannot cast to map(varchar, json). Duplicate keys are not allowed")
    return {_string(key): _element(item) for key, item in value}


def _to_array(text: str) -> list[str] | None:
    value = _cast(text, "array(json)", list, "array")
    return None if value is None else [_element(item) for item in value]


def _element(value: Any) -> str:
    """A part of a JSON value, taken as a map before: of equal keys the last counts."""
    return _written(_without_repeated(value), ascii_beyond=False)


def _without_repeated(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple((key, _without_repeated(item)) for key, item in dict(value).items())
    return [_without_repeated(item) for item in value] if isinstance(value, list) else value


def _to_text(text: str) -> str | None:
    value = _cast(text, "varchar", str | bool, "scalar")
    if isinstance(value, Number) and any(mark in value for mark in ".eE"):
        raise ValueError("NOT_SUPPORTED: CAST of a double to varchar is not supported by the local Athena")
    return _scalar(value)


def _cast(text: str, target: str, kind: Any, name: str) -> Any:
    try:
        value = _whole(text)
    except NotJson:
        raise ValueError(f"INVALID_CAST_ARGUMENT: Cannot cast to {target}: {text}") from None
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"INVALID_CAST_ARGUMENT: Cannot cast to {target}. Expected a json {name}: {text}")
    return value


def _or_null(function: Callable[..., Any], error: type[ValueError]) -> Callable[..., Any]:
    """The function, which gives NULL for what it fails on."""

    def safe(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except error:
            return None

    return safe


_FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "extract_scalar": (_or_null(_extract_scalar, NotJson), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "extract": (_or_null(_extract, NotJson), ["VARCHAR", "VARCHAR"], "JSON"),
    "size": (_or_null(_size, NotJson), ["VARCHAR", "VARCHAR"], "BIGINT"),
    "array_length": (_or_null(_array_length, NotJson), ["VARCHAR"], "BIGINT"),
    "array_get": (_or_null(_array_get, NotJson), ["VARCHAR", "BIGINT"], "JSON"),
    "parse": (_parse, ["VARCHAR"], "JSON"),
    "is_scalar": (_is_scalar, ["VARCHAR"], "BOOLEAN"),
    "to_map": (_to_map, ["VARCHAR"], "MAP(VARCHAR, JSON)"),
    "to_array": (_to_array, ["VARCHAR"], "JSON[]"),
    "to_text": (_to_text, ["VARCHAR"], "VARCHAR"),
}


def _of_values(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """The function with so many parameters, as DuckDB asks for; it gives NULL for NULL."""
    if count == 1:
        return lambda value: None if value is None else function(value)
    return lambda value, other: None if value is None or other is None else function(value, other)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Adds the functions to DuckDB, each also as ``try_…``, which gives NULL for what it fails on."""
    for name, (function, types, result) in _FUNCTIONS.items():
        for prefix, called in (("", function), ("try_", _or_null(function, ValueError))):
            called, full_name = _of_values(called, len(types)), f"{PREFIX}{prefix}{name}"
            connection.create_function(full_name, called, types, result, null_handling="special")  # type: ignore[call-overload]
