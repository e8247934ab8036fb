"""The lines of a file become JSON objects, one line after the other."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lakehouse.landing.values import WHITE, Object, complete_value
from lakehouse.tables import LINE_TOO_LONG

BYTE_ORDER_MARK = "\ufeff"
_FOLLOWING_LINES = 1_000  # at most so many lines continue an object after the one on which it starts
#: Athena fails at a row of more than 32 MB (Athena User Guide, "Considerations and limitations for SQL queries").
LONGEST_LINE = 32_000_000

_white = re.compile(f"[{WHITE}]*")
_white_and_commas = re.compile(f"[{WHITE},]*")


class Line(NamedTuple):
    """A line of a file, without its line feed."""

    number: int  # from 1
    text: str
    problem: str | None = None  # the reason to reject it as a whole
    unusual: bool = False  # a plain reader of JSON lines does not find the objects on it


class Piece(NamedTuple):
    """A part of a file that is one record: an object, or rejected."""

    position: int  # number of the line on which it starts
    object: Object | None
    reason: str | None = None
    repaired: bool = False  # a plain reader of JSON lines would read it otherwise, or not at all


def line_of(number: int, raw: bytes) -> Line:
    """The line with these bytes."""
    # For Athena, a carriage return ends a line too.
    if len(raw) > LONGEST_LINE and any(len(part) > LONGEST_LINE for part in raw.split(b"\r")):
        return Line(number, "", LINE_TOO_LONG)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Line(number, "", "not_utf8")
    return Line(number, text, unusual=text.startswith(BYTE_ORDER_MARK) or "\r" in text[:-1])


def pieces(lines: Iterable[Line | None]) -> Iterator[Piece | None]:
    """The records on the lines of one file, in their order. A None among the lines stands for lines that are read
    elsewhere, each of them a whole object; it comes out again, in its place."""
    ahead = _LinesAhead(lines)
    for line in ahead:
        if line is None:
            yield None
            continue
        if line.problem:
            yield Piece(line.number, None, line.problem)
            continue
        at, repaired = _start(line.text), line.unusual
        while at < len(line.text):
            found = _object(line, at, ahead)
            if found is None:
                reason = "not_an_object" if _is_a_value(line.text[at:]) else "not_json"
                yield Piece(line.number, None, reason)
                break
            pairs, last, end = found
            comma = last.text.startswith(",", _skip(_white, last.text, end))
            yield Piece(line.number, pairs, repaired=repaired or comma or last is not line)
            line, at, repaired = last, _skip(_white_and_commas, last.text, end), True


class _LinesAhead:
    """The lines of a file, which can be looked at before they are taken."""

    def __init__(self, lines: Iterable[Line | None]) -> None:
        self._lines = iter(lines)
        self._seen: deque[Line | None] = deque()

    def __iter__(self) -> Iterator[Line | None]:
        return self

    def __next__(self) -> Line | None:
        return self._seen.popleft() if self._seen else next(self._lines)

    def continuing(self, most: int) -> list[Line]:
        """The next lines, ``most`` of them at most, up to one with which an object cannot go on."""
        found: list[Line] = []
        while len(found) < most:
            if len(found) == len(self._seen):
                try:
                    self._seen.append(next(self._lines))
                except StopIteration:
                    break
            line = self._seen[len(found)]
            if line is None or line.problem or line.text.startswith("{", _start(line.text)):
                break
            found.append(line)
        return found

    def take(self, lines: int) -> None:
        """Takes so many of those lines."""
        for _ in range(lines):
            self._seen.popleft()


def _object(line: Line, at: int, ahead: _LinesAhead) -> tuple[Object, Line, int] | None:
    """The object that starts there, the line on which it ends, and where on that line. Takes the lines up to it."""
    if not line.text.startswith("{", at):
        return None
    if found := complete_value(line.text, at):
        return found[0], line, found[1]
    rest, tried = line.text[at:], 0
    while tried < _FOLLOWING_LINES:
        # Twice as many lines each time, so that an object takes no more than a few times as long as its lines.
        following = ahead.continuing(min(2 * tried or 1, _FOLLOWING_LINES))
        if len(following) == tried:
            return None
        tried = len(following)
        text = "\n".join((rest, *(line.text for line in following)))
        found = complete_value(text.replace("\n" + BYTE_ORDER_MARK, "\n "), 0)
        if found and (taken := text.count("\n", 0, found[1])):
            ahead.take(taken)
            return found[0], following[taken - 1], found[1] - text.rindex("\n", 0, found[1]) - 1
    return None


def _start(text: str) -> int:
    """Where a line's text starts, after a byte-order mark and white space."""
    return _skip(_white, text, text.startswith(BYTE_ORDER_MARK))


def _skip(characters: re.Pattern[str], text: str, at: int) -> int:
    found = characters.match(text, at)
    return found.end() if found else at


def _is_a_value(rest: str) -> bool:
    """Whether the rest of a line is one JSON value, with or without a comma after it."""
    rest = rest.rstrip(WHITE).removesuffix(",").rstrip(WHITE)
    found = complete_value(rest, 0)
    return found is not None and found[1] == len(rest)
