"""CAST and TRY_CAST: the texts that Trino takes, and no others; what it rounds, cuts or fails on."""

import re

from sqlglot import exp

from local_aws.athena.errors import NotSupported
from local_aws.athena.expressions import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMES,
    TIMESTAMPS,
    call,
    duck,
    family,
    has_type,
    inside_try,
    message,
    type_name,
    typed,
)
from local_aws.athena.rules import json
from local_aws.athena.rules.times import ZONED, precision, rounded, zoned_literal

#: The texts that Trino casts to a type; DuckDB takes more.
_DATE = r"[0-9]{1,5}-[0-9]{1,2}-[0-9]{1,2}"
_WRITTEN = {
    "INTEGER": "[+-]?[0-9]+",
    "BOOLEAN": "(?i)true|t|1|false|f|0",
    "FLOAT": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity",
    "DOUBLE": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity",
    "DECIMAL": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)",
    "DATE": rf"\s*{_DATE}\s*",
    "TIMESTAMP": rf"{_DATE}( [0-9]{{1,2}}:[0-9]{{1,2}}(:[0-9]{{1,2}}(\.[0-9]+)?)?)?",
}
_REFUSED = (exp.DType.CHAR, exp.DType.JSON, exp.DType.VARBINARY, exp.DType.TIME)


def cast(node: exp.Cast) -> exp.Expr:
    value, target = node.this, node.args["to"]
    kind = target.this
    if kind in _REFUSED:
        raise NotSupported(f"CAST to {target.sql(dialect='athena')}")
    if isinstance(value, exp.Null):
        return node
    if value.type is None or value.type.this == exp.DType.UNKNOWN:
        raise NotSupported("CAST of a value whose type is not evident")
    if has_type(value, json.JSON):
        return json.cast(node)
    if kind in TEXTS:
        return _to_text(node)
    if kind in TIMESTAMPS:
        return _to_timestamp(node)
    if kind in INTEGERS and has_type(value, FLOATS):
        return type(node)(this=call("round", value), to=target.copy())
    return _from_text(node) if has_type(value, TEXTS) else node


def _from_text(node: exp.Cast) -> exp.Expr:
    value, target = node.this, node.args["to"]
    kind = target.this
    written = _WRITTEN.get("INTEGER" if kind in INTEGERS else kind.name)
    if not written:
        return node
    if isinstance(value, exp.Literal) and kind in DECIMALS | TIMES and re.fullmatch(written, value.this):
        return node  # a typed literal
    if isinstance(value, exp.Literal) and kind == exp.DType.TIMESTAMP and ZONED.fullmatch(value.name.strip()):
        raise NotSupported(f"a timestamp without time zone from '{value.name}'")
    if isinstance(node, exp.TryCast):
        return duck("CASE WHEN regexp_full_match(:v, :w) THEN :c END", v=value, w=exp.Literal.string(written), c=node)
    end = message("' to " + target.sql(dialect="athena").lower())
    failed = duck("CAST('INVALID_CAST_ARGUMENT: Cannot cast ''' || :v || :e AS BIGINT)", v=value, e=end)
    return duck(
        "CASE WHEN regexp_full_match(:v, :w) THEN :c WHEN :v IS NOT NULL THEN :f END",
        v=value,
        w=exp.Literal.string(written),
        c=node,
        # All branches are of the target's type, also the one that fails
        f=duck("CASE WHEN :f = 0 THEN :c END", f=failed, c=node),
    )


def _to_timestamp(node: exp.Cast) -> exp.Expr:
    value, target = node.this, node.args["to"]
    kind, digits = target.this, int(target.expressions[0].this.this) if target.expressions else 3
    if digits > 6:
        raise NotSupported(f"the type {target.sql(dialect='athena').lower()} (more than microseconds)")
    if has_type(value, TEXTS):
        if kind == exp.DType.TIMESTAMPTZ:
            if not (isinstance(value, exp.Literal) and value.is_string):
                raise NotSupported("CAST of text to timestamp with time zone, other than a literal")
            return zoned_literal(node)
        fraction = re.search(r"\.([0-9]+)", value.name) if isinstance(value, exp.Literal) else None
        given = 6 if not isinstance(value, exp.Literal) else len(fraction[1]) if fraction else 0
        result = _from_text(node)
    else:
        given = (0 if has_type(value, {exp.DType.DATE}) else precision(value)) or 0
        if has_type(value, TIMESTAMPS) and precision(value) is None:
            given = 6
        result = node
    if given <= digits:
        return result
    copied = result.copy()
    copied.type = target.copy()
    return typed(rounded(copied, kind, digits), target.copy())


def _to_text(node: exp.Cast) -> exp.Expr:
    value, target = node.this, node.args["to"]
    if not (has_type(value, INTEGERS | DECIMALS | TEXTS | TIMES) or family(value) == "boolean"):
        raise NotSupported(f"CAST of a {type_name(value)} to varchar")
    text: exp.Expr = exp.cast(value.copy(), "varchar")
    if has_type(value, TIMESTAMPS):
        digits = precision(value)
        if digits is None:
            raise NotSupported("CAST of a timestamp whose precision is not evident (cast it to timestamp(3) first)")
        text = call("strftime", value, "%Y-%m-%d %H:%M:%S" + (".%f" if digits else ""))
        if 0 < digits < 6:
            text = duck(f"(:t)[:-{7 - digits}]", t=text)
        if has_type(value, {exp.DType.TIMESTAMPTZ}):
            text = duck("(:t || ' UTC')", t=text)
    if not target.expressions:
        return typed(text, "varchar")
    size = target.expressions[0].this
    if has_type(value, TEXTS):
        return typed(call("substring", text, 1, size), "varchar")
    # Only text is cut; of anything else nothing may be lost
    if isinstance(node, exp.TryCast) or inside_try(node):
        return typed(duck("CASE WHEN length(:t) <= :n THEN :t END", t=text, n=size), "varchar")
    end = message(f" cannot be represented as varchar({size.name})")
    failed = duck("CAST('INVALID_CAST_ARGUMENT: Value ' || :t || :e AS BOOLEAN)", t=text, e=end)
    return typed(duck("CASE WHEN length(:t) <= :n THEN :t WHEN :f THEN :t END", t=text, n=size, f=failed), "varchar")
