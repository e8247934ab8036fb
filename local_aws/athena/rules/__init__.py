"""The rules that give each of Athena's expressions the DuckDB form that means the same: a table, by node.

A rule takes a node whose own parts are translated already, and returns it, or what takes its place.
"""

from collections.abc import Callable

from sqlglot import exp

from local_aws.athena.rules import casts, comparisons, json, nested, numbers, texts, times

Rule = Callable[..., exp.Expr]


RULES: dict[type[exp.Expr], Rule] = {
    # numbers
    exp.Div: numbers.div,
    exp.Mod: numbers.mod,
    exp.Round: numbers.round_,
    exp.Floor: numbers.floor_or_ceil,
    exp.Ceil: numbers.floor_or_ceil,
    **dict.fromkeys((exp.Sqrt, exp.Ln, exp.Radians, exp.Degrees, exp.IsNan), numbers.of_double),
    exp.Sign: numbers.sign,
    exp.BitwiseAnd: numbers.bitwise,
    exp.BitwiseOr: numbers.bitwise,
    exp.BitwiseXor: numbers.bitwise,
    exp.Sum: numbers.aggregated,
    exp.Avg: numbers.aggregated,
    exp.CountIf: numbers.aggregated,
    exp.Window: numbers.aggregated,
    exp.Filter: numbers.aggregated,
    exp.ArgMin: numbers.arg_min_or_max,
    exp.ArgMax: numbers.arg_min_or_max,
    exp.ApproxDistinct: numbers.approx_distinct,
    # text
    exp.Upper: texts.upper,
    exp.Concat: texts.concat,
    exp.DPipe: texts.concat,
    exp.Split: texts.split,
    exp.Pad: texts.pad,
    exp.ArrayToString: texts.array_join,
    exp.SplitPart: texts.split_part,
    exp.Substring: texts.substring,
    exp.Trim: texts.trim,
    exp.Replace: texts.replace,
    exp.RegexpLike: texts.regexp_like,
    exp.RegexpExtract: texts.regexp_extract,
    exp.RegexpReplace: texts.regexp_replace,
    # times
    exp.Add: times.plus,
    exp.Sub: times.plus,
    exp.AtTimeZone: times.at_time_zone,
    exp.UnixToTime: times.from_unixtime,
    exp.TimestampTrunc: times.date_trunc,
    exp.DateTrunc: times.date_trunc,
    exp.DateAdd: times.date_add,
    exp.DayOfWeekIso: times.day_of_week,
    exp.DateDiff: times.date_diff,
    exp.TimeToStr: times.date_format,
    # comparisons
    exp.EQ: comparisons.compare,
    exp.NEQ: comparisons.compare,
    exp.LT: comparisons.compare,
    exp.LTE: comparisons.compare,
    exp.GT: comparisons.compare,
    exp.GTE: comparisons.compare,
    exp.Between: comparisons.between,
    exp.In: comparisons.is_in,
    exp.Nullif: comparisons.nullif,
    exp.Case: comparisons.case,
    exp.ArrayContains: comparisons.contains,
    # JSON
    exp.JSONExtractScalar: json.scalar,
    exp.JSONExtract: json.extract,
    exp.ParseJSON: json.parse,
    exp.JSONFormat: json.format_,
    exp.Anonymous: json.function,
    # arrays, maps
    exp.GenerateSeries: nested.sequence,
    exp.ArraySize: nested.cardinality,
    exp.Bracket: nested.element_at,
    exp.Unnest: nested.unnest,
    # CAST
    exp.Cast: casts.cast,
    exp.TryCast: casts.cast,
}
