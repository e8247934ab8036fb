"""Leaves out of a scan the objects that constants in its WHERE exclude by ``"$path"``, so that none of them is opened.

As in Athena only constants do so. The predicate stays in the query.
"""

from dataclasses import replace

from sqlglot import exp

from local_aws.athena.tables import Table


def prune(table: Table, node: exp.Table) -> Table:
    """The table with the objects that the SELECT around ``node`` may need of it."""
    select = node.find_ancestor(exp.Select)
    where = select.args.get("where") if select else None
    if "objects" not in table.source or select is None or where is None:
        return table
    # A name without a table is this table's where no other can have it. (NULL passes no comparison, so what holds for
    # the rows of an outer join holds for the table's rows.)
    alone = all(isinstance(join.this, exp.Unnest) for join in select.args.get("joins") or ())
    names = {node.alias_or_name.lower(), *([""] if alone else [])}
    objects = [item for item in table.source["objects"] if _holds(where.this, item["uri"], names) is not False]
    return replace(table, source={**table.source, "objects": objects, "bytes": sum(item["size"] for item in objects)})


def _holds(node: exp.Expr, path: str, names: set[str]) -> bool | None:
    """Whether a condition holds for the rows of this path; None if it depends on more than the path."""
    if isinstance(node, exp.Paren):
        return _holds(node.this, path, names)
    if isinstance(node, exp.Not):
        inner = _holds(node.this, path, names)
        return None if inner is None else not inner
    if isinstance(node, exp.And | exp.Or):
        sides = {_holds(side, path, names) for side in (node.left, node.right)}
        decisive = isinstance(node, exp.Or)
        return decisive if decisive in sides else None if None in sides else not decisive
    if isinstance(node, exp.EQ | exp.NEQ):
        sides_of = (node.left, node.right), (node.right, node.left)
        for column, value in sides_of:
            if _is_path(column, names) and _is_text(value):
                return bool((value.name == path) == isinstance(node, exp.EQ))
    if isinstance(node, exp.In) and _is_path(node.this, names) and node.expressions:
        values = {value.name if _is_text(value) else None for value in node.expressions}
        return None if None in values else path in values
    return None


def _is_path(node: exp.Expr, names: set[str]) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == "$path" and node.table.lower() in names


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string
