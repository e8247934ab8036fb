"""What the local Athena answers is what Trino 414 answers to the same statement, or it refuses by name.

``trino_answers.jsonl`` has the statements and answers: names, types and rows as Athena prints them, or an error.
``trino_json.jsonl`` has what JSON functions make of texts, most of them malformed.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from sqlglot import exp

from local_aws.athena import engine, jsonvalues, regexps
from local_aws.athena.errors import MalformedQuery, NotSupported, QueryFailed
from local_aws.athena.parse import parse
from local_aws.athena.translate import translate
from local_aws.athena.values import UnprintableType, column_info, formatter

CASES = [json.loads(line) for line in Path(__file__).with_name("trino_answers.jsonl").read_text().splitlines()]

JSON_EXPRESSIONS, *JSON_CASES = map(json.loads, Path(__file__).with_name("trino_json.jsonl").read_text().splitlines())

_DIGITS = "whether Athena prints milliseconds of a timestamp(0) is not known; tables have timestamp(3) or (6)"
EXCEPTIONS = {
    "select date_trunc('hour', timestamp '2024-05-29 10:11:12')": _DIGITS,
    "select timestamp '2020-01-01'": _DIGITS,
    "select timestamp '2020-07-01 00:00:00 Europe/Paris' at time zone 'UTC'": _DIGITS,
    "select approx_distinct(x) from unnest(sequence(1, 10000)) t(x)": "an approximation; the local one is exact",
    "select concat('a', null)": "Trino takes an untyped NULL for an array; the value is NULL here too",
}
#: At least so many are answered or fail as in Trino, and so many at most are refused.
ANSWERED, REFUSED = 230, 95


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    connection = engine.connect()
    spill = str(tmp_path_factory.mktemp("spill"))
    job = {"endpoint": "http://127.0.0.1:9", "memory": "1GB", "spill": spill, "key": "k", "region": "us-east-1"}
    engine.configure(connection, job)
    regexps.register(connection)
    jsonvalues.register(connection)
    engine.lock(connection, [])
    return connection


def no_table(database, table, version):
    raise QueryFailed(f"TABLE_NOT_FOUND: line {{position}}: Table '{database}.{table}' does not exist")


def answer(connection, sql):
    """Names, types and rows as the local Athena gives them; raises ``QueryFailed`` with its reason."""
    try:
        statement = parse(sql)
    except MalformedQuery as error:
        raise QueryFailed(str(error)) from None
    if not isinstance(statement, exp.Query):
        raise NotSupported("anything but a query")
    query = translate(statement, sql, "tests", no_table)
    try:
        connection.execute(query.sql)
        kinds = [kind for _, kind, *_ in connection.description]
        columns = [column_info(name, kind) for name, kind in zip(query.names, kinds, strict=True)]
        formatters = [formatter(kind) for kind in kinds]
        rows = [[print_(v) for print_, v in zip(formatters, row, strict=True)] for row in connection.fetchall()]
    except UnprintableType as error:
        raise NotSupported(f"a result of type {error}") from None
    except OverflowError as error:
        raise QueryFailed(str(error)) from None
    except engine.duckdb.Error as error:
        raise QueryFailed(engine.athena_error(error)) from None
    return query.names, [local_type(column) for column in columns], rows


def local_type(column):
    is_decimal = column["Type"] == "decimal"
    return f"decimal({column['Precision']},{column['Scale']})" if is_decimal else column["Type"]


def athena_type(trino):
    """Trino's type as GetQueryResults names it."""
    if trino.startswith("decimal"):
        return trino
    name, _, rest = trino.partition("(")
    return {"real": "float"}.get(name, name) + (" with time zone" if rest.endswith("with time zone") else "")


def judge(connection, case):
    """What came of a statement (answered, refused or wrong), and what to say of it."""
    try:
        names, types, rows = answer(connection, case["sql"])
    except QueryFailed as error:
        if "error" in case:
            return "answered", ""
        return ("refused" if str(error).startswith("NOT_SUPPORTED: ") else "wrong"), f"failed: {error}"
    if "error" in case:
        return "wrong", f"is answered with {rows}, but fails in Trino: {case['error']}"
    expected = case["names"], [athena_type(kind) for kind in case["types"]], case["rows"]
    if "order by" not in case["sql"]:
        rows, expected = sorted(rows, key=str), (*expected[:2], sorted(expected[2], key=str))
    got = ([name.lower() for name in names], types, rows)
    expected = ([name.lower() for name in expected[0]], *expected[1:])
    return ("answered", "") if got == expected else ("wrong", f"is {got[1:]}, in Trino {expected[1:]}")


def test_no_answer_is_another_than_trinos(connection):
    outcomes, wrong, refused = Counter(), [], []
    for case in CASES:
        outcome, why = judge(connection, case)
        outcomes[outcome] += 1
        if outcome == "wrong" and case["sql"] not in EXCEPTIONS:
            wrong.append(f"{case['sql']}\n    {why}")
        if outcome == "answered" and case["sql"] in EXCEPTIONS:
            wrong.append(f"{case['sql']}\n    is answered as in Trino: no exception any more")
        if outcome == "refused":
            refused.append(f"{case['sql']}\n    {why}")
    assert not wrong, f"{len(wrong)} of {len(CASES)} are wrong:\n" + "\n".join(wrong)
    assert outcomes["answered"] >= ANSWERED and outcomes["refused"] <= REFUSED, f"{outcomes}\n" + "\n".join(refused)


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case["text"][:30])
def test_json_functions_read_a_text_as_far_as_trino_does(connection, case):
    text = case["text"].replace("'", "''")
    for expression, expected in zip(JSON_EXPRESSIONS["expressions"], case["answers"], strict=True):
        relations = [f"(values '{text}') as t(x)"]
        if expression.startswith("json_extract_scalar(x"):
            relations.append(f"(select '{text}' as x) as t")  # the value is taken where this is read
        for relation in relations:
            try:
                got = answer(connection, f"select {expression} from {relation}")[2][0][0]
            except QueryFailed as error:
                got = f"error: {str(error).split(':')[0]}"
            assert got == expected, (expression, relation)


#: Beyond the statements that Trino was asked: what follows from its rules.
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("array[1, null] <> array[1, 2]", None),
        ("array[1, 2] <> array[1, 3]", "true"),
        ("array['a'] = array['a', null]", "false"),
        ("array[1, 2] in (array[1, null])", None),
        ("contains(array[1, 2], cast(null as integer))", None),
        ("contains(array[1, null], 1)", "true"),
        ("(1, null) = (1, 2)", None),
        ("(1, 2) <> (2, null)", "true"),
        ("(1, 2) in ((1, null), (1, 2))", "true"),
        ("0e0 / 0 = 0e0 / 0", "false"),
        ("0e0 / 0 <> 0e0 / 0", "true"),
        ("0e0 / 0 > 1e0", "false"),
        ("0e0 / 0 between 0e0 and 1e0", "false"),
        ("cast(1 as real) / 3", "0.33333334"),
        ("sum(x) filter (where x > 1.2) from (values real '1.1', real '2.2') as t(x)", "2.2"),
        ("avg(x) over () from (values real '1.1', real '2.2') as t(x) limit 1", "1.6500001"),
        ("split_part('a,b,c', ',', x) from (values 3) as t(x)", "c"),
        ("upper('aßẞé')", "AßẞÉ"),
        ("array[1] || 2", "[1, 2]"),
        ("1 || array[2]", "[1, 2]"),
        ("array[1] || cast(null as integer)", None),
        ("array[array[1]] || array[2]", "[[1], [2]]"),
        ("concat(array[1], 2)", "[1, 2]"),
        ("sum(x) from (values (1, 2)) as t(k, x) group by k having sum(x) > 1 and k in (select 1)", "2"),
        ("element_at(array[1, 2], -1)", "2"),
        ("array[1, 2][x] from (values 2) as t(x)", "2"),
        ("x[1] from (values array['q']) as t(x)", "q"),
        ("map(array['a'], array[1])['a']", "1"),
        ("sqrt(-1)", "NaN"),
        ("ln(0)", "-Infinity"),
        ("bitwise_and(5, 3) + 1", "2"),
        ("timestamp '2020-01-01 10:00:00 +01:00' at time zone 'UTC'", "2020-01-01 09:00:00.000 UTC"),
        ("to_unixtime(timestamp '1970-01-01 01:00:00 +01:00')", "0.0"),
        ("cast('2020-01-01 10:11:12.3456' as timestamp)", "2020-01-01 10:11:12.346"),
        ("cast(timestamp '2020-01-01 10:11:12.9999' as timestamp(0))", "2020-01-01 10:11:13.000"),
        ("cast(x as timestamp) from (values '1969-12-31 23:59:59.9994') as t(x)", "1969-12-31 23:59:59.999"),
        ("cast(cast('2020-01-01' as timestamp) as varchar)", "2020-01-01 00:00:00.000"),
        ("length(cast(now() as varchar))", "27"),
        ("cast(x as date) from (values '983-01-01') as t(x)", "0983-01-01"),
        ("try_cast(12345 as varchar(3))", None),
        ("cast('abc' as varchar(2))", "ab"),
        ("regexp_extract('abab', '(ab)\\1')", "abab"),
        ("regexp_like('foobar', 'foo(?!baz)')", "true"),
        ("regexp_like('aab', '^a++b$')", "true"),
        ("regexp_extract('ab', '(x)?ab', 1)", None),
        ("regexp_replace('abxd', 'x*', '-')", "-a-b--d-"),
        ("regexp_replace('ab', '(?<=a)(b)', '<$1>')", "a<b>"),
        ("regexp_like(x, '(?<=a)' || x) from (values 'b') as t(x)", "false"),
        ('json_extract_scalar(\'{"a": -0, "b": "1"}\', \'$.a\')', "-0"),
        ("json_extract_scalar('[\"x\\\"1\", 0.10]', '$[1]')", "0.10"),
        ('json_extract_scalar(\'{"b": "1.0", "a": "1.0"}\', \'$.b\')', "1.0"),
        ('json_extract_scalar(\'{"o": {"a": 1.0}, "a": 1.00}\', \'$.a\')', "1.00"),
        ('json_extract_scalar(\'{"o": {"a": 1.0}, "a": 1.00}\', \'$.o.a\')', "1.0"),
        ('json_extract_scalar(\'{"x": "\\"a\\":2.50", "a": 1.00}\', \'$.a\')', "1.00"),
        ("json_extract_scalar('{\"a\": \"{1\"}', '$.a')", "{1"),
        ('json_extract_scalar(\'{"o": [], "a": "{1"}\', \'$.a\')', "{1"),
        ('json_extract_scalar(\'{"a": {"b": 1}, "a": {"c": 2}}\', \'$.a.c\')', None),
        ("cast(json_extract_scalar('{\"a\": 5}', '$.a') as bigint) + 1", "6"),
        ("try(cast(json_extract_scalar('{\"a\": \"x\"}', '$.a') as bigint))", None),
        ("try(json_parse('x'))", None),
        ("coalesce(try(json_parse(x)), json_parse('1')) from (values '{') as t(x)", "1"),
        ("try(cast(json_parse('[1]') as map(varchar, json)))", None),
        ("json_parse('{\"a\":1.50}') = json_parse('{\"a\":1.5}')", "true"),
        ('map_keys(cast(json_parse(\'{"b":1,"a":2}\') as map(varchar, json)))', "[a, b]"),
        (
            'json_format(element_at(cast(json_parse(\'{"b":{"z":1.50,"y":2}}\') as map(varchar, json)), \'b\'))',
            '{"y":2,"z":1.5}',
        ),
        ("cardinality(cast(json_parse('{\"a\":1}') as map(varchar, json)))", "1"),
        ("json_array_get('[1.50,-0]', -2)", "1.50"),
        ("cast(json_parse('\"5\"') as varchar)", "5"),
        ("cast(json_parse('null') as varchar)", None),
        ("json_extract_scalar('{\"a\": 123456789012345678901234567890}', '$.a')", "123456789012345678901234567890"),
    ],
)
def test_an_expression_means_what_it_means_in_trino(connection, expression, value):
    assert answer(connection, f"select {expression}")[2] == [[value]]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("contains(array[1], 'a')", "TYPE_MISMATCH"),
        ("json_parse('1') = '1'", "TYPE_MISMATCH"),
        ("json_parse('1') < json_parse('2')", "TYPE_MISMATCH"),
        ("json_parse('{')", "INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON: '{'"),
        ("cast(json_extract('{\"b\":1,\"b\":2}', '$') as map(varchar, json))", "Duplicate keys are not allowed"),
        ("cast(json_parse('1') as bigint)", "NOT_SUPPORTED: CAST of json to bigint"),
        ("json_extract_scalar('{}', '$.a-b')", "NOT_SUPPORTED: the JSON path"),
        ("json_extract_scalar('{}', '$[-1]')", "NOT_SUPPORTED: a negative index"),
        ("array[1] || 'a'", "TYPE_MISMATCH"),
        ("k as g from (values 1) as t(k) group by k having g > 0", "COLUMN_NOT_FOUND: line 1:1: Column 'g'"),
        ("element_at(array[1, 2], 0)", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("array[1, 2][3]", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal"),
        ("map(array['a'], array[1])['b']", "INVALID_FUNCTION_ARGUMENT: Key not present in map"),
        ("split_part('a,b', ',', 0)", "INVALID_FUNCTION_ARGUMENT"),
        ("cast(true as varchar(3))", "INVALID_CAST_ARGUMENT: Value true cannot be represented as varchar"),
        ("cast(date '2020-01-01' as varchar(4))", "INVALID_CAST_ARGUMENT"),
        ("cast('2020-01-01 10:00' as date)", "INVALID_CAST_ARGUMENT"),
        ("regexp_extract('a', 'a', 1)", "INVALID_FUNCTION_ARGUMENT: Pattern has 0 groups"),
        ("1a", "identifiers must not start with a digit"),
        ("map(array[1], array[2]) = map(array[1], array[2])", "NOT_SUPPORTED"),
        ("array[1, null] < array[1, 2]", "NOT_SUPPORTED"),
        ("timestamp '2020-01-01 10:00:00 +01:00'", "NOT_SUPPORTED: a timestamp in the zone"),
        ("timestamp '2020-01-01 10:00:00.1234567'", "NOT_SUPPORTED"),
        ("regexp_like('x', '[a-z&&[^x]]')", "NOT_SUPPORTED: the regular expression"),
        ("regexp_like('x', '\\p{Alpha}')", "NOT_SUPPORTED: the regular expression"),
    ],
)
def test_an_expression_fails_or_is_refused_by_name(connection, expression, reason):
    with pytest.raises(QueryFailed, match=reason):
        answer(connection, f"select {expression}")


def test_a_dollar_also_stands_before_a_last_line_break():
    assert regexps.convert("a$").re2 == r"a(?:\n?\z)"
    assert regexps.convert("a$b?").re2 is None
