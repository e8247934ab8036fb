"""Arithmetic as Trino does it: whole division, decimals rounded half up, errors by zero, real kept real."""

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.expressions import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    REAL,
    aggregate,
    call,
    duck,
    failure,
    family,
    has_type,
    inside_try,
    require_type,
    type_name,
    typed,
)

_INTEGER_DIGITS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10, exp.DType.BIGINT: 19}


def decimal_literal(digits: str) -> exp.Cast:
    """A literal such as 1.50 as the decimal(3,2) that it is."""
    whole, _, fraction = digits.partition(".")
    precision = max(len(whole.lstrip("0")) + len(fraction), 1)
    return exp.cast(exp.Literal.string(digits), exp.DataType.build(f"decimal({precision},{len(fraction)})"))


def div(node: exp.Div) -> exp.Expr:
    a, b = require_type(node.this, "division"), require_type(node.expression, "division")
    if has_type(a, FLOATS) or has_type(b, FLOATS):
        kind = _float_type(a, b)
        # DuckDB answers NULL where IEEE has an infinity or no number
        divided = duck(
            "CASE WHEN CAST(:b AS DOUBLE) = 0 THEN CASE WHEN :a IS NULL THEN NULL "
            "WHEN CAST(:a AS DOUBLE) = 0 OR isnan(CAST(:a AS DOUBLE)) THEN CAST('NaN' AS DOUBLE) "
            "WHEN (:a > 0) = (NOT signbit(CAST(:b AS DOUBLE))) THEN CAST('Infinity' AS DOUBLE) "
            f"ELSE CAST('-Infinity' AS DOUBLE) END ELSE CAST(:a AS {kind}) / CAST(:b AS {kind}) END",
            a=a,
            b=b,
        )
        return typed(exp.cast(divided, kind) if kind == "REAL" else divided, kind)
    if has_type(a, INTEGERS) and has_type(b, INTEGERS):
        divisor = exp.Paren(this=_nonzero(b, inside_try(node)))
        return typed(exp.Paren(this=exp.IntDiv(this=exp.Paren(this=a.copy()), expression=divisor)), _wider(a, b))
    dividend_size, divisor_size = _decimal_size(a), _decimal_size(b)
    if dividend_size is None or divisor_size is None:
        names = f"{type_name(a)} / {type_name(b)}"
        raise NotSupported(f"the division {names} (cast one side to double or decimal(p,s))")
    (precision, scale), (_, divisor_scale) = dividend_size, divisor_size
    result_scale = max(scale, divisor_scale)
    result_precision = min(38, precision + divisor_scale + max(0, divisor_scale - scale))
    # Unscaled integers: exact, rounded half up as Trino does
    divided = duck(
        f"(sign(:a) * sign(:b) * ((2 * abs(:a) * {10 ** (result_scale + divisor_scale - scale)} + abs(:b)) "
        "// (2 * abs(:b))))",
        a=_unscaled(a, scale),
        b=_nonzero(_unscaled(b, divisor_scale), inside_try(node)),
    )
    unit = decimal_literal("0." + "1".rjust(result_scale, "0")) if result_scale else exp.Literal.number(1)
    scaled = exp.Mul(this=exp.cast(divided, f"decimal({38 - result_scale},0)"), expression=unit)
    kind = f"decimal({result_precision},{result_scale})"
    return typed(exp.cast(exp.Paren(this=scaled), kind), kind)


def mod(node: exp.Mod) -> exp.Expr:
    a, b = require_type(node.this, "%"), require_type(node.expression, "%")
    if has_type(a, FLOATS) or has_type(b, FLOATS):
        kind = _float_type(a, b)
        return typed(exp.cast(node.copy(), kind), kind)
    divisor = exp.Paren(this=_nonzero(b, inside_try(node)))
    remainder = exp.Paren(this=exp.Mod(this=exp.Paren(this=a.copy()), expression=divisor))
    if has_type(a, INTEGERS) and has_type(b, INTEGERS):
        return typed(remainder, _wider(a, b))
    sizes = _decimal_size(a), _decimal_size(b)
    if sizes[0] is None or sizes[1] is None:
        return remainder
    scale = max(sizes[0][1], sizes[1][1])
    kind = f"decimal({min(sizes[0][0] - sizes[0][1], sizes[1][0] - sizes[1][1]) + scale},{scale})"
    return typed(exp.cast(remainder, kind), kind)


def _float_type(a: exp.Expr, b: exp.Expr) -> str:
    """real with anything but double is real."""
    return "DOUBLE" if any(has_type(side, {exp.DType.DOUBLE}) for side in (a, b)) else "REAL"


def _wider(a: exp.Expr, b: exp.Expr) -> exp.DataType:
    kinds = [side.type for side in (a, b) if side.type is not None]
    return max(kinds, key=lambda kind: _INTEGER_DIGITS[kind.this]).copy()


def _nonzero(divisor: exp.Expr, caught: bool) -> exp.Expr:
    """The divisor, failing the query where it is 0."""
    if isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.this) != 0:
        return divisor.copy()
    if caught:
        return duck("NULLIF(:b, 0)", b=divisor)
    # The failing branch must not change the type of the whole, hence the divisor's own
    failed = failure("DIVISION_BY_ZERO: Division by zero", divisor.type or "bigint")
    return duck("CASE WHEN :b = 0 THEN :e ELSE :b END", b=divisor, e=failed)


def _decimal_size(node: exp.Expr) -> tuple[int, int] | None:
    """The precision and scale that Trino gives a decimal or integer expression; None if unknown."""
    if node.type and node.type.this in _INTEGER_DIGITS:
        return _INTEGER_DIGITS[node.type.this], 0
    if isinstance(node, exp.Paren | exp.Neg | exp.Abs | exp.Min | exp.Max):
        return _decimal_size(node.this)
    if isinstance(node, exp.Sum):
        inner = _decimal_size(node.this)
        return inner and (38, inner[1])
    if isinstance(node, exp.Mul | exp.Add | exp.Sub):
        left, right = _decimal_size(node.this), _decimal_size(node.expression)
        if left is None or right is None:
            return None
        if isinstance(node, exp.Mul):
            return min(38, left[0] + right[0]), left[1] + right[1]
        scale = max(left[1], right[1])
        return min(38, max(left[0] - left[1], right[0] - right[1]) + scale + 1), scale
    if node.type and has_type(node, DECIMALS) and len(node.type.expressions) == 2:
        precision, scale = (int(size.this.this) for size in node.type.expressions)
        return precision, scale
    return None


def _unscaled(node: exp.Expr, scale: int) -> exp.Expr:
    digits = duck(f"CAST(replace(CAST(CAST(:v AS DECIMAL(38, {scale})) AS VARCHAR), '.', '') AS HUGEINT)", v=node)
    return typed(digits, exp.DataType.build("HUGEINT", dialect="duckdb"))


def round_(node: exp.Round) -> exp.Expr:
    if node.args.get("decimals") and not (has_type(node.this, FLOATS) or has_type(node.this, INTEGERS)):
        name = type_name(require_type(node.this, "round"))
        raise NotSupported(f"round of {name} to digits (cast it to double)")
    return node


def floor_or_ceil(node: exp.Floor | exp.Ceil) -> exp.Expr:
    return node.this.copy() if has_type(require_type(node.this, node.key), INTEGERS) else node


def of_double(node: exp.Sqrt | exp.Ln | exp.Radians | exp.Degrees | exp.IsNan) -> exp.Expr:
    """A function of a double; DuckDB fails where IEEE has an infinity or no number."""
    value = exp.cast(require_type(node.this, node.key).copy(), "double")
    function = call(node.key, value)
    if isinstance(node, exp.Sqrt):
        function = duck("CASE WHEN :v < 0 THEN CAST('NaN' AS DOUBLE) ELSE :f END", v=value, f=function)
    if isinstance(node, exp.Ln):
        function = duck(
            "CASE WHEN :v < 0 THEN CAST('NaN' AS DOUBLE) WHEN :v = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE :f END",
            v=value,
            f=function,
        )
    return typed(function, "boolean" if isinstance(node, exp.IsNan) else "double")


def sign(node: exp.Sign) -> exp.Expr:
    if not has_type(require_type(node.this, "sign"), INTEGERS):
        raise NotSupported(f"sign of {type_name(node.this)}")
    return typed(exp.cast(node.copy(), node.this.type or "bigint"), node.this.type)


def bitwise(node: exp.BitwiseAnd | exp.BitwiseOr | exp.BitwiseXor) -> exp.Expr:
    for side in (node.this, node.expression):
        if not has_type(require_type(side, node.key), INTEGERS):
            raise NotSupported(f"{node.key} of {type_name(side)}")
    sides = {"this": exp.Paren(this=node.this.copy()), "expression": exp.Paren(this=node.expression.copy())}
    return typed(exp.cast(type(node)(**sides), "bigint"), "bigint")


def aggregated(node: exp.Expr) -> exp.Expr:
    """sum, avg and count_if, with the OVER and FILTER around them, in Trino's type."""
    core = aggregate(node)
    if isinstance(core, exp.CountIf):
        # Where there is nothing to count, DuckDB gives NULL.
        return typed(exp.Coalesce(this=exp.cast(node.copy(), "bigint"), expressions=[exp.Literal.number(0)]), "bigint")
    if not isinstance(core, exp.Sum | exp.Avg):
        return node
    value = core.this.expressions[0] if isinstance(core.this, exp.Distinct) else core.this
    if family(require_type(value, core.key)) != "number":
        raise QueryFailed(
            f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({type_name(value)}) for function {core.key}"
        )
    if has_type(value, REAL):
        return typed(exp.cast(node.copy(), "real"), "real")
    if isinstance(core, exp.Avg) and has_type(value, DECIMALS):
        raise NotSupported(f"avg of {type_name(value)} (cast it to double)")
    if isinstance(core, exp.Sum) and has_type(value, INTEGERS):
        return typed(exp.cast(node.copy(), "bigint"), "bigint")  # HUGEINT in DuckDB
    return node


def arg_min_or_max(node: exp.ArgMin | exp.ArgMax) -> exp.Expr:
    if node.args.get("count"):
        raise NotSupported("min_by or max_by with a count")
    return call("arg_min_null" if isinstance(node, exp.ArgMin) else "arg_max_null", node.this, node.expression)


def approx_distinct(node: exp.ApproxDistinct) -> exp.Expr:
    return exp.Count(this=exp.Distinct(expressions=[node.this.copy()]))
