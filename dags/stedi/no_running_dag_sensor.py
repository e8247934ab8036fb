"""NoRunningDagSensor: keeps two DAGs that write the same tables from running at the same time."""

from typing import Any

from airflow.sdk import BaseSensorOperator, Context


class NoRunningDagSensor(BaseSensorOperator):
    """Waits until no run of another DAG is running. Queued runs do not count: those of a paused DAG never start.

    :param other_dag_id: the other DAG.
    """

    def __init__(self, *, other_dag_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.other_dag_id = other_dag_id

    def poke(self, context: Context) -> bool:
        return bool(context["ti"].get_dr_count(dag_id=self.other_dag_id, states=["running"]) == 0)
