from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "glue_scripts"
CODE = {name: f"s3://code/{name}" for name in ("lakehouse", *(path.stem for path in SCRIPTS.glob("*.py")))}


@pytest.fixture
def rendered(dag):
    """Gives a task of the DAG with its templates rendered, for a run with or without a logical date."""

    class TaskInstance:
        snapshots = None

        @classmethod
        def xcom_pull(cls, task_ids):
            if task_ids.startswith("checks."):
                return {"snapshots": {"customer_trusted": str(next(cls.snapshots)) if cls.snapshots else "2"}}
            return {"upload_code": CODE, "unreadable_files": {}, "base_snapshots": {"customer_trusted": "1"}}[task_ids]

    def render(task_id, logical_date=None, snapshots=None):
        TaskInstance.snapshots = snapshots
        task = dag.get_task(task_id).prepare_for_execution()
        context = {
            "run_id": "manual__1",
            "params": {name: param.value for name, param in dag.params.items()},
            "ti": TaskInstance,
        }
        # Airflow leaves these names out of the context of a run without a logical date.
        if logical_date:
            context |= {"logical_date": logical_date, "ds": logical_date.date().isoformat()}
        task.render_template_fields(context, dag.get_template_env(force_sandboxed=False))
        return task

    return render
