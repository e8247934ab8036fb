"""Text as Trino cuts, compares and searches it."""

import re
from functools import reduce

from sqlglot import exp

from local_aws.athena import regexps
from local_aws.athena.errors import NotSupported
from local_aws.athena.expressions import INTEGERS, TEXTS, array_depth, call, duck, element_type, failure, typed

#: What Java holds for white space; DuckDB by itself trims other characters.
_WHITE_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2008\u2009\u200a\u2028\u2029\u205f\u3000"
)


def upper(node: exp.Upper) -> exp.Expr:
    # The one letter that DuckDB changes and Java, character by character, does not
    return duck(
        "CASE WHEN contains(:s, 'ß') THEN array_to_string(list_transform(string_split(:s, 'ß'), "
        "lambda part: upper(part)), 'ß') ELSE upper(:s) END",
        s=node.this,
    )


def concat(node: exp.Concat | exp.DPipe) -> exp.Expr:
    """Text, or arrays, or an array and an element; NULL as soon as one of them is."""
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    depth = max(array_depth(part.type) for part in parts)
    if not depth:
        if any(isinstance(part, exp.Null) for part in parts):
            return exp.cast(exp.Null(), "varchar")
        joined: list[exp.Expr] = [exp.Paren(this=part.copy()) for part in parts]
        both = reduce(lambda left, right: exp.DPipe(this=left, expression=right, safe=False), joined)
        return exp.Paren(this=both) if isinstance(node, exp.Concat) else node
    lists = [part if array_depth(part.type) == depth else exp.Array(expressions=[part.copy()]) for part in parts]
    some_null = exp.or_(*(exp.Is(this=part.copy(), expression=exp.Null()) for part in parts))
    whole = reduce(lambda left, right: call("list_concat", left, right), lists)
    result = duck("CASE WHEN NOT (:n) THEN :l END", n=some_null, l=whole)
    return typed(result, next(part.type for part in parts if array_depth(part.type) == depth))


def split_part(node: exp.SplitPart) -> exp.Expr:
    index = node.args["part_index"]
    if not (isinstance(index, exp.Literal) and int(index.this) > 0):
        failed = failure("INVALID_FUNCTION_ARGUMENT: Index must be greater than zero")
        index = duck("CASE WHEN :i > 0 THEN :i WHEN :i <= 0 THEN :f END", i=index, f=failed)
    return call("list_extract", call("string_split", node.this, node.args["delimiter"]), index)


def split(node: exp.Split) -> exp.Expr:
    if node.args.get("limit") or not (isinstance(node.expression, exp.Literal) and node.expression.name):
        raise NotSupported("split with a limit, or at anything but a literal that is not empty")
    return typed(call("string_split", node.this, node.expression), "array<varchar>")


def pad(node: exp.Pad) -> exp.Expr:
    size, filling = node.expression, node.args.get("fill_pattern")
    if not (isinstance(size, exp.Literal) and isinstance(filling, exp.Literal) and filling.name):
        raise NotSupported("lpad and rpad with a length or a filling that is no literal")
    return typed(call("lpad" if node.args.get("is_left") else "rpad", node.this, size, filling), "varchar")


def array_join(node: exp.ArrayToString) -> exp.Expr:
    kind = element_type(node.this)
    if kind is None or kind.this not in TEXTS | INTEGERS:
        raise NotSupported("array_join of anything but texts or integers")
    return node


def substring(node: exp.Substring) -> exp.Expr:
    start, length = node.args["start"], node.args.get("length")
    if length and not isinstance(length, exp.Literal):
        length = call("greatest", length, 0)
    cut = call("substring", node.this, start, *([length] if length else []))
    if isinstance(start, exp.Literal) and int(start.this) > 0:
        return cut
    return duck("CASE WHEN :p = 0 OR :p < -length(:s) THEN '' ELSE :c END", p=start, s=node.this, c=cut)


def trim(node: exp.Trim) -> exp.Expr:
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    if node.expression:
        return call(function, node.this, node.expression)
    # Most texts begin and end with a visible ASCII character. To find that takes a tenth of the time of a trim.
    return duck(
        "CASE WHEN ascii(:s) BETWEEN 33 AND 126 AND ascii(:last) BETWEEN 33 AND 126 THEN :s ELSE :t END",
        s=node.this,
        last=call("array_extract", node.this, -1),
        t=call(function, node.this, _WHITE_SPACE),
    )


def replace(node: exp.Replace) -> exp.Expr:
    if not (isinstance(node.expression, exp.Literal) and node.expression.this):
        raise NotSupported("replace of anything but a literal that is not empty")
    return call("replace", node.this, node.expression, node.args.get("replacement") or "")


def _converted(pattern: exp.Expr) -> regexps.Converted | None:
    """A literal pattern, converted; None where the pattern is known only when the query runs."""
    return regexps.convert(pattern.this) if isinstance(pattern, exp.Literal) and pattern.is_string else None


def regexp_like(node: exp.RegexpLike) -> exp.Expr:
    converted = _converted(node.expression)
    if converted and converted.re2 is not None:
        return call("regexp_matches", node.this, converted.re2)
    return call(regexps.PREFIX + "like", node.this, node.expression)


def regexp_extract(node: exp.RegexpExtract) -> exp.Expr:
    if node.args.get("position") or node.args.get("occurrence"):
        raise NotSupported("regexp_extract with more than a group")
    group = node.args.get("group") or exp.Literal.number(0)
    converted = _converted(node.expression)
    if not (converted and converted.re2 is not None and _re2_extracts(converted, group)):
        return call(regexps.PREFIX + "extract", node.this, node.expression, group)
    found = call("regexp_extract", node.this, converted.re2, group)
    return duck("CASE WHEN regexp_matches(:s, :p) THEN :c END", s=node.this, p=exp.convert(converted.re2), c=found)


def _re2_extracts(converted: regexps.Converted, group: exp.Expr) -> bool:
    """Whether RE2 finds the same group: for one that took no part in the match it gives '', where Trino has NULL."""
    if converted.python is None:
        return group.name == "0"
    has_group = isinstance(group, exp.Literal) and int(group.name) <= re.compile(converted.python).groups
    may_be_absent = re.search(r"\)[?*{]|\|", converted.python) is not None
    return has_group and not converted.only_finds and (group.name == "0" or not may_be_absent)


def regexp_replace(node: exp.RegexpReplace) -> exp.Expr:
    replacement = node.args.get("replacement") or exp.Literal.string("")
    if not (isinstance(replacement, exp.Literal) and replacement.is_string) or "\\" in replacement.this:
        raise NotSupported("regexp_replace with a replacement that is not a plain literal")
    if re.search(r"\$(?!\d)", replacement.this):
        raise NotSupported("regexp_replace with a named group")
    converted = _converted(node.expression)
    if converted and converted.python is None:
        raise NotSupported(f"regexp_replace of {node.expression.name}")
    # Never by RE2, which counts empty matches otherwise
    return call(regexps.PREFIX + "replace", node.this, node.expression, replacement)
