"""The answer to an Athena query, as a task waits for it."""

from airflow.providers.amazon.aws.hooks.athena import AthenaHook
from airflow.sdk.exceptions import AirflowException

Row = dict[str, str | None]


def wait_for_success(hook: AthenaHook, name: str, execution_id: str, poll_seconds: float) -> None:
    state = hook.poll_query_status(execution_id, sleep_time=poll_seconds)
    if state != "SUCCEEDED":
        reason = hook.get_state_change_reason(execution_id)
        raise AirflowException(f"{name}: the query {execution_id} is {state}: {reason}")


def athena_answer(hook: AthenaHook, name: str, execution_id: str, poll_seconds: float) -> tuple[list[str], list[Row]]:
    """Waits for the end of a query; gives the columns and the rows, values as Athena writes them, NULL as None.

    Raises AirflowException, with the query's ``name`` and Athena's reason, where it did not succeed.
    """
    wait_for_success(hook, name, execution_id, poll_seconds)
    pages = hook.get_query_results_paginator(execution_id)
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    return rows[0], [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
