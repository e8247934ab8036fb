"""Dates and timestamps: units as Trino counts them, precisions, and zones, which DuckDB's values do not carry."""

import re

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.expressions import TIMES, TIMESTAMPS, call, duck, has_type, require_type, type_name, typed

UNITS = frozenset({"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "MILLISECOND"})
#: strftime's names for those of date_format whose output is the same.
_DATE_FORMAT = frozenset("YmdHMSyjT%")
ZONED = re.compile(r"([0-9: .+-]*?[0-9])\s*([+-][0-9]{2}:[0-9]{2}|UTC|Z|[A-Za-z_]+/[A-Za-z_/+-]+)")
#: Where it does not matter in which zone an instant was written.
_ZONE_BLIND = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In),
    *(exp.AtTimeZone, exp.TimeToUnix),
)


def precision(node: exp.Expr) -> int | None:
    """The digits of a timestamp's seconds by its type in Trino; None if unknown."""
    if node.type is not None and node.type.expressions:
        return int(node.type.expressions[0].this.this)
    if isinstance(node, exp.Cast):
        return 3
    if isinstance(node, exp.Paren | exp.Min | exp.Max):
        return precision(node.this)
    return None


def with_precision(kind: exp.DType, digits: int) -> exp.DataType:
    return exp.DataType(this=kind, expressions=[exp.DataTypeParam(this=exp.Literal.number(digits))])


def rounded(node: exp.Expr, kind: exp.DType, digits: int) -> exp.Expr:
    """A timestamp, rounded half up to its precision: DuckDB keeps microseconds in all of them."""
    unit = 10 ** (6 - digits)
    make = "make_timestamptz" if kind == exp.DType.TIMESTAMPTZ else "make_timestamp"
    shifted = duck(f"(epoch_us(:v) + {unit // 2})", v=node)
    return duck(f"{make}(:e - ((:e % {unit} + {unit}) % {unit}))", e=shifted)


def zoned_literal(node: exp.Cast) -> exp.Expr:
    """A timestamp literal with a zone. DuckDB keeps the instant only, so the zone must be UTC or not matter."""
    found = ZONED.fullmatch(node.this.name.strip())
    if not found:
        raise NotSupported(f"the timestamp literal '{node.this.name}'")
    instant, zone = found.groups()
    is_utc = zone in ("UTC", "Z", "+00:00")
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Tuple):
        parent = parent.parent
    if not is_utc and not isinstance(parent, _ZONE_BLIND):
        raise NotSupported(f"a timestamp in the zone {zone} in this place (AT TIME ZONE 'UTC' makes it one in UTC)")
    if " " not in instant:
        instant += " 00:00:00"
    elif instant.count(":") == 1:
        instant += ":00"
    text = f"{instant}+00:00" if is_utc else f"{instant}{zone}" if zone[0] in "+-" else f"{instant} {zone}"
    return typed(exp.Cast(this=exp.Literal.string(text), to=node.args["to"].copy()), node.args["to"].copy())


def at_time_zone(node: exp.AtTimeZone) -> exp.Expr:
    zone = node.args["zone"]
    if not (isinstance(zone, exp.Literal) and zone.name.upper() == "UTC"):
        raise NotSupported("AT TIME ZONE other than 'UTC'")
    if not has_type(node.this, TIMESTAMPS):
        raise NotSupported("AT TIME ZONE of anything but a timestamp")
    digits = precision(node.this)
    kind = with_precision(exp.DType.TIMESTAMPTZ, digits) if digits is not None else "timestamptz"
    return typed(exp.cast(node.this.copy(), "timestamptz"), kind)


def plus(node: exp.Add | exp.Sub) -> exp.Expr:
    sides = node.this, node.expression
    interval = next((side for side in sides if isinstance(side, exp.Interval)), None)
    other = next((side for side in sides if has_type(side, TIMES)), None)
    if not (interval and other):
        return node
    if has_type(other, {exp.DType.DATE}):
        if not interval.unit or interval.unit.name.upper() not in ("DAY", "WEEK", "MONTH", "YEAR"):
            raise NotSupported("adding an interval that is not of whole days to a date")
        return typed(exp.cast(node.copy(), "date"), "date")
    digits = precision(other)
    assert other.type is not None
    result = exp.Paren(this=node.copy())
    return typed(result, with_precision(other.type.this, max(digits, 3)) if digits is not None else other.type.copy())


def from_unixtime(node: exp.UnixToTime) -> exp.Expr:
    if node.args.get("zone") or node.args.get("hours") or node.args.get("format"):
        raise NotSupported("from_unixtime with a time zone")
    # milliseconds, as Trino's timestamp(3) with time zone
    instant = duck("make_timestamptz(CAST(round(CAST(:s AS DOUBLE) * 1000) AS BIGINT) * 1000)", s=node.this)
    return typed(instant, with_precision(exp.DType.TIMESTAMPTZ, 3))


def date_trunc(node: exp.TimestampTrunc | exp.DateTrunc) -> exp.Expr:
    value = require_type(node.this, "date_trunc")
    truncated = call("date_trunc", _unit(node), value)
    if has_type(value, {exp.DType.DATE}):
        return typed(exp.cast(truncated, "date"), "date")
    return typed(truncated, value.type)


def date_add(node: exp.DateAdd) -> exp.Expr:
    value = require_type(node.this, "date_add")
    unit = _unit(node).name
    unit, factor = {"quarter": ("month", 3), "week": ("day", 7)}.get(unit, (unit, 1))
    sizes = {"second": "DOUBLE", "millisecond": "DOUBLE", "hour": "BIGINT", "minute": "BIGINT"}
    added = duck(
        f"(:d + to_{unit}s(CAST((:n) * {factor} AS {sizes.get(unit, 'INTEGER')})))", d=value, n=node.expression
    )
    if not has_type(value, {exp.DType.DATE}):
        return typed(added, value.type)
    if unit in sizes:
        raise QueryFailed(f"INVALID_FUNCTION_ARGUMENT: '{unit}' is not a valid DATE field")
    return typed(exp.cast(added, "date"), "date")


def date_diff(node: exp.DateDiff) -> exp.Expr:
    # whole units that have passed, as Trino counts; DuckDB's date_diff counts the boundaries between
    return call("datesub", _unit(node), node.expression, node.this)


def day_of_week(node: exp.DayOfWeekIso) -> exp.Expr:
    return typed(call("isodow", node.this), "bigint")


def date_format(node: exp.TimeToStr) -> exp.Expr:
    wanted = node.args["format"]
    if not (isinstance(wanted, exp.Literal) and set(re.findall(r"%(.)", wanted.this)) <= _DATE_FORMAT):
        raise NotSupported(f"date_format with the format {wanted.sql()}")
    if not has_type(require_type(node.this, "date_format"), TIMES):
        raise QueryFailed(f"TYPE_MISMATCH: line 1:1: date_format of {type_name(node.this)}; cast it to timestamp")
    return node


def _unit(node: exp.Expr) -> exp.Expr:
    unit = node.args.get("unit")
    if unit is None or unit.name.upper() not in UNITS:
        raise NotSupported(f"the unit {unit}")
    return exp.Literal.string(unit.name.lower())
