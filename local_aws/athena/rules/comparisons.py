"""Comparisons in three-valued logic: of arrays and rows that hold NULL, and of NaN, which DuckDB orders and equates."""

from sqlglot import exp

from local_aws.athena.errors import NotSupported
from local_aws.athena.expressions import ARRAYS, FLOATS, NESTED, duck, element_type, failure, has_type, type_name, typed

#: For each comparison whose answer DuckDB gives as true for a NaN on that side (NaN is its greatest number).
_NAN_SIDES: dict[type[exp.Expr], str] = {
    exp.EQ: "a",
    exp.GT: "a",
    exp.GTE: "a",
    exp.LT: "b",
    exp.LTE: "b",
    exp.NEQ: "a",
}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def compare(node: exp.Expr) -> exp.Expr:
    """=, <>, <, <=, > and >=."""
    a, b = node.this, node.expression
    if isinstance(a, exp.Tuple) or isinstance(b, exp.Tuple):
        return _compare_rows(node)
    if has_type(a, ARRAYS) or has_type(b, ARRAYS):
        return _compare_arrays(node)
    if has_type(a, NESTED) or has_type(b, NESTED):
        raise NotSupported(f"the comparison of a {type_name(a if has_type(a, NESTED) else b)}")
    return _compare_floats(node)


def equal(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    """a = b, as a new node."""
    return exp.Paren(this=compare(exp.EQ(this=a.copy(), expression=b.copy())))


def _can_be_nan(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    return has_type(node, FLOATS) and not isinstance(node, exp.Literal)


def _compare_floats(node: exp.Expr) -> exp.Expr:
    a, b = node.this, node.expression
    if isinstance(node, exp.EQ | exp.NEQ):
        if not (_can_be_nan(a) and _can_be_nan(b)):
            return node  # a NaN equals no number in DuckDB either
        if isinstance(node, exp.EQ) and _is_join_condition(node):
            # stays an equality, for the sake of a hash join; NULL joins nothing either
            return exp.EQ(this=duck("CASE WHEN NOT isnan(:a) THEN :a END", a=a), expression=b.copy())
    side, other = (a, b) if _NAN_SIDES[type(node)] == "a" else (b, a)
    if not _can_be_nan(side):
        return node
    plain = exp.Paren(this=node.copy())
    if isinstance(node, exp.NEQ):
        return duck("(:p OR (isnan(:s) AND :o IS NOT NULL))", p=plain, s=side, o=other)
    return duck("(:p AND NOT (isnan(:s) AND :o IS NOT NULL))", p=plain, s=side, o=other)


def _is_join_condition(node: exp.Expr) -> bool:
    child, parent = node, node.parent
    while isinstance(parent, exp.And | exp.Paren):
        child, parent = parent, parent.parent
    return isinstance(parent, exp.Join) and child.arg_key == "on"


def _compare_rows(node: exp.Expr) -> exp.Expr:
    a, b = node.this, node.expression
    rows = isinstance(a, exp.Tuple) and isinstance(b, exp.Tuple) and len(a.expressions) == len(b.expressions)
    if not (rows and isinstance(node, exp.EQ | exp.NEQ)):
        raise NotSupported("a comparison of rows other than = and <> with a row of the same length")
    same = exp.and_(*(equal(*pair) for pair in zip(a.expressions, b.expressions, strict=True)))
    return exp.Paren(this=same) if isinstance(node, exp.EQ) else exp.Not(this=exp.Paren(this=same))


def _compare_arrays(node: exp.Expr) -> exp.Expr:
    a, b = node.this, node.expression
    kinds = [element_type(side) for side in (a, b) if has_type(side, ARRAYS)]
    if any(kind is None or kind.this in NESTED | FLOATS for kind in kinds):
        raise NotSupported(f"the comparison of {type_name(a)} and {type_name(b)}")
    if not isinstance(node, exp.EQ | exp.NEQ):
        return duck(
            "CASE WHEN list_count(:a) < len(:a) OR list_count(:b) < len(:b) THEN :f "
            f"ELSE :a {_OPERATORS[type(node)]} :b END",
            a=a,
            b=b,
            f=failure("NOT_SUPPORTED: ARRAY comparison not supported for arrays with null elements", "boolean"),
        )
    # Different for certain where two elements are; unknown where only NULL is in the way
    same = duck(
        "CASE WHEN list_count(:a) = len(:a) AND list_count(:b) = len(:b) THEN :a = :b WHEN len(:a) <> len(:b) "
        "OR NOT list_bool_and(list_transform(list_zip(:a, :b), lambda pair: pair[1] = pair[2])) THEN false END",
        a=a,
        b=b,
    )
    return same if isinstance(node, exp.EQ) else exp.Not(this=exp.Paren(this=same))


def contains(node: exp.ArrayContains) -> exp.Expr:
    kind = element_type(node.this)
    if has_type(node.expression, NESTED) or (kind is not None and kind.this in NESTED):
        raise NotSupported("contains of an array of arrays, maps or rows")
    found = duck(
        "CASE WHEN list_contains(:a, :x) THEN true WHEN :x IS NULL OR list_count(:a) < len(:a) THEN NULL "
        "WHEN :a IS NOT NULL THEN false END",
        a=node.this,
        x=node.expression,
    )
    if _can_be_nan(node.expression):
        return duck(
            "CASE WHEN isnan(:x) AND len(:a) = list_count(:a) THEN false WHEN isnan(:x) THEN NULL ELSE :f END",
            a=node.this,
            x=node.expression,
            f=found,
        )
    return found


def between(node: exp.Between) -> exp.Expr:
    value, low, high = node.this, node.args["low"], node.args["high"]
    if not any(has_type(part, NESTED) or _can_be_nan(part) for part in (value, low, high)):
        return node
    least = compare(exp.GTE(this=value.copy(), expression=low.copy()))
    most = compare(exp.LTE(this=value.copy(), expression=high.copy()))
    return exp.Paren(this=exp.And(this=exp.Paren(this=least), expression=exp.Paren(this=most)))


def is_in(node: exp.In) -> exp.Expr:
    value = node.this
    if node.args.get("query"):
        if has_type(value, NESTED):
            raise NotSupported(f"IN (subquery) with a {type_name(value)}")
        if _can_be_nan(value):
            failed = failure("NOT_SUPPORTED: NaN IN (subquery) is not supported by the local Athena", value.type)
            node.set("this", duck("CASE WHEN isnan(:v) THEN :f ELSE :v END", v=value, f=failed))
        return node
    special = isinstance(value, exp.Tuple) or has_type(value, NESTED)
    if not special and not (_can_be_nan(value) and any(map(_can_be_nan, node.expressions))):
        return node
    return exp.Paren(this=exp.or_(*(equal(value, other) for other in node.expressions)))


def nullif(node: exp.Nullif) -> exp.Expr:
    a, b = node.this, node.expression
    if not (has_type(a, NESTED) or (_can_be_nan(a) and _can_be_nan(b))):
        return node
    return typed(duck("CASE WHEN :e THEN NULL ELSE :a END", e=equal(a, b), a=a), a.type)


def case(node: exp.Case) -> exp.Expr:
    """CASE value WHEN …: with conditions, where = is not DuckDB's."""
    value = node.this
    if not value or not (has_type(value, NESTED) or isinstance(value, exp.Tuple) or _can_be_nan(value)):
        return node
    replaced = node.copy()
    for branch in replaced.args["ifs"]:
        branch.set("this", equal(value, branch.this))
    replaced.set("this", None)
    return replaced
