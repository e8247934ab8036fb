import pytest


@pytest.fixture
def slow_query():
    """A query that returns a check's row, after more seconds than a test waits unless it means to."""

    def query(thousands=1000):
        numbers = f"unnest(sequence(1, {thousands * 1000}))"
        return (
            f"select true as ready, 0 as violations, count_if(a * b % 7 = 3) as pairs "
            f"from {numbers} as t(a) cross join unnest(sequence(1, 10000)) as u(b)"
        )

    return query


@pytest.fixture
def unfinished_queries(aws):
    """Gives the states of the queries that have not ended."""
    athena = aws.client("athena")

    def states():
        ids = athena.list_query_executions()["QueryExecutionIds"]
        executions = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
        return [e["Status"]["State"] for e in executions if e["Status"]["State"] in ("QUEUED", "RUNNING")]

    return states
