"""Quotes what goes into DuckDB's SQL; apart, since the engine and the reader of JSON both need it."""


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A quoted SQL identifier."""
    return '"' + value.replace('"', '""') + '"'
