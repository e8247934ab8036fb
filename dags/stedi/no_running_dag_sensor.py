"""NoRunningDagSensor: waits until no run of another DAG is running."""

from airflow.sdk import BaseSensorOperator, Context


class NoRunningDagSensor(BaseSensorOperator):
    """Done when no run of a DAG is running; a queued one does not count, since a paused DAG's would wait for ever.

    :param other_dag_id: the DAG that is waited for.
    """

    def __init__(self, *, other_dag_id: str, **kwargs) -> None:  # noqa: ANN003
        super().__init__(**kwargs)
        self.other_dag_id = other_dag_id

    def poke(self, context: Context) -> bool:
        return context["ti"].get_dr_count(dag_id=self.other_dag_id, states=["running"]) == 0
