"""Small tools for trees of SQL: what type a value has, and how DuckDB's SQL is put together."""

import functools

import sqlglot
from sqlglot import exp

from local_aws.athena.errors import END_OF_MESSAGE, NotSupported

Types = set[exp.DType] | frozenset[exp.DType]

INTEGERS = frozenset(exp.DataType.SIGNED_INTEGER_TYPES)
REAL = frozenset({exp.DType.FLOAT})
FLOATS = frozenset({exp.DType.FLOAT, exp.DType.DOUBLE})
DECIMALS = frozenset({exp.DType.DECIMAL})
TEXTS = frozenset(exp.DataType.TEXT_TYPES)
TIMESTAMPS = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ})
TIMES = TIMESTAMPS | {exp.DType.DATE}
ARRAYS = frozenset({exp.DType.ARRAY, exp.DType.LIST})
NESTED = ARRAYS | {exp.DType.MAP, exp.DType.STRUCT}

_FAMILIES = {
    **dict.fromkeys(INTEGERS | FLOATS | DECIMALS, "number"),
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(TIMES, "time"),
    **dict.fromkeys(ARRAYS, "array"),
    exp.DType.BOOLEAN: "boolean",
    exp.DType.MAP: "map",
    exp.DType.JSON: "json",
}
_TRINO_NAMES = {"INT": "integer", "TEXT": "varchar", "FLOAT": "real", "TIMESTAMPTZ": "timestamp with time zone"}
_WRAPPERS = exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls


def has_type(node: exp.Expr, types: Types) -> bool:
    """Whether a value's type is known to be one of these."""
    return node.type is not None and node.type.this in types


def require_type(node: exp.Expr, what: str) -> exp.Expr:
    """The node itself; raises ``NotSupported`` where its type is not known."""
    if node.type is None or node.type.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        raise NotSupported(f"{what} on a value whose type is not evident (cast it)")
    return node


def family(node: exp.Expr | None) -> str | None:
    """What a value is, as far as a comparison cares; None if unknown (or NULL)."""
    return None if node is None or isinstance(node, exp.Interval) else type_family(node.type)


def type_family(kind: exp.DataType | None) -> str | None:
    """The same of a type."""
    return None if kind is None else _FAMILIES.get(kind.this)


def array_depth(kind: exp.DataType | None) -> int:
    """How many arrays are in one another: 2 for array(array(integer)), 0 for what is no array."""
    if kind is None or kind.this not in ARRAYS:
        return 0
    return 1 + (array_depth(kind.expressions[0]) if kind.expressions else 0)


def element_type(node: exp.Expr) -> exp.DataType | None:
    """The type of an array's elements, None if unknown."""
    inner = node.type.expressions[0] if node.type is not None and node.type.expressions else None
    return inner if isinstance(inner, exp.DataType) else None


def type_name(node: exp.Expr) -> str:
    """A value's type as Trino's messages name it."""
    assert node.type is not None
    if isinstance(node, exp.Literal) and node.is_string:
        return f"varchar({len(node.this)})"
    return _TRINO_NAMES.get(node.type.this.name, node.type.sql(dialect="athena").lower())


def inside_try(node: exp.Expr) -> bool:
    """Whether a failure of this node is caught by TRY."""
    return node.find_ancestor(exp.Try) is not None


def duck(sql: str, **parts: exp.Expr) -> exp.Expr:
    """DuckDB SQL with parts put in for :names."""
    return _parsed(sql).transform(
        lambda node: parts[node.name].copy() if isinstance(node, exp.Placeholder) and node.name in parts else node
    )


@functools.cache
def _parsed(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read="duckdb")


def call(function: str, *arguments: exp.Expr | str | int) -> exp.Expr:
    """A call of one of DuckDB's functions."""
    expressions = [exp.convert(a) if not isinstance(a, exp.Expr) else a.copy() for a in arguments]
    return exp.Anonymous(this=function, expressions=expressions)


def typed(node: exp.Expr, kind: exp.DataType | str | None) -> exp.Expr:
    """The node, its type (where known) noted for the rules of the nodes around it."""
    node.type = None if kind is None else exp.DataType.build(kind).copy()
    return node


def message(text: str) -> exp.Expr:
    """An error's text, as the engine finds it again in DuckDB's own message."""
    return exp.Literal.string(text + END_OF_MESSAGE)


def failure(text: str, kind: exp.DataType | str = "bigint") -> exp.Expr:
    """A value whose computation fails the query with this text: for a branch (THEN) of this type.

    A CAST that fails rather than ``error()``, which DuckDB holds volatile and computes where no branch leads to it.
    """
    return exp.cast(message(text), kind)


def aggregate(node: exp.Expr) -> exp.Expr | None:
    """The aggregate that ``node`` is, below its OVER and FILTER; None where more of these are still around it."""
    if isinstance(node.parent, _WRAPPERS) and node.arg_key == "this":
        return None
    while isinstance(node, _WRAPPERS):
        node = node.this
    return node
