"""The allow-list: what of Athena's SQL is known to mean the same after the translation. All else is refused by name."""

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.rules.json import FUNCTIONS

#: Nodes whose meaning survives the translation as they are, or through a rule of ``rules``.
_ALLOWED = {
    # the shape of a query
    *(exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
    *(exp.Fetch, exp.With, exp.CTE, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.Table, exp.TableAlias),
    *(exp.Alias, exp.Identifier, exp.Column, exp.Star, exp.Distinct, exp.Paren, exp.Tuple, exp.Values, exp.Version),
    *(exp.Unnest, exp.Exists, exp.Window, exp.WindowSpec, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.Cube),
    *(exp.Rollup, exp.GroupingSets, exp.Dot, exp.ColumnDef, exp.Var),
    # values and operators
    *(exp.Literal, exp.Boolean, exp.Null, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Neg, exp.Add, exp.Sub),
    *(exp.Mul, exp.Div, exp.Mod, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.And, exp.Or, exp.Not, exp.Is),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In, exp.Like, exp.Escape, exp.DPipe, exp.Case, exp.If),
    *(exp.Cast, exp.TryCast, exp.Try, exp.Array, exp.Map, exp.Bracket, exp.AtTimeZone),
    # functions
    *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.ArgMin, exp.ArgMax, exp.ApproxDistinct),
    *(exp.ArrayAgg, exp.LogicalAnd, exp.LogicalOr, exp.Stddev, exp.StddevSamp, exp.Variance, exp.Coalesce, exp.Nullif),
    *(exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Pow, exp.Greatest, exp.Least, exp.Lower, exp.Upper, exp.Trim),
    *(exp.Length, exp.Substring, exp.Concat, exp.Replace, exp.SplitPart, exp.StrPosition, exp.RegexpLike),
    *(exp.RegexpExtract, exp.RegexpReplace, exp.UnixToTime, exp.TimeToUnix, exp.Date, exp.TimestampTrunc),
    *(exp.DateTrunc, exp.DateAdd, exp.DateDiff, exp.TimeToStr, exp.CurrentTimestamp, exp.CurrentDate, exp.RowNumber),
    *(exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue),
    *(exp.JSONExtract, exp.ParseJSON, exp.JSONFormat, exp.MapKeys),
    *(exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
    *(exp.GenerateSeries, exp.ArraySize, exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.Extract),
    *(exp.Sqrt, exp.Ln, exp.Radians, exp.Degrees, exp.Sign, exp.IsNan, exp.StddevPop, exp.VariancePop),
    *(exp.PercentRank, exp.CumeDist, exp.Ntile, exp.NthValue, exp.DayOfWeekIso, exp.Pad, exp.Split, exp.ArrayToString),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor),
    *(exp.Quarter, exp.DayOfYear, exp.TsOrDsToDate, exp.ArrayContains),
}
_EXTRACTED = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}


def check(query: exp.Expr) -> None:
    """Raises ``NotSupported`` at the first thing in the query that is not known to mean the same here."""
    for node in query.walk():
        if type(node) not in _ALLOWED and not (isinstance(node, exp.Anonymous) and node.name.lower() in FUNCTIONS):
            raise _refused(node)
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            raise _refused(node.this)
        if isinstance(node, exp.Select):
            _check_select(node)
        elif isinstance(node, exp.Unnest) and not isinstance(node.parent, exp.From | exp.Join):
            raise NotSupported("UNNEST outside of FROM")
        elif isinstance(node, exp.Extract) and node.name.upper() not in _EXTRACTED:
            raise NotSupported(f"EXTRACT of {node.name.upper()}")
        elif isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit() and int(node.this) >= 2**63:
            raise QueryFailed(f"SYNTAX_ERROR: line 1:1: Invalid numeric literal: {node.this}")


def _refused(node: exp.Expr) -> NotSupported:
    if isinstance(node, exp.Anonymous):
        return NotSupported(f"the function {node.name.lower()}")
    if isinstance(node, exp.Func):
        return NotSupported(f"the function {node.sql_name().lower()}")
    return NotSupported(f"{node.key.upper()} ({node.sql(dialect='athena')[:60]})")


def _check_select(select: exp.Select) -> None:
    for part in ("into", "qualify", "sample", "pivots", "laterals", "match", "hint", "distribute", "sort", "cluster"):
        if select.args.get(part):
            raise NotSupported(part.upper())
    group, distinct = select.args.get("group"), select.args.get("distinct")
    if (group and group.args.get("all")) or (distinct and distinct.args.get("on")):
        raise NotSupported("GROUP BY ALL or DISTINCT ON")
    if any(star.args.get(part) for star in select.find_all(exp.Star) for part in star.arg_types):
        raise NotSupported("a star with exceptions")
    joins = select.args.get("joins") or []
    if any(join.args.get("using") for join in joins) and any(isinstance(s, exp.Star) for s in select.expressions):
        raise NotSupported("SELECT * with JOIN … USING (name the columns, or join ON)")
    for join in joins:
        if join.args.get("method") or join.kind not in ("", "INNER", "OUTER", "CROSS"):
            raise NotSupported(f"{join.args.get('method') or join.kind} JOIN")
        if isinstance(join.this, exp.Unnest) and join.kind != "CROSS" and join.side:
            raise NotSupported(f"{join.side} JOIN UNNEST")
