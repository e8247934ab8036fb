"""AthenaQualitySensor: judges data by what a query returns; Airflow's AthenaSensor only sees whether the query ran."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException

from stedi.athena import AthenaQueries, Row
from stedi.snapshots import Snapshots, staged_snapshots

_STAGED = re.compile(r"\bfor version as of :(\w+)", re.IGNORECASE)


def staged(database: str, table: str) -> str:
    """How a check names a table to read what its run has staged of it: only the sensor knows the snapshot."""
    return f"{database}.{table} for version as of :{table}"


class AthenaQualitySensor(BaseSensorOperator):
    """Runs a check, a query that returns one row: ``ready``, ``violations``, and figures that explain them.

    A check reads tables as its run has staged them: ``for version as of :table`` becomes the snapshot's id, as soon as
    the run has staged all tables that the check names. The UI then shows the query that was run.

    Three outcomes:

    - not ready, or a table not staged: the sensor waits and asks again;
    - the query failed: an ordinary failure with Athena's reason, retried as the task's ``retries`` say;
    - violations: the task fails at once, without retries, since asking again would not mend the data.

    The result ``{"check", "violations", "figures", "snapshots", "query_execution_id"}`` goes to XCom, in the last case
    too; ``snapshots`` is {table: the snapshot that was checked}.

    :param query: the check: SQL, or a ``.sql`` file on the DAG's template path (templated).
    :param database: the database that unqualified names refer to (templated).
    :param output_location: where Athena puts the result (templated).
    :param bucket_owner: the account that must own the bucket of the result.
    :param workgroup: the Athena workgroup (templated).
    :param poll_seconds: seconds between two looks at the running query; ``poke_interval`` is that between two queries.
    """

    template_fields: Sequence[str] = ("query", "database", "output_location", "workgroup")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"query": "sql"}  # noqa: RUF012
    ui_color = "#c6e5b3"
    overwrite_rtif_after_execution = True  # the UI shows the query with the snapshots

    def __init__(
        self,
        *,
        query: str,
        database: str,
        output_location: str,
        bucket_owner: str,
        workgroup: str = "primary",
        poll_seconds: float = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.query = query
        self.database = database
        self.output_location = output_location
        self.bucket_owner = bucket_owner
        self.workgroup = workgroup
        self.poll_seconds = poll_seconds

    @cached_property
    def _queries(self) -> AthenaQueries:
        return AthenaQueries(
            database=self.database,
            output_location=self.output_location,
            bucket_owner=self.bucket_owner,
            workgroup=self.workgroup,
            poll_seconds=self.poll_seconds,
        )

    @cached_property
    def _check(self) -> str:
        """The query before it has snapshots."""
        return self.query

    def poke(self, context: Context) -> PokeReturnValue:
        check = self.task_id.rpartition(".")[2]
        tables = sorted(set(_STAGED.findall(self._check)))
        with self._queries as queries:
            snapshots = self._staged(queries, tables, context["run_id"]) if tables else {}
            if missing := [table for table in tables if table not in snapshots]:
                self.log.info("%s: this run has not staged %s yet", check, ", ".join(missing))
                return PokeReturnValue(is_done=False)
            self.query = _STAGED.sub(lambda found: f"for version as of {snapshots[found[1]]}", self._check)
            self.log.info("%s", self.query)  # the UI cuts off a long one
            execution_id = queries.start(self.query)
            columns, rows = queries.wait_for_result(check, execution_id)
        figures = _only_row(check, columns, rows)
        if figures.pop("ready") != "true":
            self.log.info("%s: the data of this run has not arrived yet", check)
            return PokeReturnValue(is_done=False)
        violations = int(figures.pop("violations"))
        figures = {name: _number(text) for name, text in figures.items()}
        result = {
            "check": check,
            "violations": violations,
            "figures": figures,
            "snapshots": snapshots,
            "query_execution_id": execution_id,
        }
        explanation = ", ".join(f"{name} {value}" for name, value in figures.items())
        if violations:
            context["ti"].xcom_push(key="return_value", value=result)
            plural = "" if violations == 1 else "s"
            raise AirflowFailException(f"{check}: {violations} violation{plural} ({explanation})")
        self.log.info("%s: no violations (%s)", check, explanation)
        return PokeReturnValue(is_done=True, xcom_value=result)

    def _staged(self, queries: AthenaQueries, tables: list[str], run_id: str) -> Snapshots:
        sql = staged_snapshots(self.database, tables, run_id)
        return {row["table_name"]: row["snapshot_id"] for row in queries.ask("staged snapshots", sql)}

    def on_kill(self) -> None:
        self._queries.kill()


def _only_row(check: str, columns: list[str], rows: list[Row]) -> Row:
    if len(rows) != 1 or not {"ready", "violations"} <= set(columns):
        raise AirflowFailException(
            f"{check}: a check returns one row with ready and violations; this one returned {len(rows)} rows with "
            f"{', '.join(columns)}"
        )
    return rows[0]


def _number(text: str | None) -> int | float | str | None:
    for kind in (int, float):
        try:
            number = kind(text or "")
        except ValueError:
            continue
        return number if abs(number) < 2**53 else text  # which the UI would round
    return text
