"""JSON: what DuckDB does as Trino is left to it, for the rest it calls the functions of ``jsonvalues``."""

import json
import re

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.jsonpath import parse as parse_path

from local_aws.athena.errors import NotSupported
from local_aws.athena.expressions import FLOATS, INTEGERS, TEXTS, call, duck, has_type, typed
from local_aws.athena.jsonvalues import PREFIX

#: Functions that sqlglot does not know, and their types.
FUNCTIONS = {
    "json_size": "bigint",
    "json_array_length": "bigint",
    "json_array_get": "json",
    "is_json_scalar": "boolean",
}
JSON = frozenset({exp.DType.JSON})

#: One flat object and no escapes: in it DuckDB finds what Trino finds, and a name in quotes before a colon is a key.
_STRING = r'"[^"\\\x00-\x1f]*"'
_VALUE = rf"(?:{_STRING}|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
_BLANK = r"[ \t\r\n]*"
_MEMBER = rf"{_STRING}{_BLANK}:{_BLANK}{_VALUE}{_BLANK}"
FLAT = rf"{_BLANK}\{{{_BLANK}(?:{_MEMBER}(?:,{_BLANK}{_MEMBER})*)?\}}{_BLANK}"
#: The same with keys and values that DuckDB writes as Java does.
_KEY = r'"[ !#-\[\]-~]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,6})\.[0-9]{1,3}|-?[1-9][0-9]{0,6}\.[0-9]{1,8}|0|-?[1-9][0-9]{0,17}"
_BASIC = r'"[^"\\\x00-\x1f\x{10000}-\x{10ffff}]*"'
_ALIKE = rf"{_KEY}{_BLANK}:{_BLANK}(?:{_BASIC}|{_NUMBER}|true|false|null){_BLANK}"
_SIMPLE = rf"{_BLANK}\{{{_BLANK}(?:{_ALIKE}(?:,{_BLANK}{_ALIKE})*)?\}}{_BLANK}"
#: An object's keys in order, each with its value.
_ENTRIES = "list_sort(list_zip(json_keys(:j), json_extract(:j, '$.*')))"
#: What DuckDB takes for JSON and Trino does not: a comma at the end, and names of numbers.
_LENIENT = rf"(?i),{_BLANK}[\]}}]|(?:^|[ \t\r\n:,\[-])(?:nan|inf)"
#: The text of a number that DuckDB writes anew (1.50 as 1.5).
_REWRITTEN = r"-?[0-9]+[.eE][0-9.eE+-]*|0"


def share_values(select: exp.Select) -> None:
    """Puts the values that a SELECT takes from the texts in a column beside it, in what the SELECT reads.

    There, DuckDB parses each text once; in the SELECT, once for each value and each time that a rule repeats one.
    """
    read = select.args.get("from_")
    if read is None or select.args.get("joins") or not isinstance(read.this, exp.Subquery | exp.Table):
        return
    alias = read.this.alias
    #: {column: [(key, node)]}
    taken: dict[str, list[tuple[str, exp.JSONExtractScalar]]] = {}
    for node in select.find_all(exp.JSONExtractScalar):
        text, steps = node.this, _steps(node.expression)
        is_column = isinstance(text, exp.Column) and text.table == alias and node.parent_select is select
        if is_column and len(steps) == 1 and _are_names(steps):
            taken.setdefault(text.name, []).append((steps[0], node))
    for column, nodes in taken.items():
        text, listed = _column(column), _column(f"{column} values")
        keys = sorted({key for key, _ in nodes})
        flat = duck("CASE WHEN regexp_full_match(:j, :flat) THEN :j END", j=text, flat=exp.Literal.string(FLAT))
        paths = exp.Array(expressions=[exp.Literal.string(f"$.{key}") for key in keys])
        parsed = exp.alias_(call("json_extract_string", flat, paths), listed.name, quoted=True)
        values: dict[exp.Expr, str] = {}
        for key, node in nodes:
            value = _scalar(node, text, listed, keys.index(key) + 1)
            name = values.setdefault(value, f"{column} {len(values) + 1}")
            node.replace(typed(_column(name, alias), "varchar"))
        inner = exp.select("*", parsed).from_(read.this, copy=False)
        beside = [exp.alias_(value, name, quoted=True) for value, name in values.items()]
        outer = exp.select("*", *beside).from_(inner.subquery("parsed", copy=False), copy=False)
        read.set("this", outer.subquery(exp.to_identifier(alias, quoted=True), copy=False))


def _column(name: str, table: str | None = None) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table and exp.to_identifier(table, quoted=True))


def scalar(node: exp.JSONExtractScalar) -> exp.Expr:
    return _scalar(node, node.this)


def _scalar(node: exp.JSONExtractScalar, text: exp.Expr, listed: exp.Expr | None = None, place: int = 0) -> exp.Expr:
    """The value of a key in a text; if the text is flat, from this place of its list of values, where there is one."""
    steps = _steps(node.expression)
    slow = _call(node, "extract_scalar", text, json.dumps(steps))
    if not _are_names(steps) or _is_long(text):
        return typed(slow, "varchar")
    parts = {
        "j": text,
        "v": call("json_extract_string", text, "$." + ".".join(steps)),
        "slow": slow,
        "rewritten": exp.Literal.string(_REWRITTEN),
        "lenient": exp.Literal.string(_LENIENT),
    }
    result = duck(
        "CASE WHEN NOT json_valid(:j) OR regexp_matches(:j, :lenient) OR regexp_full_match(:v, :rewritten) "
        "OR starts_with(:v, '{') OR starts_with(:v, '[') THEN :slow ELSE :v END",
        **parts,
    )
    if len(steps) == 1:
        number = exp.Literal.string(f'"{steps[0]}"{_BLANK}:{_BLANK}"?(-?[0-9][0-9.eE+-]*)')
        # Texts behind the digits, as most are, need no look for a number.
        value = (
            "CASE WHEN :v >= ':' THEN :v WHEN regexp_full_match(:v, :rewritten) THEN regexp_extract(:j, :number, 1) "
            "ELSE :v END"
        )
        if isinstance(node.parent, exp.Cast) and has_type(node.parent, INTEGERS | FLOATS):
            value = ":v"  # the same number, however it is written
        is_flat = duck("regexp_full_match(:j, :flat)", flat=exp.Literal.string(FLAT), **parts)
        if listed is not None:
            is_flat = duck(":l IS NOT NULL", l=listed)
            parts["v"] = duck(f":l[{place}]", l=listed)
        result = duck(f"CASE WHEN :f THEN {value} ELSE :r END", f=is_flat, number=number, r=result, **parts)
    return typed(result, "varchar")


def extract(node: exp.JSONExtract) -> exp.Expr:
    if node.args.get("json_query"):
        raise NotSupported("the function json_query")
    steps = _steps(node.expression)
    slow = _call(node, "extract", node.this, json.dumps(steps))
    if len(steps) != 1 or not _are_names(steps):
        return typed(slow, "json")
    return typed(_either(node.this, _SIMPLE, f"json_extract(:j, '$.{steps[0]}')", slow), "json")


def parse(node: exp.ParseJSON) -> exp.Expr:
    if not has_type(node.this, TEXTS):
        raise NotSupported("json_parse of what is not evidently a text")
    members = f"""list_transform({_ENTRIES}, lambda entry: '"' || entry[1] || '":' || entry[2])"""
    text = f"CAST('{{' || array_to_string({members}, ',') || '}}' AS JSON)"
    result = typed(_if_simple(node.this, text, _call(node, "parse", node.this)), "json")
    result.meta["parsed"] = node.this.copy()  # for a CAST of it
    return result


def format_(node: exp.JSONFormat) -> exp.Expr:
    if not has_type(node.this, JSON):
        raise NotSupported("json_format of what is not evidently JSON")
    return typed(exp.cast(node.this.copy(), "varchar"), "varchar")


def function(node: exp.Anonymous) -> exp.Expr:
    """The functions that sqlglot does not know."""
    name = node.name.lower()
    if name not in FUNCTIONS or len(node.expressions) != (2 if name in ("json_size", "json_array_get") else 1):
        return node
    arguments: list[exp.Expr | str] = list(node.expressions)
    if name == "json_size":
        arguments[1] = json.dumps(_steps(node.expressions[1]))
    result = _call(node, name.replace("json_", ""), *arguments)
    if name == "json_size" and arguments[1] == "[]":
        result = _either(node.expressions[0], FLAT, "CAST(len(json_keys(:j)) AS BIGINT)", result)
    elif name == "is_json_scalar":
        result = _either(node.expressions[0], FLAT, "false", result)
        result = _either(node.expressions[0], f"{_BLANK}{_VALUE}{_BLANK}", "true", result)
    return typed(result, FUNCTIONS[name])


def cast(node: exp.Cast) -> exp.Expr:
    """CAST of a JSON value."""
    target = node.args["to"]
    kinds = [part.this for part in target.expressions if isinstance(part, exp.DataType)]
    if target.this in TEXTS and not target.expressions:
        name = "to_text"
    elif (
        target.this == exp.DType.MAP
        and kinds[0] in TEXTS
        and kinds[1] in JSON
        and not target.expressions[0].expressions
    ):
        name = "to_map"
    elif target.this in (exp.DType.ARRAY, exp.DType.LIST) and kinds[0] in JSON:
        name = "to_array"
    else:
        raise NotSupported(f"CAST of json to {target.sql(dialect='athena').lower()}")
    result = _call(node, name, node.this)
    parsed = node.this.meta.get("parsed")
    if name == "to_map" and parsed is not None:
        result = _if_simple(parsed, f"map_from_entries({_ENTRIES})", result)
    return typed(result, target.copy())


def _if_simple(text: exp.Expr, simple: str, other: exp.Expr) -> exp.Expr:
    """DuckDB's own way for a text that is one simple object without repeated keys, the other for the rest."""
    distinct = duck(
        f"CASE WHEN len(list_distinct(json_keys(:j))) = len(json_keys(:j)) THEN {simple} ELSE :o END", j=text, o=other
    )
    return _either(text, _SIMPLE, ":d", other, d=distinct)


def _either(text: exp.Expr, pattern: str, sql: str, other: exp.Expr, **parts: exp.Expr) -> exp.Expr:
    """DuckDB's own way for a text that is as the pattern says, the other for the rest."""
    if _is_long(text):
        return other
    condition = exp.Literal.string(pattern)
    return duck(f"CASE WHEN regexp_full_match(:j, :p) THEN {sql} ELSE :o END", j=text, p=condition, o=other, **parts)


def _is_long(text: exp.Expr) -> bool:
    """Whether an expression is too long to be repeated, as in DuckDB's own ways: such as JSON of JSON of JSON."""
    return sum(1 for _ in text.walk()) > 300


def _are_names(steps: list[str]) -> bool:
    """Whether a path is one that DuckDB follows as Trino does: keys alone, and none that may be an index."""
    return bool(steps) and all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", step) for step in steps)


def _steps(path: exp.Expr) -> list[str]:
    """A path's keys and indexes."""
    if isinstance(path, exp.Literal) and path.is_string:
        try:
            path = parse_path(path.name)
        except SqlglotError:
            raise NotSupported(f"the JSON path {path.name}") from None
    parts = path.expressions[1:] if isinstance(path, exp.JSONPath) else [path]
    for part in parts:
        if not isinstance(part, exp.JSONPathKey | exp.JSONPathSubscript) or not isinstance(part.this, str | int):
            raise NotSupported("a JSON path that is not a literal of keys and indexes")
        if isinstance(part.this, int) and part.this < 0:
            raise NotSupported("a negative index in a JSON path")
    return [str(part.this) for part in parts]


def _call(node: exp.Expr, name: str, *arguments: exp.Expr | str) -> exp.Expr:
    """A call that is as the node; where its failure would only make TRY give NULL, one that does not fail.

    DuckDB's TRY does the rows around a failure one by one.
    """
    around = node.parent
    while isinstance(
        around, exp.Cast | exp.ParseJSON | exp.JSONExtract | exp.JSONExtractScalar | exp.Paren | exp.MapKeys
    ):
        around = around.parent
    safe = isinstance(around, exp.Try) or isinstance(node, exp.TryCast)
    return call(PREFIX + ("try_" if safe else "") + name, *arguments)
