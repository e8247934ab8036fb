"""Athena's SQL: parsed, checked against what is supported here, and queries turned into DuckDB's SQL.

Only what is known to mean the same after the translation is let through; everything else is refused by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema
from sqlglot.tokens import TokenType

CATALOG = "awsdatacatalog"
#: Ends the messages that the translated SQL fails with.
END_OF_MESSAGE = "\x1e"


class MalformedQuery(ValueError):
    """Not a statement of Athena's at all: StartQueryExecution refuses it."""


class Refusal(Exception):
    """The statement fails, with this StateChangeReason."""


def not_supported(what: str) -> Refusal:
    return Refusal(f"NOT_SUPPORTED: {what} is not supported by the local Athena")


@dataclass(frozen=True)
class Table:
    """A table as a query sees it: its columns' types, and where the engine gets the rows (see engine.create_source)."""

    columns: dict[str, exp.DataType]
    source: dict
    hidden: dict[str, exp.DataType] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A view as a query sees it: Athena SQL, whose unqualified tables are in ``database``."""

    sql: str
    database: str


@dataclass(frozen=True)
class Query:
    """A query for the engine: DuckDB's SQL, the result's columns, the tables as ``create_source`` reads them."""

    sql: str
    names: list[str]
    types: list[exp.DataType]
    sources: list[dict]


#: (database, table, version) -> what it is; version is None or FOR … AS OF. Raises ``Refusal`` with {position} in it.
Resolve = Callable[[str, str, exp.Version | None], Table | View]


def parse(sql: str, parameters: list[str] | None = None) -> exp.Expression:
    """The one statement in ``sql``, with ``?`` replaced by ``parameters`` (SQL literals); raises ``MalformedQuery``."""
    try:
        if parameters:
            sql = _fill(sql, parameters)
        statements = [s for s in sqlglot.parse(sql, read="athena") if s is not None]
    except (ParseError, TokenError) as error:
        raise MalformedQuery(_parse_message(error)) from None
    if len(statements) != 1:
        raise MalformedQuery("Only one sql statement is allowed." if statements else "Query string is empty")
    if isinstance(statements[0], exp.Query | exp.Values):
        first = (_bare(sql).lstrip("( \t\r\n").split() or [""])[0]
        if not re.match(r"(?i)(select|with|values)\b", first):
            raise MalformedQuery(f"line 1:1: mismatched input '{first}'. Expecting: 'SELECT', 'WITH', 'VALUES'")
    if statements[0].find(exp.Placeholder):
        raise MalformedQuery("Incorrect number of parameters: the statement has more ? than there are parameters")
    return statements[0]


def _bare(sql: str) -> str:
    """The statement without the comments before it."""
    return re.sub(r"(?s)\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", "", sql)


def _fill(sql: str, parameters: list[str]) -> str:
    marks = [token for token in sqlglot.tokenize(sql, read="athena") if token.token_type == TokenType.PLACEHOLDER]
    if len(marks) != len(parameters):
        raise MalformedQuery(f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}")
    for mark, parameter in reversed(list(zip(marks, parameters, strict=True))):
        sql = sql[: mark.start] + _literal(parameter) + sql[mark.end + 1 :]
    return sql


def _literal(text: str) -> str:
    try:
        value = sqlglot.parse_one(text, read="athena")
    except (ParseError, TokenError):
        raise MalformedQuery(f"Execution parameter {text} is not a literal") from None
    inner = value.this if isinstance(value, exp.Neg | exp.Cast) else value
    if not isinstance(inner, exp.Literal | exp.Null | exp.Boolean):
        raise MalformedQuery(f"Execution parameter {text} is not a literal (a string needs single quotes)")
    return value.sql(dialect="athena")


def _parse_message(error: Exception) -> str:
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    if not first:
        return f"mismatched input: {error}".split("\n")[0]
    return f"line {first['line']}:{first['col']}: mismatched input '{first['highlight']}'. {first['description']}"


def position(node: exp.Expression | None, sql: str) -> str:
    """Where an identifier stands in the statement, as ``line:column``."""
    start = node.meta.get("start") if node is not None else None
    if start is None:
        return "1:1"
    return f"{sql.count(chr(10), 0, start) + 1}:{start - sql.rfind(chr(10), 0, start)}"


# --- what is let through ---------------------------------------------------------------------------------------------

#: Nodes whose meaning survives the translation as they are, or through a rule below.
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
    *(exp.Cast, exp.TryCast, exp.Try, exp.Array, exp.Map, exp.Bracket),
    # functions
    *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.ArgMin, exp.ArgMax, exp.ApproxDistinct),
    *(exp.ArrayAgg, exp.LogicalAnd, exp.LogicalOr, exp.Stddev, exp.StddevSamp, exp.Variance, exp.Coalesce, exp.Nullif),
    *(exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Pow, exp.Greatest, exp.Least, exp.Lower, exp.Upper, exp.Trim),
    *(exp.Length, exp.Substring, exp.Concat, exp.Replace, exp.SplitPart, exp.StrPosition, exp.RegexpLike),
    *(exp.RegexpExtract, exp.RegexpReplace, exp.UnixToTime, exp.TimeToUnix, exp.Date, exp.TimestampTrunc),
    *(exp.DateTrunc, exp.DateAdd, exp.DateDiff, exp.TimeToStr, exp.CurrentTimestamp, exp.CurrentDate, exp.RowNumber),
    *(exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue),
    *(exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
    *(exp.GenerateSeries, exp.ArraySize, exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.Extract),
    *(exp.Quarter, exp.DayOfYear, exp.TsOrDsToDate, exp.ArrayContains),
}

#: strftime's names for those of date_format whose output is the same.
_DATE_FORMAT = frozenset("YmdHMSyjT%")

_INTEGERS = exp.DataType.SIGNED_INTEGER_TYPES
_FLOATS = {exp.DType.FLOAT, exp.DType.DOUBLE}
_DECIMALS = {exp.DType.DECIMAL}
_TEXTS = exp.DataType.TEXT_TYPES
_TIMES = {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ}


def check(query: exp.Expression) -> None:
    """Raises ``Refusal`` at the first thing in the query that is not known to mean the same here."""
    for node in query.walk():
        if type(node) not in _ALLOWED:
            raise _refused(node)
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            raise _refused(node.this)
        if isinstance(node, exp.Select):
            _check_select(node)
        elif isinstance(node, exp.Unnest) and not isinstance(node.parent, exp.From | exp.Join):
            raise not_supported("UNNEST outside of FROM")
        elif isinstance(node, exp.Extract) and node.name.upper() not in _UNITS - {"MILLISECOND"}:
            raise not_supported(f"EXTRACT of {node.name.upper()}")
        elif isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit() and int(node.this) >= 2**63:
            raise Refusal(f"SYNTAX_ERROR: line 1:1: Invalid numeric literal: {node.this}")


def _refused(node: exp.Expression) -> Refusal:
    if isinstance(node, exp.Anonymous):
        return not_supported(f"the function {node.name.lower()}")
    if isinstance(node, exp.Func):
        return not_supported(f"the function {node.sql_name().lower()}")
    return not_supported(f"{node.key.upper()} ({node.sql(dialect='athena')[:60]})")


def _check_select(select: exp.Select) -> None:
    for part in ("into", "qualify", "sample", "pivots", "laterals", "match", "hint", "distribute", "sort", "cluster"):
        if select.args.get(part):
            raise not_supported(part.upper())
    group, distinct = select.args.get("group"), select.args.get("distinct")
    if (group and group.args.get("all")) or (distinct and distinct.args.get("on")):
        raise not_supported("GROUP BY ALL or DISTINCT ON")
    if any(star.args.get(part) for star in select.find_all(exp.Star) for part in star.arg_types):
        raise not_supported("a star with exceptions")
    joins = select.args.get("joins") or []
    if any(join.args.get("using") for join in joins) and any(isinstance(s, exp.Star) for s in select.expressions):
        raise not_supported("SELECT * with JOIN … USING (name the columns, or join ON)")
    for join in joins:
        if join.args.get("method") or join.kind not in ("", "INNER", "OUTER", "CROSS"):
            raise not_supported(f"{join.args.get('method') or join.kind} JOIN")
        if isinstance(join.this, exp.Unnest) and join.kind != "CROSS" and join.side:
            raise not_supported(f"{join.side} JOIN UNNEST")


# --- translation -----------------------------------------------------------------------------------------------------


def translate(query: exp.Expression, sql: str, database: str, resolve: Resolve) -> Query:
    """The query for the engine. ``sql``: its text, for positions in messages. Raises ``Refusal``."""
    query = query.copy()
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(_named_values(query))
    check(query)
    tables: dict[tuple, Table] = {}
    query = _bind_tables(query, sql, database, resolve, tables)
    names = {key: f"t{i}" for i, key in enumerate(tables)}
    for node in list(query.find_all(exp.Values)):
        if not node.args.get("alias"):
            _named_values(node)
    _name_projections(query)
    for number in list(query.find_all(exp.Literal)):
        if not number.is_string and "." in number.this and "e" not in number.this.lower():
            number.replace(_decimal(number.this))
    for kind in query.find_all(exp.DataType):
        if kind.this in _TIMES:
            kind.set("expressions", [])  # a precision would choose another, incomparable type in DuckDB
    columns = {names[key]: {**table.columns, **table.hidden} for key, table in tables.items()}
    visible = {names[key]: list(table.columns) for key, table in tables.items()}
    schema = MappingSchema(columns, visible=visible, dialect="athena", normalize=False)
    for column in query.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    try:
        query = qualify(
            query,
            schema=schema,
            dialect="athena",
            expand_alias_refs=False,
            quote_identifiers=False,
            isolate_tables=False,
        )
    except OptimizeError as error:
        raise _unresolved(error) from None
    query = annotate_types(query, schema=schema, dialect="athena")
    types = [projection.type for projection in query.selects]
    query = _rewrite(query)
    try:
        duck = query.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE, identify=True)
    except UnsupportedError as error:
        raise not_supported(str(error)) from None
    outputs = [_output_name(name, i) for i, name in enumerate(query.named_selects)]
    sources = [{**table.source, "name": names[key]} for key, table in tables.items()]
    return Query(sql=duck, names=outputs, types=types, sources=sources)


def _unresolved(error: OptimizeError) -> Refusal:
    found = re.search(
        r"(?:Column|Unknown column:?) '?\"?([^'\"]+?)'?\"? (?:could not|cannot) be resolved"
        r"(?:.*Line: (\d+), Col: (\d+))?",
        str(error),
    )
    if found:
        column, line, end = found.groups()
        where = f"{line}:{int(end) - len(column) + 1}" if line else "1:1"
        return Refusal(
            f"COLUMN_NOT_FOUND: line {where}: Column '{column}' cannot be resolved "
            "or requester is not authorized to access requested resources"
        )
    return Refusal(f"SYNTAX_ERROR: {str(error).splitlines()[0]}")


def _bind_tables(
    query: exp.Expression, sql: str, database: str, resolve: Resolve, tables: dict, depth: int = 0
) -> exp.Expression:
    """Puts the engine's names in the place of the tables, and their queries in the place of views."""
    if depth > 10:
        raise not_supported("a view nested more than ten deep")
    nodes = {id(s): s for scope in traverse_scope(query) for s in scope.sources.values() if isinstance(s, exp.Table)}
    expressions = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.find_all(exp.Table):
        if id(node) not in nodes and (node.db or node.name.lower() not in expressions):
            raise not_supported(f"a table in this place ({node.sql(dialect='athena')})")
    for node in nodes.values():
        if node.catalog and node.catalog.lower() != CATALOG:
            raise Refusal(
                f"CATALOG_NOT_FOUND: line {position(node.args['catalog'], sql)}: Catalog '{node.catalog}' not found"
            )
        key_database, table = (node.db or database).lower(), node.name.lower()
        version = node.args.get("version")
        try:
            found = resolve(key_database, table, version)
        except Refusal as refusal:
            where = position(node.args.get("catalog") or node.args.get("db") or node.this, sql)
            raise Refusal(str(refusal).replace("{position}", where)) from None
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table, quoted=True))
        joins = node.args.get("joins")
        if isinstance(found, View):
            inner = parse(found.sql)
            check(inner)
            inner = _bind_tables(inner, found.sql, found.database, resolve, tables, depth + 1)
            node.replace(exp.Subquery(this=inner, alias=alias, joins=joins))
        else:
            key = (key_database, table, version.sql() if version else None)
            tables.setdefault(key, found)
            number = list(tables).index(key)
            node.replace(exp.Table(this=exp.to_identifier(f"t{number}"), alias=alias, joins=joins))
    return query


def _named_values(values: exp.Values) -> exp.Values:
    width = len(values.expressions[0].expressions) if isinstance(values.expressions[0], exp.Tuple) else 1
    alias = values.args.get("alias") or exp.TableAlias(this=exp.to_identifier("values_"))
    if not alias.args.get("columns"):
        alias.set("columns", [exp.to_identifier(f"_col{i}") for i in range(width)])
    values.set("alias", alias)
    return values


def _name_projections(query: exp.Expression) -> None:
    """Names what has no name as Trino does (_col0, …); behind a star the position is known only later."""
    for select in query.find_all(exp.Select):
        starred = False
        for i, projection in enumerate(select.expressions):
            starred = starred or projection.is_star
            if not isinstance(projection, exp.Alias | exp.Column | exp.Star | exp.Dot):
                projection.replace(exp.alias_(projection.copy(), f"_unnamed{i}" if starred else f"_col{i}"))


def _output_name(name: str, place: int) -> str:
    return f"_col{place}" if re.fullmatch(r"_unnamed\d+", name) else name.lower()


def _decimal(digits: str) -> exp.Cast:
    whole, _, fraction = digits.partition(".")
    precision = max(len(whole.lstrip("0")) + len(fraction), 1)
    return exp.cast(exp.Literal.string(digits), exp.DataType.build(f"decimal({precision},{len(fraction)})"))


# --- types -----------------------------------------------------------------------------------------------------------


def _kind(node: exp.Expression | None) -> str | None:
    """What a value is, as far as a comparison cares; None if unknown (or NULL)."""
    kind = node.type.this if node is not None and node.type and not isinstance(node, exp.Interval) else None
    if kind in _INTEGERS or kind in _FLOATS or kind in _DECIMALS:
        return "number"
    if kind in _TEXTS:
        return "text"
    if kind in _TIMES:
        return "time"
    if kind == exp.DType.BOOLEAN:
        return "boolean"
    return None


_TRINO_NAMES = {"INT": "integer", "TEXT": "varchar", "FLOAT": "real", "TIMESTAMPTZ": "timestamp with time zone"}


def _type_name(node: exp.Expression) -> str:
    plain = node.type.sql(dialect="athena").lower()
    if isinstance(node, exp.Literal) and node.is_string:
        return f"varchar({len(node.this)})"
    return _TRINO_NAMES.get(node.type.this.name, plain)


def _must_agree(operator: str, *nodes: exp.Expression | None) -> None:
    known = [node for node in nodes if _kind(node)]
    for other in known[1:]:
        if _kind(other) != _kind(known[0]):
            raise Refusal(
                f"TYPE_MISMATCH: line 1:1: Cannot apply operator: {_type_name(known[0])} {operator} {_type_name(other)}"
            )


_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_SYMBOLS = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "mod": "%",
}


def _check_types(node: exp.Expression) -> None:
    symbol = _SYMBOLS.get(node.key, node.key)
    if isinstance(node, _COMPARISONS):
        _must_agree(symbol, node.this, node.expression)
    elif isinstance(node, exp.Between):
        _must_agree("<=", node.this, node.args["low"], node.args["high"])
    elif isinstance(node, exp.In):
        query = node.args.get("query")
        _must_agree("=", node.this, *node.expressions, *(query.this.selects[:1] if query else []))
    elif isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        sides = node.this, node.expression
        kinds = {_kind(side) for side in sides}
        if kinds == {"time"} and isinstance(node, exp.Sub):
            raise not_supported("the difference of two times (use date_diff)")
        if kinds & {"text", "boolean"} or (
            "time" in kinds and not any(isinstance(side, exp.Interval) for side in sides)
        ):
            raise Refusal(
                f"TYPE_MISMATCH: line 1:1: Cannot apply operator: {_type_name(node.this)} {symbol} "
                f"{_type_name(node.expression)}"
            )
    elif isinstance(node, exp.DPipe | exp.Concat | exp.Like):
        operands = node.expressions if isinstance(node, exp.Concat) else (node.this, node.expression)
        for operand in operands:
            if _kind(operand) in ("number", "time", "boolean"):
                raise Refusal(f"TYPE_MISMATCH: line 1:1: {_type_name(operand)} where varchar is expected; cast it")
    elif isinstance(node, exp.And | exp.Or | exp.Not | exp.Where | exp.Having):
        for operand in (node.this, node.args.get("expression")):
            if _kind(operand) in ("number", "text", "time"):
                raise Refusal(f"TYPE_MISMATCH: line 1:1: {_type_name(operand)} where boolean is expected")
    elif isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        _must_agree("CASE", *branches, node.args.get("default"))
        if node.this:
            _must_agree("=", node.this, *(branch.this for branch in node.args["ifs"]))
    elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        _must_agree("IF", node.args["true"], node.args.get("false"))
    elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        _must_agree(node.key, node.this, *node.expressions)
    elif isinstance(node, exp.Array):
        _must_agree("ARRAY", *node.expressions)
    elif isinstance(node, exp.Values):
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        for column in zip(*rows, strict=False):
            _must_agree("VALUES", *column)
    elif isinstance(node, exp.Lower | exp.Upper | exp.Trim | exp.Length | exp.Substring | exp.RegexpLike | exp.Replace):
        if _kind(node.this) in ("number", "time", "boolean"):
            raise Refusal(f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({_type_name(node.this)}) for {node.key}")
    elif isinstance(node, exp.Nullif):
        _must_agree("=", node.this, node.expression)
    elif isinstance(node, exp.SetOperation):
        for left, right in zip(node.left.selects, node.right.selects, strict=False):
            _must_agree(node.key.upper(), left, right)


# --- rewriting -------------------------------------------------------------------------------------------------------


def _rewrite(query: exp.Expression) -> exp.Expression:
    """Gives every node the DuckDB form that means what Athena's does; leaves first, so that types stay known."""
    for node in query.find_all(exp.Expression):
        _check_types(node)
    for node in reversed(list(query.walk(bfs=True))):
        rule = _RULES.get(type(node))
        if rule is None:
            continue
        replacement = rule(node)
        if replacement is not node:
            replacement.type = replacement.type or node.type
            if node is query:
                query = replacement
            else:
                node.replace(replacement)
    return query


def _duck(sql: str, **parts: exp.Expression) -> exp.Expression:
    """DuckDB SQL with parts put in for :names."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    return tree.transform(
        lambda node: parts[node.name].copy() if isinstance(node, exp.Placeholder) and node.name in parts else node
    )


def _call(function: str, *arguments: exp.Expression | str | int) -> exp.Expression:
    return exp.Anonymous(
        this=function,
        expressions=[exp.convert(a) if not isinstance(a, exp.Expression) else a.copy() for a in arguments],
    )


def _is(node: exp.Expression, types: set) -> bool:
    return node.type is not None and node.type.this in types


def _known(node: exp.Expression, what: str) -> exp.Expression:
    if node.type is None or node.type.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        raise not_supported(f"{what} on a value whose type is not evident (cast it)")
    return node


def _nonzero(divisor: exp.Expression, inside_try: bool) -> exp.Expression:
    """The divisor, failing the query where it is 0 (a failed CAST rather than error(), which DuckDB holds volatile)."""
    if isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.this) != 0:
        return divisor.copy()
    if inside_try:
        return _duck("NULLIF(:b, 0)", b=divisor)
    return _duck(
        "CASE WHEN :b = 0 THEN CAST(:e AS BIGINT) ELSE :b END",
        b=divisor,
        e=_message("DIVISION_BY_ZERO: Division by zero"),
    )


def _message(text: str) -> exp.Literal:
    """An error's text, as the engine finds it again in DuckDB's own message."""
    return exp.Literal.string(text + END_OF_MESSAGE)


def _div(node: exp.Div) -> exp.Expression:
    a, b = _known(node.this, "division"), _known(node.expression, "division")
    if _is(a, _FLOATS) or _is(b, _FLOATS):
        # DuckDB answers NULL where IEEE has an infinity or no number
        return _duck(
            "CASE WHEN CAST(:b AS DOUBLE) = 0 THEN CASE WHEN :a IS NULL THEN NULL "
            "WHEN CAST(:a AS DOUBLE) = 0 OR isnan(CAST(:a AS DOUBLE)) THEN CAST('NaN' AS DOUBLE) "
            "WHEN (:a > 0) = (NOT signbit(CAST(:b AS DOUBLE))) THEN CAST('Infinity' AS DOUBLE) "
            "ELSE CAST('-Infinity' AS DOUBLE) END ELSE CAST(:a AS DOUBLE) / CAST(:b AS DOUBLE) END",
            a=a,
            b=b,
        )
    inside_try = node.find_ancestor(exp.Try) is not None
    if _is(a, _INTEGERS) and _is(b, _INTEGERS):
        return exp.Paren(
            this=exp.IntDiv(this=exp.Paren(this=a.copy()), expression=exp.Paren(this=_nonzero(b, inside_try)))
        )
    sizes = _decimal_size(a), _decimal_size(b)
    if None in sizes:
        raise not_supported(f"the division {_type_name(a)} / {_type_name(b)} (cast one side to double or decimal(p,s))")
    (precision, scale), (_, divisor_scale) = sizes
    result_scale = max(scale, divisor_scale)
    result_precision = min(38, precision + divisor_scale + max(0, divisor_scale - scale))
    # Unscaled integers: exact, rounded half up as Trino does
    divided = _duck(
        f"(sign(:a) * sign(:b) * ((2 * abs(:a) * {10 ** (result_scale + divisor_scale - scale)} + abs(:b)) "
        "// (2 * abs(:b))))",
        a=_unscaled(a, scale),
        b=_nonzero(_unscaled(b, divisor_scale), inside_try),
    )
    result = exp.DataType.build(f"decimal({result_precision},{result_scale})")
    unit = _decimal("0." + "1".rjust(result_scale, "0")) if result_scale else exp.Literal.number(1)
    scaled = exp.Mul(this=exp.cast(divided, f"decimal({38 - result_scale},0)"), expression=unit)
    answer = exp.cast(exp.Paren(this=scaled), result)
    answer.type = result
    return answer


_INTEGER_DIGITS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10, exp.DType.BIGINT: 19}


def _decimal_size(node: exp.Expression) -> tuple[int, int] | None:
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
    if _is(node, _DECIMALS) and len(node.type.expressions) == 2:
        precision, scale = (int(size.this.this) for size in node.type.expressions)
        return precision, scale
    return None


def _unscaled(node: exp.Expression, scale: int) -> exp.Expression:
    return _duck(f"CAST(replace(CAST(CAST(:v AS DECIMAL(38, {scale})) AS VARCHAR), '.', '') AS HUGEINT)", v=node)


def _plus(node: exp.Add | exp.Sub) -> exp.Expression:
    sides = node.this, node.expression
    interval = next((side for side in sides if isinstance(side, exp.Interval)), None)
    if interval and any(_is(side, {exp.DType.DATE}) for side in sides):
        if not interval.unit or interval.unit.name.upper() not in ("DAY", "WEEK", "MONTH", "YEAR"):
            raise not_supported("adding an interval that is not of whole days to a date")
        return exp.cast(node.copy(), "date")
    return node


def _mod(node: exp.Mod) -> exp.Expression:
    a, b = _known(node.this, "%"), _known(node.expression, "%")
    if _is(a, _FLOATS) or _is(b, _FLOATS):
        return node
    divisor = _nonzero(b, node.find_ancestor(exp.Try) is not None)
    return exp.Paren(this=exp.Mod(this=exp.Paren(this=a.copy()), expression=exp.Paren(this=divisor)))


def _avg(node: exp.Avg) -> exp.Expression:
    if not (_is(node.this, _INTEGERS) or _is(node.this, _FLOATS)):
        raise not_supported(f"avg of {_type_name(_known(node.this, 'avg'))} (cast it to double)")
    return node


def _round(node: exp.Round) -> exp.Expression:
    if node.args.get("decimals") and not (_is(node.this, _FLOATS) or _is(node.this, _INTEGERS)):
        raise not_supported(f"round of {_type_name(_known(node.this, 'round'))} to digits (cast it to double)")
    return node


def _whole(node: exp.Floor | exp.Ceil) -> exp.Expression:
    return node.this.copy() if _is(_known(node.this, node.key), _INTEGERS) else node


def _as_bigint(node: exp.Expression) -> exp.Expression:
    """sum and count_if of integers are HUGEINT in DuckDB: the whole of the aggregate becomes a bigint."""
    if isinstance(node.parent, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls) and node.arg_key == "this":
        return node
    core = node
    while isinstance(core, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        core = core.this
    summed = (
        core.this.expressions[0] if isinstance(core, exp.Sum) and isinstance(core.this, exp.Distinct) else core.this
    )
    if isinstance(core, exp.Sum) and _kind(_known(summed, "sum")) != "number":
        raise Refusal(f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({_type_name(summed)}) for function sum")
    if isinstance(core, exp.CountIf):
        # Where there is nothing to count, DuckDB gives NULL.
        return exp.Coalesce(this=exp.cast(node.copy(), "bigint"), expressions=[exp.Literal.number(0)])
    if isinstance(core, exp.Sum) and _is(_known(summed, "sum"), _INTEGERS):
        return exp.cast(node.copy(), "bigint")
    return node


def _arg(node: exp.ArgMin | exp.ArgMax) -> exp.Expression:
    if node.args.get("count"):
        raise not_supported("min_by or max_by with a count")
    return _call("arg_min_null" if isinstance(node, exp.ArgMin) else "arg_max_null", node.this, node.expression)


def _approx_distinct(node: exp.ApproxDistinct) -> exp.Expression:
    return exp.Count(this=exp.Distinct(expressions=[node.this.copy()]))


def _concat(node: exp.Concat) -> exp.Expression:
    joined, *others = [exp.Paren(this=part.copy()) for part in node.expressions]
    for part in others:
        joined = exp.DPipe(this=joined, expression=part, safe=False)
    return exp.Paren(this=joined)


def _split_part(node: exp.SplitPart) -> exp.Expression:
    index = node.args["part_index"]
    if not (isinstance(index, exp.Literal) and int(index.this) > 0):
        raise not_supported("split_part with an index that is not a positive number")
    return _duck("string_split(:s, :d)[:i]", s=node.this, d=node.args["delimiter"], i=index)


def _substring(node: exp.Substring) -> exp.Expression:
    start, length = node.args["start"], node.args.get("length")
    if length and not isinstance(length, exp.Literal):
        length = _call("greatest", length, 0)
    cut = _call("substring", node.this, start, *([length] if length else []))
    if isinstance(start, exp.Literal) and int(start.this) > 0:
        return cut
    return _duck("CASE WHEN :p = 0 OR :p < -length(:s) THEN '' ELSE :c END", p=start, s=node.this, c=cut)


#: What Java holds for white space; DuckDB by itself trims other characters.
_WHITE_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2008\u2009\u200a\u2028\u2029\u205f\u3000"
)


def _trim(node: exp.Trim) -> exp.Expression:
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    return _call(function, node.this, node.expression or _WHITE_SPACE)


def _replace(node: exp.Replace) -> exp.Expression:
    if not (isinstance(node.expression, exp.Literal) and node.expression.this):
        raise not_supported("replace of anything but a literal that is not empty")
    return _call("replace", node.this, node.expression, node.args.get("replacement") or "")


def _regexp_extract(node: exp.RegexpExtract) -> exp.Expression:
    if node.args.get("position") or node.args.get("occurrence"):
        raise not_supported("regexp_extract with more than a group")
    group = node.args.get("group") or exp.Literal.number(0)
    return _duck(
        "CASE WHEN regexp_matches(:s, :p) THEN :c END",
        s=node.this,
        p=node.expression,
        c=_call("regexp_extract", node.this, node.expression, group),
    )


def _regexp_replace(node: exp.RegexpReplace) -> exp.Expression:
    replacement = node.args.get("replacement") or exp.Literal.string("")
    if not (isinstance(replacement, exp.Literal) and replacement.is_string) or "\\" in replacement.this:
        raise not_supported("regexp_replace with a replacement that is not a plain literal")
    template = re.sub(r"\$(\d)", r"\\\1", replacement.this)
    if "$" in template:
        raise not_supported("regexp_replace with a named group")
    return _call("regexp_replace", node.this, node.expression, template, "g")


def _from_unixtime(node: exp.UnixToTime) -> exp.Expression:
    if node.args.get("zone") or node.args.get("hours") or node.args.get("format"):
        raise not_supported("from_unixtime with a time zone")
    # milliseconds, as Trino's timestamp(3) with time zone
    return _duck("make_timestamptz(CAST(round(CAST(:s AS DOUBLE) * 1000) AS BIGINT) * 1000)", s=node.this)


def _date_trunc(node: exp.TimestampTrunc | exp.DateTrunc) -> exp.Expression:
    if _is(_known(node.this, "date_trunc"), {exp.DType.DATE}):
        return _duck("CAST(date_trunc(:u, :d) AS DATE)", u=_unit(node), d=node.this)
    return _duck("date_trunc(:u, :d)", u=_unit(node), d=node.this)


_UNITS = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "MILLISECOND"}


def _unit(node: exp.Expression) -> exp.Literal:
    unit = node.args.get("unit")
    if unit is None or unit.name.upper() not in _UNITS:
        raise not_supported(f"the unit {unit}")
    return exp.Literal.string(unit.name.lower())


def _date_add(node: exp.DateAdd) -> exp.Expression:
    unit = _unit(node).this
    unit, factor = {"quarter": ("month", 3), "week": ("day", 7)}.get(unit, (unit, 1))
    sizes = {"second": "DOUBLE", "millisecond": "DOUBLE", "hour": "BIGINT", "minute": "BIGINT"}
    added = _duck(
        f"(:d + to_{unit}s(CAST((:n) * {factor} AS {sizes.get(unit, 'INTEGER')})))", d=node.this, n=node.expression
    )
    if _is(node.this, {exp.DType.DATE}) and unit in sizes:
        raise Refusal(f"INVALID_FUNCTION_ARGUMENT: '{unit}' is not a valid DATE field")
    return exp.cast(added, "date") if _is(_known(node.this, "date_add"), {exp.DType.DATE}) else added


def _date_diff(node: exp.DateDiff) -> exp.Expression:
    # whole units that have passed, as Trino counts; DuckDB's date_diff counts the boundaries between
    return _call("datesub", _unit(node), node.expression, node.this)


def _date_format(node: exp.TimeToStr) -> exp.Expression:
    wanted = node.args["format"]
    if not (isinstance(wanted, exp.Literal) and set(re.findall(r"%(.)", wanted.this)) <= _DATE_FORMAT):
        raise not_supported(f"date_format with the format {wanted.sql()}")
    if not _is(_known(node.this, "date_format"), _TIMES):
        raise Refusal(f"TYPE_MISMATCH: line 1:1: date_format of {_type_name(node.this)}; cast it to timestamp")
    return node


def _json_scalar(node: exp.JSONExtractScalar) -> exp.Expression:
    path = exp.Literal.string(node.expression.sql(dialect="duckdb").strip("'"))
    return _duck(
        "CASE WHEN json_valid(:j) AND json_type(:j, :p) NOT IN ('OBJECT', 'ARRAY', 'NULL') "
        "THEN json_extract_string(:j, :p) END",
        j=node.this,
        p=path,
    )


def _sequence(node: exp.GenerateSeries) -> exp.Expression:
    ends = [node.args[end] for end in ("start", "end", "step") if node.args.get(end)]
    if not all(_is(end, _INTEGERS) for end in ends):
        raise not_supported("sequence of anything but integers")
    if len(ends) == 2:
        up, down = _call("generate_series", *ends), _call("generate_series", *ends, -1)
        return _duck("CASE WHEN :a <= :b THEN :u WHEN :a > :b THEN :d END", a=ends[0], b=ends[1], u=up, d=down)
    return _duck(
        "generate_series(:a, :b, CASE WHEN :s = 0 OR (:b > :a AND :s < 0) OR (:b < :a AND :s > 0) "
        "THEN CAST(:e AS BIGINT) ELSE :s END)",
        a=ends[0],
        b=ends[1],
        s=ends[2],
        e=_message("INVALID_FUNCTION_ARGUMENT: sequence's step must lead from its start to its stop"),
    )


def _cardinality(node: exp.ArraySize) -> exp.Expression:
    return exp.cast(_call("cardinality" if _is(node.this, {exp.DType.MAP}) else "len", node.this), "bigint")


def _element(node: exp.Bracket) -> exp.Expression:
    if not node.args.get("safe"):
        raise not_supported("the subscript [] (use element_at)")
    return node


def _unnest(node: exp.Unnest) -> exp.Expression:
    if len(node.expressions) != 1 or _is(node.expressions[0], {exp.DType.MAP}):
        raise not_supported("UNNEST of a map or of several arrays")
    return node


def _cast(node: exp.Cast) -> exp.Expression:
    value, target, attempt = node.this, node.args["to"], isinstance(node, exp.TryCast)
    kind = target.this
    if isinstance(value, exp.Literal) and value.is_string and kind in _DECIMALS | _TIMES:
        return node  # a typed literal
    if kind in (exp.DType.CHAR, exp.DType.JSON, exp.DType.VARBINARY, exp.DType.TIME):
        raise not_supported(f"CAST to {target.sql(dialect='athena')}")
    if isinstance(value, exp.Null):
        return node
    if value.type is None or value.type.this == exp.DType.UNKNOWN:
        raise not_supported("CAST of a value whose type is not evident")
    if kind in _INTEGERS and _is(value, _FLOATS):
        cast = type(node)
        return cast(this=_call("round", value), to=target.copy())
    if _is(value, _TEXTS) and (written := _WRITTEN.get("INTEGER" if kind in _INTEGERS else kind.name)):
        message = _message("' to " + target.sql(dialect="athena").lower())
        failed = _duck("CAST('INVALID_CAST_ARGUMENT: Cannot cast ''' || :v || :e AS BIGINT)", v=value, e=message)
        return _duck(
            "CASE WHEN regexp_full_match(:v, :w) THEN :c WHEN :v IS NOT NULL THEN :f END",
            v=value,
            w=exp.Literal.string(written),
            c=node,
            # All branches are of the target's type, also the one that fails
            f=exp.Null() if attempt else _duck("CASE WHEN :f = 0 THEN :c END", f=failed, c=node),
        )
    if kind in _TEXTS:
        if not (_is(value, _INTEGERS | _DECIMALS | _TEXTS | _TIMES) or _kind(value) == "boolean"):
            raise not_supported(f"CAST of a {_type_name(value)} to varchar")
        if _is(value, {exp.DType.TIMESTAMP}):
            node = _duck("strftime(:v, '%Y-%m-%d %H:%M:%S.%g')", v=value)
        elif _is(value, {exp.DType.TIMESTAMPTZ}):
            node = _duck("strftime(:v, '%Y-%m-%d %H:%M:%S.%g UTC')", v=value)
        sizes = target.expressions
        return _call("substring", node, 1, sizes[0].this) if sizes else node
    return node


#: The texts that Trino casts to a type; DuckDB takes more.
_WRITTEN = {
    "INTEGER": "[+-]?[0-9]+",
    "BOOLEAN": "(?i)true|t|1|false|f|0",
    "FLOAT": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity",
    "DOUBLE": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity",
    "DECIMAL": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)",
    "DATE": r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
    "TIMESTAMP": r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?",
}


_RULES: dict[type, Callable] = {
    exp.Div: _div,
    exp.Add: _plus,
    exp.Sub: _plus,
    exp.Mod: _mod,
    exp.Avg: _avg,
    exp.Round: _round,
    exp.Floor: _whole,
    exp.Ceil: _whole,
    exp.Sum: _as_bigint,
    exp.CountIf: _as_bigint,
    exp.Window: _as_bigint,
    exp.Filter: _as_bigint,
    exp.ArgMin: _arg,
    exp.ArgMax: _arg,
    exp.ApproxDistinct: _approx_distinct,
    exp.Concat: _concat,
    exp.SplitPart: _split_part,
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.Replace: _replace,
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpReplace: _regexp_replace,
    exp.UnixToTime: _from_unixtime,
    exp.TimestampTrunc: _date_trunc,
    exp.DateTrunc: _date_trunc,
    exp.DateAdd: _date_add,
    exp.DateDiff: _date_diff,
    exp.TimeToStr: _date_format,
    exp.JSONExtractScalar: _json_scalar,
    exp.GenerateSeries: _sequence,
    exp.ArraySize: _cardinality,
    exp.Bracket: _element,
    exp.Unnest: _unnest,
    exp.Cast: _cast,
    exp.TryCast: _cast,
}
