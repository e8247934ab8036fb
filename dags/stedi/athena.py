"""Athena queries that end with the task that asks them: nothing else stops a query that nobody waits for any more."""

import logging
import time
from typing import Any, Self

from airflow.providers.amazon.aws.hooks.athena import AthenaHook
from airflow.sdk.exceptions import AirflowException

from stedi.settings import Settings

#: A row of a result: text, as Athena writes it, or None for NULL.
Row = dict[str, Any]


class AthenaQueries:
    """The queries of a task. A context: on the way out, whatever the reason, those that still run are stopped."""

    def __init__(
        self, *, database: str, output_location: str, bucket_owner: str, workgroup: str, poll_seconds: float
    ) -> None:
        self.hook = AthenaHook()
        self.database = database
        self.output = {"OutputLocation": output_location, "ExpectedBucketOwner": bucket_owner}
        self.workgroup = workgroup
        self.poll_seconds = poll_seconds
        self._running: set[str] = set()
        self._killed = False

    @classmethod
    def of(cls, settings: Settings, database: str | None = None) -> Self:
        """Queries with the lakehouse's settings, in its database or another."""
        return cls(
            database=database or settings.database,
            output_location=settings.athena_output,
            bucket_owner=settings.account,
            workgroup=settings.athena_workgroup,
            poll_seconds=settings.poll_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self, sql: str) -> str:
        """Starts a query; returns its execution id."""
        execution_id = self.hook.run_query(sql, {"Database": self.database}, self.output, workgroup=self.workgroup)
        self._running.add(execution_id)
        if self._killed:  # meanwhile
            self.stop()
        return execution_id

    def wait_for_result(self, name: str, execution_id: str) -> tuple[list[str], list[Row]]:
        """Waits for a query as long as the task may run; returns its columns and rows.

        Raises AirflowException, with the query's ``name`` and Athena's reason, if it does not succeed.
        """
        # Not the hook's poll_query_status, which gives up after 120 polls.
        while (state := self.hook.check_query_status(execution_id)) in AthenaHook.INTERMEDIATE_STATES:
            time.sleep(self.poll_seconds)
        self._running.discard(execution_id)
        if state != "SUCCEEDED":
            reason = self.hook.get_state_change_reason(execution_id)
            raise AirflowException(f"{name}: the query {execution_id} is {state}: {reason}")
        pages = self.hook.conn.get_paginator("get_query_results").paginate(QueryExecutionId=execution_id)
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        header = rows[0] if rows else []  # DDL has no rows
        return header, [dict(zip(header, row, strict=True)) for row in rows[1:]]

    def ask(self, name: str, sql: str) -> list[Row]:
        """The rows of a query's answer; raises AirflowException as ``wait_for_result`` does."""
        return self.wait_for_result(name, self.start(sql))[1]

    def stop(self) -> None:
        """Stops the queries that still run."""
        while self._running:
            execution_id = self._running.pop()
            try:
                self.hook.stop_query(execution_id)
            except Exception:  # must not hide why the task ends, nor keep the others running
                logging.getLogger(__name__).exception("Cannot stop the query %s", execution_id)

    def kill(self) -> None:
        """Stops the queries that run, and those that are started from now on.

        For ``on_kill``, which Airflow calls from a signal handler, wherever the task is; then the task goes on.
        """
        self._killed = True
        self.stop()
