"""``make screenshots``: the README's pictures, taken anew from a run on the sample in a lake of its own."""

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from local_aws.settings import PROJECT
from tests.airflow_server import DAG, Airflow, NoBrowser, browser, running_airflow

DOCS = PROJECT / "docs"
SAMPLE = PROJECT / "include" / "sample"
#: What moves or fades in is over after this, in milliseconds.
AT_REST = 2000


def graph(page: Page, airflow: Airflow, run: str) -> None:
    """Every task of a green run, the groups opened."""
    page.set_viewport_size({"width": 1640, "height": 1000})
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{quote(run)}")
    page.get_by_role("button", name="Show Graph").click()
    page.get_by_test_id("expand-all-button").click()
    page.get_by_role("button", name="Collapse Details Panel").click()
    page.wait_for_timeout(AT_REST)
    page.locator(".react-flow__controls-fitview").click()
    page.wait_for_timeout(AT_REST)
    page.screenshot(path=DOCS / "graph.png")


def trigger_form(page: Page, airflow: Airflow) -> None:
    """The form for a new run, as long as it is."""
    page.set_viewport_size({"width": 1000, "height": 1400})
    page.goto(f"{airflow.url}/dags/{DAG}")
    page.get_by_test_id("trigger-dag-button").click()
    # The default is a path of this machine.
    page.locator("[name=element_landing]").fill("s3://stedi-deliveries/2024-06-01")
    page.wait_for_timeout(AT_REST)
    page.get_by_role("dialog").screenshot(path=DOCS / "trigger-form.png")


def main() -> int:
    """Takes all pictures; returns the exit code."""
    try:
        with (
            browser() as started,
            tempfile.TemporaryDirectory(prefix="stedi-screenshots-") as root,
            running_airflow(Path(root), SAMPLE) as airflow,
        ):
            page = started.new_page()
            page.set_default_timeout(120_000)
            print("taking docs/trigger-form.png", flush=True)
            trigger_form(page, airflow)
            run = airflow.trigger()
            print("waiting for a run on the sample", flush=True)
            if (state := airflow.end(run)) != "success":
                print(f"error: the run ended {state}", file=sys.stderr)
                return 1
            print("taking docs/graph.png", flush=True)
            graph(page, airflow, run)
            # The place for docs/report.png: the run's report is in the bucket now (airflow.aws.client("s3")).
    except NoBrowser as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
