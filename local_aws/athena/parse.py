"""Parses Athena's SQL into one statement, and rejects at once what Athena's own parser would not take."""

import re
from itertools import zip_longest

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import TokenType

from local_aws.athena.errors import MalformedQuery


def parse(sql: str, parameters: list[str] | None = None) -> exp.Expr:
    """The one statement in ``sql``, with ``?`` replaced by ``parameters`` (SQL literals); raises ``MalformedQuery``."""
    try:
        if parameters:
            sql = _fill(sql, parameters)
        _check_numbers(sql)
        statements = [statement for statement in sqlglot.parse(sql, read="athena") if statement is not None]
    except (ParseError, TokenError) as error:
        raise MalformedQuery(_error_text(error)) from None
    if len(statements) != 1:
        raise MalformedQuery("Only one sql statement is allowed." if statements else "Query string is empty")
    if isinstance(statements[0], exp.Query | exp.Values):
        first = (_without_comments(sql).lstrip("( \t\r\n").split() or [""])[0]
        if not re.match(r"(?i)(select|with|values)\b", first):
            raise MalformedQuery(f"line 1:1: mismatched input '{first}'. Expecting: 'SELECT', 'WITH', 'VALUES'")
    if statements[0].find(exp.Placeholder):
        raise MalformedQuery("Incorrect number of parameters: the statement has more ? than there are parameters")
    return statements[0]


def position(node: exp.Expr | None, sql: str) -> str:
    """Where an identifier stands in the statement, as ``line:column``."""
    start = node.meta.get("start") if node is not None else None
    return "1:1" if start is None else _line_and_column(sql, start)


def _line_and_column(sql: str, offset: int) -> str:
    return f"{sql.count(chr(10), 0, offset) + 1}:{offset - sql.rfind(chr(10), 0, offset)}"


def _without_comments(sql: str) -> str:
    """The statement without the comments before it."""
    return re.sub(r"(?s)\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", "", sql)


def _check_numbers(sql: str) -> None:
    """Rejects 1_000, 0x1F and 1a, which sqlglot takes for a number, or for one with an alias."""
    tokens = sqlglot.tokenize(sql, read="athena")
    for token, following in zip_longest(tokens, tokens[1:]):
        runs_on = following is not None and following.start == token.end + 1 and re.match(r"\w", following.text)
        is_number = token.token_type == TokenType.NUMBER
        if (is_number and runs_on) or (token.token_type == TokenType.HEX_STRING and sql[token.start] == "0"):
            raise MalformedQuery(
                f"line {_line_and_column(sql, token.start)}: identifiers must not start with a digit; surround the "
                "identifier with double quotes"
            )


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


def _error_text(error: Exception) -> str:
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    if not first:
        return f"mismatched input: {error}".split("\n")[0]
    return f"line {first['line']}:{first['col']}: mismatched input '{first['highlight']}'. {first['description']}"
