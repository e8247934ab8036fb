"""Turns a query of Athena's into one of DuckDB's, in passes: check, bind, name, resolve, type, rewrite, print."""

import re
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Athena
from sqlglot.errors import OptimizeError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.resolver import Resolver
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.expressions import TIMES
from local_aws.athena.parse import parse, position
from local_aws.athena.pruning import prune
from local_aws.athena.rules import RULES
from local_aws.athena.rules.json import FUNCTIONS, share_values
from local_aws.athena.rules.numbers import decimal_literal
from local_aws.athena.supported import check
from local_aws.athena.tables import CATALOG, Resolve, Table, View
from local_aws.athena.typecheck import check_types

#: How sqlglot's own types of expressions are completed.
_TYPES: dict[type[exp.Expr], dict[str, Any]] = {
    **Athena.EXPRESSION_METADATA,
    exp.JSONExtractScalar: {"returns": exp.DType.VARCHAR},
    exp.JSONExtract: {"returns": exp.DType.JSON},
    exp.JSONFormat: {"returns": exp.DType.VARCHAR},
    exp.Try: {"annotator": lambda annotator, node: annotator._annotate_by_args(node, "this")},
    exp.Bracket: {"annotator": lambda annotator, node: _annotate_element(annotator, node)},
    exp.MapKeys: {"annotator": lambda annotator, node: annotator._set_type(node, _type_of_keys(node))},
    exp.Anonymous: {"annotator": lambda annotator, node: annotator._set_type(node, _type_of_call(node))},
}


def _type_of_call(node: exp.Anonymous) -> exp.DataType | None:
    kind = FUNCTIONS.get(node.name.lower())
    return exp.DataType.build(kind) if kind else None


def _annotate_element(annotator: Any, node: exp.Bracket) -> exp.Expr:
    kind = node.this.type
    if kind is not None and kind.this == exp.DType.MAP and kind.expressions:
        return annotator._set_type(node, kind.expressions[1].copy())  # type: ignore[no-any-return]
    return annotator._annotate_bracket(node)  # type: ignore[no-any-return]


def _type_of_keys(node: exp.MapKeys) -> exp.DataType | None:
    kind = node.this.type
    if kind is None or kind.this != exp.DType.MAP:
        return None
    return exp.DataType(this=exp.DType.ARRAY, expressions=[kind.expressions[0].copy()], nested=True)


#: What the query reads: database, table, version, and of an external table the objects.
Reference = tuple[str, str, str | None, tuple[str, ...]]


@dataclass(frozen=True)
class Query:
    """A query for the engine: DuckDB's SQL, the result's columns, the tables as ``create_source`` reads them."""

    sql: str
    names: list[str]
    types: list[exp.DataType]
    sources: list[dict[str, Any]]


def translate(query: exp.Expr, sql: str, database: str, resolve: Resolve) -> Query:
    """The query for the engine. ``sql``: its text, for positions in messages. Raises ``QueryFailed``."""
    query = query.copy()
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(_name_values(query))
    check(query)
    tables: dict[Reference, Table] = {}
    query = _bind_tables(query, sql, database, resolve, tables)
    _name_columns(query)
    query = _resolve_columns(query, list(tables.values()))
    types = [projection.type for projection in query.selects]  # type: ignore[attr-defined]
    query = _rewrite(query)
    for kind in query.find_all(exp.DataType):
        if kind.this in TIMES:
            kind.set("expressions", [])  # a precision would choose another, incomparable type in DuckDB
    try:
        duck = query.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE, identify=True)
    except UnsupportedError as error:
        raise NotSupported(str(error)) from None
    names = [_output_name(name, place) for place, name in enumerate(query.named_selects)]  # type: ignore[attr-defined]
    sources = [{**table.source, "name": f"t{number}"} for number, table in enumerate(tables.values())]
    return Query(sql=duck, names=names, types=types, sources=sources)


# --- tables and views ---


def _bind_tables(
    query: exp.Expr,
    sql: str,
    database: str,
    resolve: Resolve,
    tables: dict[Reference, Table],
    depth: int = 0,
) -> exp.Expr:
    """Puts the engine's names in the place of the tables, and their queries in the place of views."""
    if depth > 10:
        raise NotSupported("a view nested more than ten deep")
    nodes = {id(s): s for scope in traverse_scope(query) for s in scope.sources.values() if isinstance(s, exp.Table)}
    expressions = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.find_all(exp.Table):
        if id(node) not in nodes and (node.db or node.name.lower() not in expressions):
            raise NotSupported(f"a table in this place ({node.sql(dialect='athena')})")
    for node in nodes.values():
        if node.catalog and node.catalog.lower() != CATALOG:
            where = position(node.args["catalog"], sql)
            raise QueryFailed(f"CATALOG_NOT_FOUND: line {where}: Catalog '{node.catalog}' not found")
        table_database, name, version = (node.db or database).lower(), node.name.lower(), node.args.get("version")
        try:
            resolved = resolve(table_database, name, version)
        except QueryFailed as error:
            where = position(node.args.get("catalog") or node.args.get("db") or node.this, sql)
            raise QueryFailed(str(error).replace("{position}", where)) from None
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name, quoted=True))
        joins = node.args.get("joins")
        if isinstance(resolved, View):
            inner = parse(resolved.sql)
            check(inner)
            inner = _bind_tables(inner, resolved.sql, resolved.database, resolve, tables, depth + 1)
            node.replace(exp.Subquery(this=inner, alias=alias, joins=joins))
        else:
            resolved = prune(resolved, node)
            objects = tuple(item["uri"] for item in resolved.source.get("objects", ()))
            key = (table_database, name, version.sql() if version else None, objects)
            tables.setdefault(key, resolved)
            number = list(tables).index(key)
            node.replace(exp.Table(this=exp.to_identifier(f"t{number}"), alias=alias, joins=joins))
    return query


# --- names ---


def _name_values(values: exp.Values) -> exp.Values:
    width = len(values.expressions[0].expressions) if isinstance(values.expressions[0], exp.Tuple) else 1
    alias = values.args.get("alias") or exp.TableAlias(this=exp.to_identifier("values_"))
    if not alias.args.get("columns"):
        alias.set("columns", [exp.to_identifier(f"_col{i}") for i in range(width)])
    values.set("alias", alias)
    return values


def _name_columns(query: exp.Expr) -> None:
    """Names what has no name as Trino does (_col0, …); behind a star the position is known only later."""
    for values in list(query.find_all(exp.Values)):
        if not values.args.get("alias"):
            _name_values(values)
    for select in query.find_all(exp.Select):
        starred = False
        for i, projection in enumerate(select.expressions):
            starred = starred or projection.is_star
            if not isinstance(projection, exp.Alias | exp.Column | exp.Star | exp.Dot):
                name = f"_unnamed{i}" if starred else f"_col{i}"
                # not exp.alias_, which gives a subquery a table's alias
                projection.replace(exp.Alias(this=projection.copy(), alias=exp.to_identifier(name)))


def _output_name(name: str, place: int) -> str:
    return f"_col{place}" if re.fullmatch(r"_unnamed\d+", name) else name.lower()


# --- columns and types ---


def _resolve_columns(query: exp.Expr, tables: list[Table]) -> exp.Expr:
    """Gives every column its table, and every expression its type."""
    for number in list(query.find_all(exp.Literal)):
        if not number.is_string and "." in number.this and "e" not in number.this.lower():
            number.replace(decimal_literal(number.this))
    for now in list(query.find_all(exp.CurrentTimestamp)):
        # Trino's has a zone and milliseconds; sqlglot takes it for one without
        now.replace(exp.cast(exp.CurrentTimestamp(), f"timestamptz({now.name or 3})", dialect="trino"))
    columns: dict[str, object] = {f"t{i}": {**table.columns, **table.hidden} for i, table in enumerate(tables)}
    visible: dict[str, object] = {f"t{i}": list(table.columns) for i, table in enumerate(tables)}
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
        _resolve_having(query, schema)
    except OptimizeError as error:
        raise _unresolved(error) from None
    return annotate_types(query, schema=schema, dialect="athena", expression_metadata=_TYPES)


def _resolve_having(query: exp.Expr, schema: MappingSchema) -> None:
    """HAVING too: ``qualify`` leaves it alone, since elsewhere its columns may be the result's, but not in Trino."""
    for scope in traverse_scope(query):
        having = scope.expression.args.get("having")
        resolver = Resolver(scope, schema)
        for column in having.find_all(exp.Column) if having else ():
            if column.table or column.parent_select is not scope.expression:
                continue
            table = resolver.get_table(column)
            if table is None and not scope.is_subquery:  # whose columns may be those of the query around it
                raise OptimizeError(f"Column '{column.name}' could not be resolved")
            column.set("table", table)


def _unresolved(error: OptimizeError) -> QueryFailed:
    match = re.search(
        r"(?:Column|Unknown column:?) '?\"?([^'\"]+?)'?\"? (?:could not|cannot) be resolved"
        r"(?:.*Line: (\d+), Col: (\d+))?",
        str(error),
    )
    if not match:
        return QueryFailed(f"SYNTAX_ERROR: {str(error).splitlines()[0]}")
    column, line, end = match.groups()
    where = f"{line}:{int(end) - len(column) + 1}" if line else "1:1"
    return QueryFailed(
        f"COLUMN_NOT_FOUND: line {where}: Column '{column}' cannot be resolved "
        "or requester is not authorized to access requested resources"
    )


# --- the rules ---


def _rewrite(query: exp.Expr) -> exp.Expr:
    """Checks the types, then applies the rules; leaves first, so that a rule sees its parts' types."""
    for node in query.find_all(exp.Expr):
        check_types(node)
    nodes = list(query.walk(bfs=True))
    for select in list(query.find_all(exp.Select)):
        share_values(select)
    for node in reversed(nodes):
        rule = RULES.get(type(node))
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
