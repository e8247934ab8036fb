"""Arrays and maps."""

from sqlglot import exp

from local_aws.athena.errors import NotSupported
from local_aws.athena.expressions import ARRAYS, INTEGERS, call, duck, failure, has_type, message


def sequence(node: exp.GenerateSeries) -> exp.Expr:
    ends = [node.args[end] for end in ("start", "end", "step") if node.args.get(end)]
    if not all(has_type(end, INTEGERS) for end in ends):
        raise NotSupported("sequence of anything but integers")
    if len(ends) == 2:
        up, down = call("generate_series", *ends), call("generate_series", *ends, -1)
        return duck("CASE WHEN :a <= :b THEN :u WHEN :a > :b THEN :d END", a=ends[0], b=ends[1], u=up, d=down)
    return duck(
        "generate_series(:a, :b, CASE WHEN :s = 0 OR (:b > :a AND :s < 0) OR (:b < :a AND :s > 0) "
        "THEN CAST(:e AS BIGINT) ELSE :s END)",
        a=ends[0],
        b=ends[1],
        s=ends[2],
        e=message("INVALID_FUNCTION_ARGUMENT: sequence's step must lead from its start to its stop"),
    )


def cardinality(node: exp.ArraySize) -> exp.Expr:
    return exp.cast(call("cardinality" if has_type(node.this, {exp.DType.MAP}) else "len", node.this), "bigint")


def element_at(node: exp.Bracket) -> exp.Expr:
    """element_at, and the subscript [], which fails where there is no such element."""
    index, safe = node.expressions[0], bool(node.args.get("safe"))
    if has_type(node.this, {exp.DType.MAP}):
        if safe:
            return node
        failed = failure("INVALID_FUNCTION_ARGUMENT: Key not present in map", "boolean")
        found = exp.Bracket(this=node.this.copy(), expressions=[index.copy()], offset=1, safe=True)
        missing = duck("NOT list_contains(map_keys(:m), :k)", m=node.this, k=index)
        return duck("CASE WHEN CASE WHEN :x THEN :f ELSE true END THEN :v END", x=missing, f=failed, v=found)
    if not has_type(node.this, ARRAYS):
        raise NotSupported("an element of a value whose type is not evident")
    if not safe and isinstance(index, exp.Literal):
        index = exp.Literal.number(int(index.this) + 1)  # sqlglot counts from 0
    failures = {"0": "SQL array indices start at 1"}
    if not safe:
        failures |= {
            "-1": "Array subscript is negative",
            "1": "Array subscript must be less than or equal to array length",
        }
    checked = index
    for case, text in failures.items():
        failed = failure(f"INVALID_FUNCTION_ARGUMENT: {text}")
        condition = {"0": ":i = 0", "-1": ":i < 0", "1": ":i > len(:a)"}[case]
        checked = duck(f"CASE WHEN {condition} THEN :f ELSE :c END", i=index, a=node.this, f=failed, c=checked)
    certain = safe and isinstance(index, exp.Literal) and index.this != "0"
    return call("list_extract", node.this, index if certain else checked)


def unnest(node: exp.Unnest) -> exp.Expr:
    if len(node.expressions) != 1 or has_type(node.expressions[0], {exp.DType.MAP}):
        raise NotSupported("UNNEST of a map or of several arrays")
    return node
