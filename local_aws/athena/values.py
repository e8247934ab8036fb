"""How Athena prints values: every value of a result reaches the client as text."""

import datetime as dt
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from duckdb.sqltypes import DuckDBPyType

Formatter = Callable[[Any], str | None]

BIGINT_RANGE = range(-(2**63), 2**63)

#: DuckDB's type -> Athena's type, precision, scale, as GetQueryResults describes a column.
_ATHENA_TYPES = {
    "boolean": ("boolean", 0, 0),
    "tinyint": ("tinyint", 3, 0),
    "smallint": ("smallint", 5, 0),
    "integer": ("integer", 10, 0),
    "bigint": ("bigint", 19, 0),
    "ubigint": ("bigint", 19, 0),
    "hugeint": ("bigint", 19, 0),
    "float": ("float", 17, 0),
    "double": ("double", 17, 0),
    "varchar": ("varchar", 2147483647, 0),
    "json": ("json", 0, 0),
    "blob": ("varbinary", 1073741824, 0),
    "date": ("date", 0, 0),
    "timestamp": ("timestamp", 3, 0),
    "timestamp with time zone": ("timestamp with time zone", 3, 0),
    "list": ("array", 0, 0),
    "array": ("array", 0, 0),
    "map": ("map", 0, 0),
    "struct": ("row", 0, 0),
    '"null"': ("unknown", 0, 0),
}


class UnprintableType(Exception):
    """The result has a type that the local Athena cannot print as Athena does; its text names the type."""


def column_info(name: str, duck_type: DuckDBPyType) -> dict[str, Any]:
    """One column as ``ResultSetMetadata.ColumnInfo`` describes it; raises ``UnprintableType``."""
    if str(duck_type) == "JSON":
        return _info(name, *_ATHENA_TYPES["json"])
    if duck_type.id == "decimal":
        (_, precision), (_, scale) = duck_type.children
        return _info(name, "decimal", precision, scale)
    if duck_type.id in _ATHENA_TYPES:
        return _info(name, *_ATHENA_TYPES[duck_type.id])
    raise UnprintableType(str(duck_type))


def text_column_info(name: str) -> dict[str, Any]:
    """The same of a column of SHOW and DESCRIBE."""
    return _info(name, "string", 0, 0)


def _info(name: str, kind: str, precision: Any, scale: Any) -> dict[str, Any]:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind in ("varchar", "string"),
    }


def double_text(value: float, digits: str | None = None) -> str:
    """A double as Java prints it: 1.0, 1.0E10, 1.5E-5, NaN, Infinity. ``digits``: its shortest form, if known."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = digits or repr(value)
        plain = f"{Decimal(text):f}"
        return plain if "." in plain else plain + ".0"
    mantissa = Decimal(digits or repr(value)).normalize()
    sign, figures, exponent = mantissa.as_tuple()
    fraction = "".join(map(str, figures[1:])) or "0"
    return f"{'-' if sign else ''}{figures[0]}.{fraction}E{int(exponent) + len(figures) - 1}"


def _float_text(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return double_text(value)
    for precision in range(1, 10):  # the shortest text that is the same 32-bit float
        digits = f"{value:.{precision}g}"
        if struct.pack("f", float(digits)) == struct.pack("f", value):
            break
    return double_text(value, digits)


def _time_text(value: dt.datetime) -> str:
    # Athena prints milliseconds; what has microseconds (Iceberg's timestamps can) keeps them.
    fraction = f"{value.microsecond:06d}"
    return value.strftime("%Y-%m-%d %H:%M:%S.") + (fraction[:3] if fraction.endswith("000") else fraction)


def _bigint_text(value: int) -> str:
    if value not in BIGINT_RANGE:
        raise OverflowError(f"NUMERIC_VALUE_OUT_OF_RANGE: bigint overflow: {value}")
    return str(value)


def formatter(duck_type: DuckDBPyType) -> Formatter:
    """The function that prints a DuckDB value of this type; None for NULL. Raises ``UnprintableType``."""
    plain = _formatter(duck_type)
    return lambda value: None if value is None else plain(value)


def _formatter(duck_type: DuckDBPyType) -> Callable[[Any], str]:
    kind: str = duck_type.id
    if kind == "varchar":
        return str
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind in ("tinyint", "smallint", "integer", "bigint"):
        return str
    if kind in ("ubigint", "hugeint"):
        return _bigint_text
    if kind == "double":
        return double_text
    if kind == "float":
        return _float_text
    if kind == "decimal":
        return lambda value: f"{value:f}"
    if kind == "date":
        return dt.date.isoformat
    if kind == "timestamp":
        return _time_text
    if kind == "timestamp with time zone":
        return lambda value: _time_text(value.astimezone(dt.UTC)) + " UTC"
    if kind == "blob":
        return lambda value: value.hex(" ")
    if kind == '"null"':
        return str
    if kind in ("list", "array"):
        item = _nested(duck_type.children[0][1])
        return lambda value: "[" + ", ".join(map(item, value)) + "]"
    if kind == "map":
        key, item = (_nested(child) for _, child in duck_type.children)
        return lambda value: "{" + ", ".join(f"{key(k)}={item(v)}" for k, v in value.items()) + "}"
    if kind == "struct":
        fields = [(name, _nested(child)) for name, child in duck_type.children]
        return lambda value: _row_text(fields, value)
    raise UnprintableType(str(duck_type))


def _nested(duck_type: Any) -> Callable[[Any], str]:
    plain = _formatter(duck_type)
    return lambda value: "null" if value is None else plain(value)


def _row_text(fields: list[tuple[Any, Callable[[Any], str]]], value: Any) -> str:
    if isinstance(value, tuple):  # a row without field names
        return (
            "{"
            + ", ".join(f"field{i}={text(v)}" for i, ((_, text), v) in enumerate(zip(fields, value, strict=True)))
            + "}"
        )
    return "{" + ", ".join(f"{name}={text(value[name])}" for name, text in fields) + "}"


def csv_line(values: list[str | None]) -> str:
    """One line of a result file: every value quoted, NULL as nothing."""
    return ",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in values) + "\n"
