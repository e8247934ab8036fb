"""Reads one JSON text as leniently as the OpenX JSON SerDe does (its parser descends from org.json).

It accepts what strict parsers refuse: text after the object, unquoted or single-quoted strings, ``=`` and ``=>`` for
``:``, ``;`` for ``,``, comments, empty array places; of keys that differ only in case the last one counts.
"""

import json
import re
from typing import Any

_LITERAL_END = re.compile(r"[ \r\n\t\f{}\[\]/\\:,=;#]")
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "v": "\v"}
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


class Malformed(ValueError):
    """The text is not JSON, not even to the SerDe; its text says where."""


class _Number(str):
    """A number, as the text it was written as."""


def strict_json(text: str, columns: list[str]) -> str:
    """The same object as strict JSON with keys in lower case, or an object of ``columns`` with the elements of an
    array; raises ``Malformed``."""
    value = _Reader(text).value()
    return _json(dict(zip(columns, value, strict=False)) if isinstance(value, list) else value)


def _json(value: Any) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def value(self) -> Any:
        token = self.token()
        if token == "":
            raise self.malformed("End of input")
        if token == "{":
            return self.object()
        if token == "[":
            return self.array()
        if token in "'\"":
            return self.string(token)
        self.at -= 1
        return self.literal()

    def object(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first = self.token()
        if first == "}":
            return result
        self.at -= bool(first)
        while True:
            name = self.value()
            if isinstance(name, bool):
                name = str(name).lower()
            if not isinstance(name, str):
                raise self.malformed("A name must be a string")
            separator = self.token()
            if separator not in (":", "="):
                raise self.malformed(f"Expected ':' after {name}")
            if separator == "=" and self.text.startswith(">", self.at):
                self.at += 1
            result.pop(name.lower(), None)
            result[name.lower()] = self.value()
            end = self.token()
            if end == "}":
                return result
            if end not in (",", ";"):
                raise self.malformed("Unterminated object")

    def array(self) -> list[Any]:
        result: list[Any] = []
        separated = False
        while True:
            token = self.token()
            if token == "":
                raise self.malformed("Unterminated array")
            if token == "]":
                return [*result, None] if separated else result
            if token in ",;":
                result.append(None)
                separated = True
                continue
            self.at -= 1
            result.append(self.value())
            token = self.token()
            if token == "]":
                return result
            if token not in (",", ";"):
                raise self.malformed("Unterminated array")
            separated = True

    def string(self, quote: str) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return "".join(parts)
            parts.append(self.escape() if char == "\\" else char)
        raise self.malformed("Unterminated string")

    def escape(self) -> str:
        if self.at == len(self.text):
            raise self.malformed("Unterminated escape sequence")
        char = self.text[self.at]
        self.at += 1
        if char != "u":
            return _ESCAPES.get(char, char)
        digits = self.text[self.at : self.at + 4]
        if not re.fullmatch("[0-9a-fA-F]{4}", digits):
            raise self.malformed("Invalid escape sequence")
        self.at += 4
        return chr(int(digits, 16))

    def literal(self) -> Any:
        end = _LITERAL_END.search(self.text, self.at)
        word = self.text[self.at : end.start() if end else len(self.text)]
        self.at += len(word)
        if not word:
            raise self.malformed("Expected a value")
        if word.lower() == "null":
            return None
        if word in ("true", "false"):
            return word == "true"
        return _Number(word) if _JSON_NUMBER.fullmatch(word) else word

    def token(self) -> str:
        """The next character that is neither space nor comment; empty at the end."""
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char in "\t \n\r":
                continue
            if char == "#" or (char == "/" and self.text.startswith("/", self.at)):
                self.at = len(self.text)  # a comment to the end of the line, and a record is one line
                continue
            if char == "/" and self.text.startswith("*", self.at):
                end = self.text.find("*/", self.at + 1)
                if end < 0:
                    raise self.malformed("Unterminated comment")
                self.at = end + 2
                continue
            return char
        return ""

    def malformed(self, what: str) -> Malformed:
        return Malformed(f"{what} at character {self.at}")
