"""What people do in the Airflow UI, with its scheduler: runs by schedule, by hand and of past days, and their tasks
killed, tried again, cleared and marked failed."""

import os
import re
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import quote

import pytest
from athena_client import Athena

from dev.airflow_server import DAG, NoBrowser, browser, running_airflow, spark, wait_for
from dev.generate import generate
from dev.settings import lakehouse_settings
from local_aws.glue.processes import processes
from stedi.report.page import CHARTS
from stedi.tables import WRITTEN_TABLES
from tests.reference.lakehouse_reference import lakehouse

from .conftest import copy_project

SETTINGS = lakehouse_settings()
#: The Glue task that is hurt: the first one.
JOB = "customer_trusted"
TABLES = ["customer_trusted", "accelerometer_trusted", "customers_curated", "step_trainer_trusted"]
TABLES += ["machine_learning_curated"]


@pytest.fixture(scope="module")
def landing(tmp_path_factory):
    directory = tmp_path_factory.mktemp("landing")
    generate(directory, 8, 3)
    return directory


@pytest.fixture(scope="module")
def due():
    """The next full minute."""
    return (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)


#: A DAG of somebody who reads the tables.
CONSUMER = """
from airflow.sdk import DAG, Asset, task

with DAG("consumer", schedule=[Asset.ref(name=name) for name in {tables}]):
    task(task_id="reads")(lambda: None)()
"""


@pytest.fixture(scope="module")
def airflow(due, landing, tmp_path_factory):
    settings = {"STEDI_SCHEDULE": f"{due.minute} {due.hour} * * *"}
    # Unlike the other tests, with the code that Spark generates.
    settings["LOCAL_AWS_JAVA_OPTIONS"] = os.environ["LOCAL_AWS_JAVA_OPTIONS"].partition(" -Dspark")[0]
    project = copy_project(tmp_path_factory.mktemp("project"))
    (project / "dags" / "consumer.py").write_text(CONSUMER.format(tables=WRITTEN_TABLES))
    with running_airflow(tmp_path_factory.mktemp("airflow"), landing, project, **settings) as airflow:
        yield airflow


def content(airflow):
    """Every row of every trusted and curated table, sorted."""
    athena = Athena(airflow.aws, SETTINGS.bucket, SETTINGS.database)
    return {table: sorted(athena.query(f"select * from {table}"), key=repr) for table in TABLES}


def expected(landing, *parameters):
    """The same, as an independent reference computes it."""
    tables = lakehouse(landing, *parameters).tables
    rows = {
        table: [[None if v is None else str(v) for v in row] for row in tables[table].elements()] for table in TABLES
    }
    return {table: sorted(rows[table], key=repr) for table in TABLES}


def glue_run_at_work(airflow, number):
    """The id of the job's run of this number, when its Spark is up."""
    return wait_for(
        lambda: next((run["Id"] for run in airflow.glue_runs(JOB)[number - 1 : number] if spark(run["Id"])), None)
    )


# --- on schedule, and tried again ---


@pytest.fixture(scope="module")
def scheduled(airflow):
    """The run that the schedule started, after its end; the first run of its first Glue job was killed."""
    run = wait_for(airflow.runs)[0]["dag_run_id"]
    for pid in spark(glue_run_at_work(airflow, 1)):
        os.kill(pid, signal.SIGKILL)
    airflow.end(run)
    return airflow.ask(f"dagRuns/{quote(run)}")


def test_a_run_starts_by_itself_when_it_is_due_and_ends_green(scheduled, due):
    assert (scheduled["run_type"], scheduled["state"]) == ("scheduled", "success")
    assert datetime.fromisoformat(scheduled["logical_date"]) == due
    assert datetime.fromisoformat(scheduled["start_date"]) >= due


def test_a_glue_task_whose_spark_is_killed_is_tried_again_and_succeeds(airflow, scheduled):
    assert airflow.attempts(scheduled["dag_run_id"], JOB) == ["failed", "success"]
    assert [run["JobRunState"] for run in airflow.glue_runs(JOB)[:2]] == ["FAILED", "SUCCEEDED"]


def test_a_run_with_a_killed_job_leaves_the_rows_that_an_independent_reference_computes(airflow, scheduled, landing):
    assert content(airflow) == expected(landing)


def events(airflow, run):
    """The asset events of a run."""
    return airflow.ask(f"/assets/events?source_dag_id={DAG}&source_run_id={quote(run, safe='')}")["asset_events"]


def test_each_published_table_has_one_event_that_says_what_was_published(airflow, scheduled):
    run = scheduled["dag_run_id"]
    found = events(airflow, run)
    assert sorted(event["name"] for event in found) == sorted(WRITTEN_TABLES)
    athena = Athena(airflow.aws, SETTINGS.bucket, SETTINGS.database)
    for event in found:
        [[snapshot, rows]] = athena.query(
            f"select snapshot_id, records from releases where run_id = '{run}' and table_name = '{event['name']}'"
        )
        assert event["source_task_id"] == "published"
        assert event["extra"] == {"run_id": run, "snapshot": snapshot, "rows": int(rows)}


def test_the_log_of_a_failed_attempt_gives_glues_reason(airflow, scheduled):
    log = airflow.log(scheduled["dag_run_id"], JOB, attempt=1)
    assert "Command failed with exit code -9: the job was killed by signal 9" in log


def test_the_log_of_a_glue_task_shows_what_the_job_printed(airflow, scheduled, landing):
    log = airflow.log(scheduled["dag_run_id"], JOB, attempt=2)
    records = sum(len(file.read_text().splitlines()) for file in (landing / "customer").iterdir())
    assert re.findall(r"customer_landing: (\d+) read", log) == [str(records)]


def test_the_log_of_a_glue_task_says_nothing_anew_at_every_poll(airflow, scheduled):
    lines = airflow.log(scheduled["dag_run_id"], JOB, attempt=2).splitlines()
    assert len(lines) < 100
    assert [line for line in lines if "Polling" in line or "No new" in line] == []


# --- by hand ---


@pytest.fixture(scope="module")
def page(airflow):
    """A page of a browser."""
    try:
        with browser() as started:
            page = started.new_page(viewport={"width": 1400, "height": 1200})
            page.set_default_timeout(120_000)
            yield page
    except NoBrowser as missing:
        pytest.skip(str(missing))


@pytest.fixture
def form(airflow, page):
    """The form for a new run, open."""
    page.goto(f"{airflow.url}/dags/{DAG}")
    page.get_by_test_id("trigger-dag-button").click()
    form = page.get_by_role("dialog")
    form.get_by_test_id("config-form").wait_for()
    yield form
    page.goto("about:blank")  # the UI would go on asking Airflow


def submit(airflow, form):
    """The run that the form starts, after its end."""
    before = [run["dag_run_id"] for run in airflow.runs()]
    form.get_by_test_id("trigger-dag-submit").click()
    new = wait_for(lambda: next((run for run in airflow.runs() if run["dag_run_id"] not in before), None))
    airflow.end(new["dag_run_id"])
    return airflow.ask(f"dagRuns/{quote(new['dag_run_id'])}")


def test_the_form_shows_every_parameter_with_its_title_its_default_and_its_description(airflow, page, form):
    params = airflow.ask("details")["params"]
    assert "consent_policy" in params
    for name, param in params.items():
        value = page.locator(f"[name=element_{name}]")
        shown = form.get_by_role("group").filter(has=value).last.inner_text()
        assert param["schema"]["title"] in shown
        assert param["description"] in shown
        assert value.input_value() == str(param["value"])


def test_a_run_by_hand_with_a_folder_without_data_fails_and_has_no_asset_event(airflow, scheduled, landing, form):
    form.locator("[name=element_landing]").fill(str(landing / "nothing"))
    run = submit(airflow, form)
    assert (run["state"], run["conf"]["landing"]) == ("failed", str(landing / "nothing"))
    assert events(airflow, run["dag_run_id"]) == []


@pytest.mark.exhaustive
def test_the_parameter_chosen_in_the_form_decides_what_is_in_the_tables(airflow, scheduled, page, form, landing):
    form.locator("#element_consent_policy").click()
    page.get_by_role("option", name="reading_time").click()
    run = submit(airflow, form)
    assert (run["state"], run["conf"]["consent_policy"]) == ("success", "reading_time")
    assert content(airflow) == expected(landing, "reading_time") != expected(landing)


# --- the report ---


@pytest.fixture(scope="module")
def report(airflow, scheduled, page, tmp_path_factory):
    """A browser's page, for the report of the run."""
    key = f"reports/{scheduled['dag_run_id']}/index.html"
    content = airflow.aws.client("s3").get_object(Bucket=SETTINGS.bucket, Key=key)["Body"].read()
    file = tmp_path_factory.mktemp("report") / "index.html"
    file.write_bytes(content)
    report = page.context.browser.new_page()
    report.requests = []
    report.on("request", lambda request: report.requests.append(request.url))
    report.goto(file.as_uri())
    yield report
    report.close()


@pytest.mark.parametrize("width", [1280, 390], ids=["screen", "phone"])
def test_the_report_shows_every_picture_and_nothing_is_cut_off_at_the_side(report, width):
    report.set_viewport_size({"width": width, "height": 800})
    assert report.evaluate("document.documentElement.scrollWidth") == width
    shown = [picture for picture in report.get_by_role("img").all() if picture.is_visible()]
    assert len(shown) == len(CHARTS)
    assert all(picture.bounding_box()["height"] > 100 for picture in shown)


def test_the_report_is_dark_where_the_reader_likes_it_dark(report):
    def brightness(scheme):
        report.emulate_media(color_scheme=scheme)
        body = report.evaluate("getComputedStyle(document.body).backgroundColor")
        text = report.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        return [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (body, text)]

    (light_page, light_text), (dark_page, dark_text) = brightness("light"), brightness("dark")
    assert light_page > light_text + 300
    assert dark_text > dark_page + 300


def test_the_report_asks_nothing_of_the_network(report):
    assert [url for url in report.requests if not url.startswith(("file:", "data:"))] == []


# --- cleared, and marked failed ---


@pytest.fixture
def last(airflow, scheduled):
    """The id of the newest run that has published: what it has published is not replaced."""
    return [run["dag_run_id"] for run in airflow.runs() if events(airflow, run["dag_run_id"])][-1]


def test_a_cleared_glue_task_runs_its_job_again(airflow, last):
    run, before = last, airflow.glue_runs(JOB)
    airflow.clear(run, JOB)
    wait_for(lambda: airflow.task(run, JOB)["state"] != "success")
    assert airflow.end(run) == "success"
    after = airflow.glue_runs(JOB)
    assert [run["Id"] for run in after[:-1]] == [run["Id"] for run in before]
    assert after[-1]["JobRunState"] == "SUCCEEDED"


def test_a_task_marked_failed_while_it_runs_stops_its_glue_run_and_its_spark(airflow, last):
    run, number = last, len(airflow.glue_runs(JOB)) + 1
    airflow.clear(run, JOB)
    glue_run = glue_run_at_work(airflow, number)
    for pid in spark(glue_run):
        os.kill(pid, signal.SIGSTOP)  # or the job is over before Airflow has heard of it
    airflow.mark_failed(run, JOB)
    wait_for(lambda: airflow.glue_runs(JOB)[-1]["JobRunState"] not in ("RUNNING", "STOPPING"))
    assert [(run["Id"], run["JobRunState"]) for run in airflow.glue_runs(JOB)[number - 1 :]] == [(glue_run, "STOPPED")]
    assert processes(glue_run) == []
    airflow.end(run)
    assert airflow.task(run, JOB)["state"] == "failed"


def test_a_dag_that_waits_for_the_tables_starts_once_after_each_published_run_and_never_after_another(
    airflow, scheduled
):
    runs = [run["dag_run_id"] for run in airflow.runs()]
    published = [run for run in runs if events(airflow, run)]
    assert set(published) < set(runs)

    def ended():
        found = airflow.ask("/dags/consumer/dagRuns")["dag_runs"]
        done = len(found) >= len(published) and all(run["state"] in ("success", "failed") for run in found)
        return found if done else None

    found = wait_for(ended)
    assert [run["state"] for run in found] == ["success"] * len(published)


# --- at the same time ---


@pytest.mark.exhaustive
def test_of_runs_that_are_started_at_once_each_begins_when_the_one_before_is_published(
    airflow, scheduled, landing, due
):
    day = (due - timedelta(days=3)).isoformat()
    by_hand = [airflow.trigger(), airflow.trigger()]
    airflow.ask("/backfills", {"dag_id": DAG, "max_active_runs": 1, "from_date": day, "to_date": day})
    [of_backfill] = [run["dag_run_id"] for run in airflow.runs() if run["run_type"] == "backfill"]
    runs = [*by_hand, of_backfill]
    assert [airflow.end(run) for run in runs] == ["success"] * 3
    turns = sorted(
        (airflow.task(run, "wait_for_turn")["end_date"], airflow.task(run, "published")["end_date"]) for run in runs
    )
    assert all(published <= begun for (_, published), (begun, _) in pairwise(turns))
    assert content(airflow) == expected(landing)


# --- of past days ---


@pytest.mark.exhaustive
def test_a_backfill_of_past_days_runs_each_day_after_the_other_and_changes_no_row(airflow, scheduled, landing, due):
    days = {"from_date": (due - timedelta(days=2)).isoformat(), "to_date": (due - timedelta(days=1)).isoformat()}
    backfill = airflow.ask("/backfills", {"dag_id": DAG, "max_active_runs": 1, **days})["id"]
    runs = [
        run["dag_run_id"]
        for run in airflow.runs()
        if run["run_type"] == "backfill" and run["logical_date"] >= (due - timedelta(days=2)).strftime("%Y-%m-%d")
    ]
    assert [airflow.end(run) for run in runs] == ["success", "success"]
    wait_for(lambda: airflow.ask(f"/backfills/{backfill}")["completed_at"])
    first, second = (airflow.ask(f"dagRuns/{quote(run)}") for run in runs)
    assert [datetime.fromisoformat(run["logical_date"]) for run in (first, second)] == [
        due - timedelta(days=2),
        due - timedelta(days=1),
    ]
    assert second["start_date"] >= first["end_date"]
    assert content(airflow) == expected(landing)
