"""The queries of a client that went away: another one finds them, and ends them."""

import time

import pytest
from athena_client import QueryFailed
from botocore.exceptions import ClientError

MANY = "unnest(sequence(1, 10000))"
SLOW = f"select count(*) from {MANY} as a(x), {MANY} as b(y), {MANY} as c(z)"


@pytest.fixture
def workgroup(athena):
    name = f"group_{time.time_ns()}"
    configuration = {"ResultConfiguration": {"OutputLocation": f"s3://{athena.bucket}/{name}/"}}
    athena.client.create_work_group(Name=name, Configuration=configuration)
    return name


def test_all_queries_of_a_workgroup_can_be_found_and_stopped(athena, workgroup):
    started = [athena.start(SLOW, WorkGroup=workgroup, ResultConfiguration={}) for _ in range(6)]
    while athena.execution(started[3])["Status"]["State"] != "RUNNING":
        time.sleep(0.01)

    ids = athena.client.list_query_executions(WorkGroup=workgroup)["QueryExecutionIds"]
    found = athena.client.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
    states = {execution["QueryExecutionId"]: execution["Status"]["State"] for execution in found}
    assert [states[query] for query in started] == ["RUNNING"] * 4 + ["QUEUED"] * 2  # four run at once
    begun = time.monotonic()
    for query in started:
        athena.client.stop_query_execution(QueryExecutionId=query)
    seconds = time.monotonic() - begun

    assert seconds < 5, f"stopping six queries took {seconds:.1f} s"
    assert {athena.execution(query)["Status"]["State"] for query in started} == {"CANCELLED"}
    assert athena.value("1") == "1"


def test_a_stopped_query_is_cancelled_within_a_second_or_so(athena):
    query = athena.start(SLOW)
    while athena.execution(query)["Status"]["State"] != "RUNNING":
        time.sleep(0.01)
    time.sleep(1)  # it computes by now
    begun = time.monotonic()
    athena.client.stop_query_execution(QueryExecutionId=query)
    with pytest.raises(QueryFailed, match="cancelled"):
        athena.wait(query)
    assert time.monotonic() - begun < 2


def test_a_finished_query_stays_as_it_is_when_stopped(athena):
    query = athena.start("select 1")
    athena.wait(query)
    athena.client.stop_query_execution(QueryExecutionId=query)
    assert athena.execution(query)["Status"]["State"] == "SUCCEEDED"


def test_executions_are_listed_newest_first_and_in_pages(athena, workgroup):
    started = [athena.start("show databases", WorkGroup=workgroup, ResultConfiguration={}) for _ in range(5)]
    pages = athena.client.get_paginator("list_query_executions").paginate(
        WorkGroup=workgroup, PaginationConfig={"PageSize": 2}
    )
    ids = [page["QueryExecutionIds"] for page in pages]
    assert [len(page) for page in ids] == [2, 2, 1]
    assert [query for page in ids for query in page] == started[::-1]


def test_a_batch_says_which_executions_there_are_not(athena):
    query = athena.start("select 1")
    batch = athena.client.batch_get_query_execution(QueryExecutionIds=[query, "none"])
    assert [execution["QueryExecutionId"] for execution in batch["QueryExecutions"]] == [query]
    assert [missing["QueryExecutionId"] for missing in batch["UnprocessedQueryExecutionIds"]] == ["none"]


@pytest.mark.parametrize("request_", [{"NextToken": "x"}, {"MaxResults": 51}, {"WorkGroup": "nowhere"}])
def test_a_wrong_listing_is_refused(athena, request_):
    with pytest.raises(ClientError, match="InvalidRequestException"):
        athena.client.list_query_executions(**request_)


def test_a_failed_query_has_no_result_and_says_its_state(athena):
    query = athena.start("select 1 / 0")
    with pytest.raises(QueryFailed):
        athena.wait(query)
    with pytest.raises(ClientError, match=r"did not finish successfully\. Final query state: FAILED"):
        athena.client.get_query_results(QueryExecutionId=query)
    running = athena.start(SLOW)
    with pytest.raises(ClientError, match=r"has not yet finished\. Current state:"):
        athena.client.get_query_results(QueryExecutionId=running)
    athena.client.stop_query_execution(QueryExecutionId=running)
