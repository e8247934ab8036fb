"""The page of runs made up here, without Airflow or AWS."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stedi.report.cost import JobCost, QueryCost
from stedi.report.figures import dollars, size
from stedi.report.page import CHARTS, CheckResult, Facts, JobRun, render


def outcome(job, source, name, records, reason=None):
    return {"job": job, "source": source, "outcome": name, "reason": reason, "records": str(records)}


def figure(job, source, name, value):
    return {"job": job, "source": source, "figure": name, "value": str(value)}


def check_row(number, name, state, violations):
    at = str(1_767_225_600_000 + number * 86_400_000)
    return {"run_id": f"run {number}", "checked_at": at, "check_name": name, "state": state, "violations": violations}


ANSWERS = {
    "audit": [
        outcome("customer_trusted", "customer_landing", "kept", 18),
        outcome("customer_trusted", "customer_landing", "filtered", 7, "no_consent"),
        outcome("customer_trusted", "customer_landing", "rejected", 2, "not_json"),
        outcome("customers_curated", "customer_trusted", "kept", 17),
        outcome("step_trainer_trusted", "step_trainer_landing", "rejected", 1, "owner_unknown"),
    ],
    "figures": [
        figure("customer_trusted", "customer_landing", "read", 27),
        figure("customer_trusted", "customer_landing", "lines", 29),
        figure("customers_curated", "customer_trusted", "read", 18),
        figure("step_trainer_trusted", "step_trainer_landing", "read", 1),
        figure("customer_trusted", "customer_trusted", "written", 18),
        figure("step_trainer_trusted", "device_owners", "written", 12),
        figure("step_trainer_trusted", "device_owners", "website_confirmed", 11),
        figure("step_trainer_trusted", "device_owners", "owner_unknown", 4),
    ],
    "checks": [
        check_row(0, "a check of the past", "success", "0"),
        check_row(0, "history", "success", "0"),
        check_row(0, "consent", "success", "0"),
        check_row(1, "consent", "failed", "1500"),
        check_row(1, "history", "upstream_failed", None),
    ],
    "sizes": [{"run_id": f"run {number}", "table_name": "customer_trusted", "records": "18"} for number in (0, 1)],
    "consent": [
        {"day": "19874", "registered": "26", "agreed": "0"},
        {"day": "19875", "registered": "0", "agreed": "9"},
    ],
    "coverage": [
        {"figure": "covered", "number": "100", "customers": "17"},
        {"figure": "readings", "number": "85", "customers": "17"},
    ],
    "customer_trusted": [{"customername": "J***", "phone": None}],
}
SUCCEEDED = Facts(
    run_id="run 1",
    reported_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    params={"consent_policy": "customer"},
    succeeded=True,
    failed_tasks=[],
    delivered={"customer_landing": {"files": 2, "sent": 0}},
    jobs=[JobRun(job, "success", JobCost(31.4, 120, 0.0147)) for job in ("customer_trusted", "publish")],
    queries=QueryCost(2, 2_100_000, 20_000_000, 0.0001),
    checks=[CheckResult("consent", "success", 0, {"customers": 1482, "since": None}, 2_100_000)],
    answers=ANSWERS,
    missing=[],
)


def charts(page):
    """{title: its SVG, parsed}"""
    found = re.findall(r'role="img" aria-label="(.*?)".*?>(<svg.*?</svg>)', page, re.DOTALL)
    return {title: ET.fromstring(svg) for title, svg in found}


def texts(svg):
    return [element.text for element in svg.iter("text")]


def test_a_run_about_which_everything_is_known_has_every_chart():
    page = render(SUCCEEDED)
    assert list(charts(page)) == list(CHARTS.values())
    assert "What failed" not in page
    assert "Nothing delivered" not in page
    assert "Missing from this report" not in page


def test_the_tiles_count_what_was_read_rejected_and_written():
    tiles = re.findall("<div><b>(.*?)</b><span>", render(SUCCEEDED))
    assert tiles == ["28", "3", "18", "-", "1 of 1"]


def test_the_page_says_what_the_run_costs_job_by_job_and_in_all():
    page = render(SUCCEEDED)
    cells = re.findall('<td class="number">(.*?)</td>', page[page.index("what the run costs") :])
    assert cells[:3] == ["31", "120", "$0.0147"]
    assert cells[6:] == ["63", "240", "$0.0294"]
    assert "2 queries, of the checks and of this report, scanned 2.1 MB; billed are 20.0 MB, $0.0001." in page
    assert "Estimate for the run: $0.0295." in page


def test_the_flow_shows_each_outcome_with_its_reason_and_every_table_of_the_lineage():
    shown = texts(charts(render(SUCCEEDED))["Where every record went"])
    assert shown[:7] == [
        "customer_landing",
        "27",
        "7 filtered: no_consent",
        "2 rejected: not_json",
        "customer_trusted",
        "18",
        "customers_curated",
    ]
    assert {"accelerometer_landing", "accelerometer_trusted", "machine_learning_curated", "not known"} <= set(shown)


def test_the_owners_of_devices_and_the_delivery_are_counted():
    page = render(SUCCEEDED)
    assert "website_confirmed 11, owner_unknown 4." in page
    assert "customer_landing 2 files (0 new or changed)" in page


def test_recent_runs_show_violations_and_the_checks_in_their_order_with_those_of_the_past_last():
    checks = [CheckResult(name, "success") for name in ("history", "consent")]
    svg = charts(render(replace(SUCCEEDED, checks=checks)))["Recent runs"]
    assert texts(svg)[:3] == ["history", "consent", "a check of the past"]
    assert "2k" in texts(svg)
    assert [rect.get("style") for rect in svg.iter("rect") if "history" in rect[0].text] == [
        "fill:var(--kept)",
        "fill:var(--repeated)",
    ]


def test_the_page_says_what_failed_what_was_not_delivered_and_what_is_missing():
    page = render(
        replace(
            SUCCEEDED,
            succeeded=False,
            failed_tasks=["create_tables", "checks.consent"],
            delivered={"customer_landing": {"files": 0, "sent": 0}},
            checks=[CheckResult("consent", "failed", 1500)],
            answers={},
            missing=["audit: the query is FAILED"],
        )
    )
    assert charts(page) == {}
    assert "<b>create_tables</b> failed." in page
    assert "<b>checks.consent</b>: 1,500 violations" in page
    assert "This delivery had no files for customer_landing." in page
    assert "audit: the query is FAILED" in page
    assert re.findall("<div><b>(.*?)</b><span>", page) == ["-", "-", "-", "-", "0 of 1"]


def test_a_run_that_did_not_get_to_its_jobs_without_a_failed_task_says_so():
    assert "Not all jobs and checks have run." in render(replace(SUCCEEDED, succeeded=False))


def test_what_a_check_found_is_shown_as_text_whatever_it_is():
    script = "<script>alert(1)</script>"
    rows = [outcome("customer_trusted", "customer_landing", "rejected", 1, script)]
    checks = [CheckResult("consent", "failed", 1, {"run": script})]
    page = render(replace(SUCCEEDED, checks=checks, answers=ANSWERS | {"audit": rows}))
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2


def test_the_page_needs_nothing_but_itself():
    page = render(SUCCEEDED)
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="(.*?)"', page)) == {"data:,"}
    assert "url(" not in page


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (2_100_000, "2.1 MB"), (5e15, "5,000.0 TB")]
)
def test_sizes_are_for_people(count, text):
    assert size(count) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.0000"), (0.07333, "$0.0733"), (1234.5, "$1,234.50")])
def test_amounts_of_money_are_for_people(amount, text):
    assert dollars(amount) == text
