"""Trino's checks of types before a query runs, where DuckDB would convert a value silently."""

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.expressions import ARRAYS, NESTED, element_type, family, has_type, type_family, type_name

_SYMBOLS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
_OF_TEXT = (exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring, exp.RegexpLike, exp.Replace)
_ORDERING = (exp.Min, exp.Max, exp.Greatest, exp.Least)


def check_types(node: exp.Expr) -> None:
    """Raises ``QueryFailed`` where Trino would not apply this operator or function to operands of these types."""
    if isinstance(node, _ARITHMETIC):
        _check_arithmetic(node)
    elif type(node) in _SYMBOLS:
        _must_agree(_SYMBOLS[type(node)], node.this, node.expression)
    elif isinstance(node, exp.Between):
        _must_agree("<=", node.this, node.args["low"], node.args["high"])
    elif isinstance(node, exp.In):
        query = node.args.get("query")
        _must_agree("=", node.this, *node.expressions, *(query.this.selects[:1] if query else []))
    elif isinstance(node, exp.DPipe | exp.Concat):
        operands = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
        if any(has_type(operand, ARRAYS) for operand in operands):
            _check_array_concatenation(operands)
        else:
            _must_be(("text",), "varchar is expected; cast it", *operands)
    elif isinstance(node, exp.Like):
        _must_be(("text",), "varchar is expected; cast it", node.this, node.expression)
    elif isinstance(node, exp.And | exp.Or | exp.Not | exp.Where | exp.Having):
        _must_be(("boolean",), "boolean is expected", node.this, node.args.get("expression"))
    elif isinstance(node, exp.Case):
        _must_agree("CASE", *(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default"))
        if node.this:
            _must_agree("=", node.this, *(branch.this for branch in node.args["ifs"]))
    elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        _must_agree("IF", node.args["true"], node.args.get("false"))
    elif isinstance(node, exp.Array):
        _must_agree("ARRAY", *node.expressions)
    elif isinstance(node, exp.ArrayContains):
        _check_contains(node)
    elif isinstance(node, exp.Values):
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        for column in zip(*rows, strict=False):
            _must_agree("VALUES", *column)
    elif isinstance(node, _OF_TEXT):
        if family(node.this) not in ("text", None):
            raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({type_name(node.this)}) for {node.key}")
    elif isinstance(node, exp.Nullif):
        _must_agree("=", node.this, node.expression)
    elif isinstance(node, exp.SetOperation):
        for left, right in zip(node.left.selects, node.right.selects, strict=False):
            _must_agree(node.key.upper(), left, right)
    if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        _must_agree(node.key, node.this, *node.expressions)
    if isinstance(node, _ORDERING) and has_type(node.this, NESTED | {exp.DType.JSON}):
        raise NotSupported(f"{node.key} of {type_name(node.this)}")
    if (
        isinstance(node, exp.LT | exp.LTE | exp.GT | exp.GTE | exp.Between | exp.Ordered)
        and family(node.this) == "json"
    ):
        raise QueryFailed("TYPE_MISMATCH: line 1:1: Values of type json have no order")
    if isinstance(node, exp.Group) and any(has_type(key, {exp.DType.MAP}) for key in node.expressions):
        raise NotSupported("GROUP BY a map")


def _must_agree(operator: str, *nodes: exp.Expr | None) -> None:
    known = [node for node in nodes if node is not None and family(node)]
    for other in known[1:]:
        if family(other) != family(known[0]):
            names = type_name(known[0]), type_name(other)
            raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Cannot apply operator: {names[0]} {operator} {names[1]}")


def _must_be(families: tuple[str, ...], expected: str, *nodes: exp.Expr | None) -> None:
    for node in nodes:
        if node is not None and family(node) not in (*families, None):
            raise QueryFailed(f"TYPE_MISMATCH: line 1:1: {type_name(node)} where {expected}")


def _check_arithmetic(node: exp.Expr) -> None:
    sides = node.this, node.expression
    families = {family(side) for side in sides}
    if families == {"time"} and isinstance(node, exp.Sub):
        raise NotSupported("the difference of two times (use date_diff)")
    has_interval = any(isinstance(side, exp.Interval) for side in sides)
    if families & {"text", "boolean", "array", "map"} or ("time" in families and not has_interval):
        names = type_name(node.this), type_name(node.expression)
        symbol = _SYMBOLS[type(node)]
        raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Cannot apply operator: {names[0]} {symbol} {names[1]}")


def _check_array_concatenation(operands: list[exp.Expr]) -> None:
    """Arrays, or an array and one element, of one family."""
    kinds = [element_type(operand) if has_type(operand, ARRAYS) else operand.type for operand in operands]
    families = {type_family(kind) for kind in kinds} - {None, "array"}
    if len(families) > 1:
        names = ", ".join(map(type_name, operands))
        raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({names}) for function concat")


def _check_contains(node: exp.ArrayContains) -> None:
    families = {type_family(element_type(node.this)), family(node.expression)} - {None}
    if len(families) > 1:
        names = f"{type_name(node.this)}, {type_name(node.expression)}"
        raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Unexpected parameters ({names}) for function contains")
