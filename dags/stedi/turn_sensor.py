"""TurnSensor: one run at a time, whoever started it."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseSensorOperator, Context


class TurnSensor(BaseSensorOperator):
    """Waits until no other run has its turn. A turn lasts from the success of a run's first task to that of its last,
    or to the end of the run. Airflow's ``max_active_runs`` would not do: it counts the runs of a backfill apart.

    Set ``max_active_tis_per_dag=1``, and not ``mode="reschedule"``: of two runs that ask at the same time, both might
    find that it is their turn.

    :param turns: {DAG: its first and its last task}; this task is the first one of its own DAG.
    """

    def __init__(self, *, turns: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turns = turns

    def poke(self, context: Context) -> bool:
        ti, run_id = context["ti"], context["run_id"]
        busy = [run for dag in self.turns for run in self._having_their_turn(ti, dag)]
        if busy:
            self.log.info("%s waits for %s", run_id, ", ".join(busy))
        return not busy

    def _having_their_turn(self, ti: Any, dag_id: str) -> list[str]:
        first, last = self.turns[dag_id]
        this_run = 1 if dag_id == self.dag_id else 0
        if ti.get_dr_count(dag_id=dag_id, states=["running"]) <= this_run:
            return []  # without a look at the tasks of all runs that there ever were
        states = ti.get_task_states(dag_id=dag_id, task_ids=[first, last])
        begun = [run for run, tasks in states.items() if tasks.get(first) == "success" != tasks.get(last)]
        # Among them are all runs that once failed.
        return [run for run in begun if ti.get_dr_count(dag_id=dag_id, run_ids=[run], states=["running"])]
