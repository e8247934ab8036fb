"""``make screenshots``: takes the pictures in docs/ from a run on generated data, in a lake of its own."""

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from dev import PROJECT
from dev.airflow_server import DAG, Airflow, NoBrowser, browser, running_airflow
from dev.generate import generate
from dev.settings import lakehouse_settings

DOCS = PROJECT / "docs"
#: What moves or fades in is over after this, in milliseconds.
AT_REST = 2000


class RunFailed(Exception):
    """The run that was to be taken did not end well."""


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


def report(page: Page, airflow: Airflow, run: str) -> None:
    """The first screens of a run's report."""
    page.set_viewport_size({"width": 1100, "height": 1500})
    key = f"reports/{run}/index.html"
    found = airflow.aws.client("s3").get_object(Bucket=lakehouse_settings().bucket, Key=key)
    page.set_content(found["Body"].read().decode())
    page.screenshot(path=DOCS / "report.png")


def take(page: Page, root: Path) -> None:
    """Takes all pictures, with Airflow and its lake below ``root``; raises ``RunFailed``."""
    landing = root / "landing"
    # As much as shows on a picture, with something of everything in it.
    generate(landing, customers=60, seed=7, shared_serials=30, damage=0.01)
    page.set_default_timeout(120_000)
    with running_airflow(root / "lake", landing) as airflow:
        print("taking docs/trigger-form.png", flush=True)
        trigger_form(page, airflow)
        run = airflow.trigger()
        print("waiting for a run", flush=True)
        if (state := airflow.end(run)) != "success":
            raise RunFailed(f"the run ended {state}")
        print("taking docs/graph.png", flush=True)
        graph(page, airflow, run)
        print("taking docs/report.png", flush=True)
        report(page, airflow, run)


def main() -> int:
    """Takes all pictures; returns the exit code."""
    try:
        with browser() as started, tempfile.TemporaryDirectory(prefix="stedi-screenshots-") as root:
            take(started.new_page(), Path(root))
    except (NoBrowser, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
