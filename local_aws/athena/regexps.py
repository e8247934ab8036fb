"""Athena's regular expressions (Java's syntax), where DuckDB's own (RE2) mean something else or know less.

A pattern is converted for RE2, which is fast, and for Python's ``re``, which has look-around, back-references and
possessive quantifiers. A pattern that neither reads as Athena does is refused.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import duckdb

from local_aws.athena.errors import NotSupported

#: The names of the functions that ``register`` adds to DuckDB begin so.
PREFIX = "athena_regexp_"
_SPACE = r"\t\n\x0b\f\r "
#: Unicode's general categories, which RE2 knows under the same names.
_CATEGORIES = re.compile(r"\{?([LMNPSZC][a-z]?)\}?")
_END = r"(?=\n?\Z)"  # Java's $ also stands before a last line break


class Converted(NamedTuple):
    """A pattern for each engine, None where the engine cannot mean the same."""

    re2: str | None
    python: str | None
    #: Whether the RE2 pattern finds a match where Athena does, but perhaps a longer one.
    only_finds: bool


@lru_cache(maxsize=100)
def convert(pattern: str) -> Converted:
    """The pattern in both engines' words; raises ``NotSupported``."""
    return _Converter(pattern).convert()


class _Converter:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.re2: list[str] = []
        self.python: list[str] = []
        self.for_re2 = self.for_python = True
        self.only_finds = False
        self.multiline = re.search(r"\(\?[is]*m", pattern) is not None

    def convert(self) -> Converted:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            step = {"\\": self.escape, "[": self.character_class, "(": self.group, "$": self.dollar}.get(char)
            if step is not None:
                step()
            elif char in "*+?{":
                self.quantifier()
            else:
                self.same(char)
        if not (self.for_re2 or self.for_python):
            raise self.refused()
        python = "".join(self.python) if self.for_python else None
        if python is not None:
            try:
                re.compile(python, re.ASCII)
            except re.error as error:
                if not self.for_re2:
                    raise self.refused(str(error)) from None
                python = None
        return Converted("".join(self.re2) if self.for_re2 else None, python, self.only_finds)

    def refused(self, why: str = "") -> NotSupported:
        return NotSupported(f"the regular expression {self.pattern}" + (f" ({why})" if why else ""))

    def put(self, taken: int, re2: str | None, python: str | None) -> None:
        """Adds the conversion of the next ``taken`` characters."""
        self.at += taken
        self.re2.append(re2 or "")
        self.python.append(python or "")
        self.for_re2 &= re2 is not None
        self.for_python &= python is not None

    def same(self, text: str) -> None:
        self.put(len(text), text, text)

    def next(self, expression: str) -> re.Match[str] | None:
        return re.compile(expression).match(self.pattern, self.at)

    def dollar(self) -> None:
        if self.multiline:
            self.same("$")
            return
        self.only_finds = True
        last = self.pattern[self.at + 1 : self.at + 2] in ("", ")", "|")
        self.put(1, r"(?:\n?\z)" if last else None, _END)

    def quantifier(self) -> None:
        found = self.next(r"([*+?]|\{(\d+)(,\d*)?\})([?+]?)")
        if not found:
            raise self.refused("a brace that is no quantifier")
        possessive = found[4] == "+"
        large = any(int(number) > 1000 for number in re.findall(r"\d+", found[1]))
        self.put(len(found[0]), None if possessive or large else found[0], found[0])

    def group(self) -> None:
        if not self.pattern.startswith("(?", self.at):
            self.same("(")
        elif self.next(r"\(\?:"):
            self.same("(?:")
        elif found := self.next(r"\(\?(?:<?[=!]|>)"):
            self.put(len(found[0]), None, found[0])
        elif found := self.next(r"\(\?<([a-zA-Z][a-zA-Z0-9]*)>"):
            self.put(len(found[0]), f"(?P<{found[1]}>", f"(?P<{found[1]}>")
        elif found := self.next(r"\(\?[ims]+([:)])"):
            # Python knows flags for the rest of a pattern at its beginning only
            self.put(len(found[0]), found[0], found[0] if self.at == 0 or found[1] == ":" else None)
        else:
            raise self.refused("a group that begins in another way")

    def character_class(self) -> None:
        begin = self.next(r"\[\^?")
        assert begin
        self.same(begin[0])
        if self.pattern[self.at : self.at + 1] == "]":
            raise self.refused("an empty class")
        while (char := self.pattern[self.at : self.at + 1]) != "]":
            if char in ("", "[") or self.pattern.startswith("&&", self.at):
                raise self.refused("a class in a class")
            if char == "\\":
                self.escape(inside=True)
            else:
                self.same(char)
        self.same("]")

    def escape(self, inside: bool = False) -> None:
        char = self.pattern[self.at + 1 : self.at + 2]
        if char in ("s", "S"):
            escaped = _SPACE if inside else f"[{'^' if char == 'S' else ''}{_SPACE}]"
            self.put(2, None if inside and char == "S" else escaped, "\\S" if inside and char == "S" else escaped)
        elif char and (char in "dDwWtnrf" or (char in "bBA" and not inside)):
            self.same("\\" + char)
        elif char and not char.isalnum():
            self.put(2, *(["\\" + char] * 2 if char.isascii() else [char] * 2))
        elif found := self.next(r"\\x[0-9a-fA-F]{2}"):
            self.same(found[0])
        elif found := self.next(r"\\u([0-9a-fA-F]{4})"):
            self.put(6, rf"\x{{{found[1]}}}", found[0])
        elif (found := self.next(r"\\[pP](\{\w+\}|\w)")) and _CATEGORIES.fullmatch(found[1]):
            self.put(len(found[0]), found[0], None)
        elif inside:
            raise self.refused()
        elif char == "z":
            self.put(2, r"\z", r"\Z")
        elif char == "Z":
            self.put(2, None, _END)
        elif found := self.next(r"\\[1-9](?!\d)"):
            self.put(2, None, found[0])
        elif found := self.next(r"\\k<(\w+)>"):
            self.put(len(found[0]), None, f"(?P={found[1]})")
        elif found := self.next(r"(?s)\\Q(.*?)(?:\\E|\Z)"):
            quoted = "".join("\\" + char if char.isascii() and not char.isalnum() else char for char in found[1])
            self.put(len(found[0]), quoted, quoted)
        else:
            raise self.refused()


@lru_cache(maxsize=100)
def _compiled(pattern: str) -> re.Pattern[str]:
    converted = convert(pattern).python
    if converted is None:
        raise NotSupported(f"the regular expression {pattern} in this place")
    return re.compile(converted, re.ASCII)


def _like(text: str, pattern: str) -> bool:
    return _compiled(pattern).search(text) is not None


def _extract(text: str | None, pattern: str | None, group: int | None) -> str | None:
    if text is None or pattern is None or group is None:
        return None
    compiled = _compiled(pattern)
    if not 0 <= group <= compiled.groups:
        raise ValueError(
            f"INVALID_FUNCTION_ARGUMENT: Pattern has {compiled.groups} groups. Cannot access group {group}"
        )
    match = compiled.search(text)
    return match[group] if match else None


def _replace(text: str, pattern: str, replacement: str) -> str:
    template = re.sub(r"\$(\d)", r"\\g<\1>", replacement)
    try:
        return _compiled(pattern).sub(template, text)
    except re.error:
        raise ValueError(f"INVALID_FUNCTION_ARGUMENT: Illegal replacement sequence: {replacement}") from None


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Adds ``athena_regexp_like``, ``_extract`` and ``_replace`` to DuckDB. Costs a load of numpy and pandas."""
    functions: dict[str, tuple[Callable[..., object], list[str], str]] = {
        "like": (_like, ["VARCHAR", "VARCHAR"], "BOOLEAN"),
        "extract": (_extract, ["VARCHAR", "VARCHAR", "INTEGER"], "VARCHAR"),
        "replace": (_replace, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR"),
    }
    for name, (function, arguments, result) in functions.items():
        handling = "special" if name == "extract" else "default"  # only extract gives NULL by itself
        connection.create_function(PREFIX + name, function, arguments, result, null_handling=handling)  # type: ignore[call-overload]
