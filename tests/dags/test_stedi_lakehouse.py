"""The DAG as Airflow sees it: parsed, with the topology, the settings and the files that it names."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk.exceptions import AirflowFailException

from dev.package import INSIDE_DAGS, copy_dags
from parsed_dags import parse
from stedi.tables import JOBS, TABLES, WRITTEN_TABLES

PROJECT = Path(__file__).resolve().parents[2]
SQL = PROJECT / "include" / "sql"


@pytest.fixture(scope="session")
def dag(dags):
    return dags["stedi_lakehouse"]


@pytest.fixture(scope="session", params=["checkout", "package", "git-sync"])
def parsed(request, tmp_path_factory):
    """What Airflow finds in the DAG folder of a checkout, of MWAA and of the Helm chart."""
    folder = tmp_path_factory.mktemp("airflow")
    if request.param == "checkout":
        return parse(PROJECT / "dags")
    if request.param == "package":
        copy_dags(folder / "dags")
        return parse(folder / "dags")
    for name in ("dags", *INSIDE_DAGS):
        shutil.copytree(PROJECT / name, folder / ".worktrees" / "1a2b3c" / name)
    (folder / "repo").symlink_to(folder / ".worktrees" / "1a2b3c")
    return parse(folder / "repo" / "dags")


def test_the_dags_parse_without_errors_network_or_variables(parsed):
    assert parsed["errors"] == {}
    assert sorted(parsed["tasks"]) == ["stedi_lakehouse", "stedi_maintenance"]


def test_without_settings_each_dag_is_an_import_error_that_says_what_to_set():
    errors = parse(PROJECT / "dags", settings={})["errors"]
    assert {Path(file).name for file in errors} == {"stedi_lakehouse.py", "stedi_maintenance.py"}
    for error in errors.values():
        assert error.splitlines()[-1].startswith(
            "stedi.settings.SettingsError: Set STEDI_BUCKET and STEDI_GLUE_ROLE_ARN in the environment"
        )


def test_the_dags_use_nothing_deprecated(parsed):
    assert parsed["deprecations"] == []


def test_the_dags_parse_in_under_two_seconds(parsed):
    assert parsed["seconds"] < 2


def checks_of(dag):
    return [task for task in dag.tasks if task.task_id.startswith("checks.")]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_after_the_jobs_of_its_inputs(dag, job):
    before = dag.get_task(job).get_flat_relative_ids(upstream=True)
    assert {"upload_landing", "upload_code", "create_tables"} <= before
    assert {table for table in TABLES[job].inputs if table in JOBS} <= before


def test_every_check_runs_after_every_job(dag):
    for check in checks_of(dag):
        assert set(JOBS) <= check.get_flat_relative_ids(upstream=True)


def test_nothing_is_published_before_every_check_has_passed(dag):
    publish = dag.get_task("publish")
    assert publish.upstream_task_ids == {check.task_id for check in checks_of(dag)}
    assert publish.trigger_rule == "all_success"


def test_a_run_ends_when_athena_shows_what_it_has_published_and_reported(dag):
    assert [task.task_id for task in dag.leaves] == ["published"]
    assert dag.get_task("published").upstream_task_ids == {"publish", "publish_report"}
    assert dag.get_task("published").trigger_rule == "all_success"


def test_every_run_waits_for_its_turn_before_it_does_anything_and_no_two_ask_at_once(dag):
    [wait] = dag.roots
    assert wait.task_id == "wait_for_turn"
    assert (wait.mode, wait.max_active_tis_per_dag) == ("poke", 1)


def test_the_turns_are_those_of_tasks_that_there_are(dag, dags):
    for other, tasks in dag.get_task("wait_for_turn").turns.items():
        assert set(tasks) <= set(dags[other].task_ids)


def test_the_dag_runs_daily_one_run_at_a_time_and_does_not_catch_up(dag):
    assert (dag.schedule, dag.catchup, dag.max_active_runs) == ("@daily", False, 1)


def test_every_parameter_explains_itself_and_says_what_it_allows(dag):
    params = {name: dag.params.get_param(name) for name in dag.params}
    assert all(param.description and param.schema.get("title") for param in params.values())
    assert all(param.schema["type"] for param in params.values())  # without a type the form lets it be emptied
    assert params["consent_policy"].schema["enum"] == ["customer", "reading_time"]
    for share in ("max_rejected", "max_lost"):
        assert (params[share].schema["minimum"], params[share].schema["maximum"]) == (0, 1)


@pytest.mark.parametrize("table", JOBS)
def test_every_glue_job_has_a_timeout_retries_and_is_stopped_with_its_task(dag, table):
    task = dag.get_task(table)
    assert isinstance(task, GlueJobOperator)
    assert task.job_name == f"stedi_{table}"
    assert task.stop_job_run_on_kill
    assert task.retries == 2
    assert task.execution_timeout > timedelta(minutes=task.create_job_kwargs["Timeout"])
    assert (task.create_job_kwargs["GlueVersion"], task.create_job_kwargs["WorkerType"]) == ("5.1", "G.1X")


def test_every_job_and_every_check_says_in_the_ui_what_it_is_for(dag):
    documented = [dag.get_task(job) for job in JOBS] + checks_of(dag)
    assert [task.task_id for task in documented if len(task.doc_md) < 50] == []


def test_every_task_has_a_timeout(dag):
    assert [task.task_id for task in dag.tasks if task.execution_timeout is None] == []


def test_a_check_reads_the_tables_as_its_run_has_staged_them(dag, rendered):
    published = re.compile(rf"\bstedi\.({'|'.join(WRITTEN_TABLES)})\b(?! for version as of :\1\b)")
    for check in checks_of(dag):
        assert published.findall(rendered(check.task_id).query) == [], check.task_id


def test_no_check_can_hide_a_violation(dag):
    assert not any(check.soft_fail or check.silent_fail for check in checks_of(dag))


def test_the_report_is_made_of_every_run_and_hides_no_failed_check(dag):
    assert dag.get_task("publish_report").trigger_rule == "all_done"


def test_assets_have_events_when_the_tables_are_published_and_not_before(dag):
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets}
    assert outlets == {"published": list(WRITTEN_TABLES)}


def test_every_job_has_a_script_and_every_sql_file_is_used(dag):
    assert {path.stem for path in (PROJECT / "glue_scripts").glob("*.py")} == {*JOBS, "publish", "stedi_maintenance"}
    assert {check.task_id for check in checks_of(dag)} == {f"checks.{p.stem}" for p in (SQL / "checks").glob("*.sql")}
    used = {name for path in SQL.rglob("*.sql") for name in re.findall(r"(?:include|from) '(\S+)'", path.read_text())}
    assert {path.relative_to(SQL).as_posix() for path in (SQL / "rules").glob("*.sql")} == used


@pytest.mark.parametrize("logical_date", [None, datetime(2026, 1, 2, tzinfo=UTC)], ids=["manual", "scheduled"])
def test_every_template_renders_with_and_without_a_logical_date(dag, rendered, logical_date):
    for task_id in [*JOBS, "publish", "published", "publish_report", *(check.task_id for check in checks_of(dag))]:
        task = rendered(task_id, logical_date)
        fields = repr([getattr(task, field) for field in task.template_fields])
        assert "{{" not in fields, task_id
        assert "{%" not in fields, task_id


def test_a_glue_job_gets_the_runs_parameters_and_the_uploaded_code(rendered):
    task = rendered("customers_curated")
    assert task.script_location == "s3://code/customers_curated"
    assert task.create_job_kwargs["DefaultArguments"]["--extra-py-files"] == "s3://code/lakehouse"
    assert task.script_args == {
        "--run_id": "manual__1",
        "--database": "stedi",
        "--landing": "s3://stedi-lakehouse",
        "--consent_policy": "customer",
        "--max_rejected": "0.05",
        "--base": '{"customer_trusted": "1"}',
    }


def test_what_is_published_is_what_the_checks_have_read(rendered):
    arguments = rendered("publish").script_args
    assert json.loads(arguments["--audited"]) == {"customer_trusted": "2"}
    assert json.loads(arguments["--parameters"])["consent_policy"] == "customer"
    assert re.fullmatch("[0-9a-f]{16}", arguments["--code"])


def test_checks_that_have_read_different_snapshots_publish_nothing(rendered):
    with pytest.raises(AirflowFailException, match="different snapshots of customer_trusted"):
        rendered("publish", snapshots=iter(range(100)))


def test_nothing_of_the_pipeline_knows_about_the_local_aws():
    files = [path for folder in ("dags", "glue_scripts", "include") for path in (PROJECT / folder).rglob("*")]
    assert [path for path in files if path.suffix in {".py", ".sql"} and "local_aws" in path.read_text()] == []
