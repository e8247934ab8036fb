"""The page of a run: turns what is known about it into index.html, without asking Airflow or AWS for anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from stedi.athena import Row
from stedi.report import figures
from stedi.report.cost import JobCost, QueryCost
from stedi.tables import JOBS, LANDING_TABLES, lineage

#: The queries whose answers the page shows: files in include/sql/report/.
QUERIES = ("audit", "figures", "checks", "sizes", "consent", "coverage", "customer_trusted")
#: Those about the content of tables, which is this run's once it has published it.
ABOUT_CONTENT = ("coverage", "customer_trusted")
#: The charts of a page about which everything is known, and their titles.
CHARTS = {
    "flow": "Where every record went",
    "history": "Recent runs",
    "consent": "Consent over time",
    "coverage": "Coverage of readings",
}


@dataclass(frozen=True)
class JobRun:
    """A Glue job in this run, all attempts together."""

    name: str
    state: str
    cost: JobCost = field(default_factory=JobCost)


@dataclass(frozen=True)
class CheckResult:
    """What a check of this run found; ``violations`` is None where it gave no answer."""

    name: str
    state: str
    violations: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    #: Bytes that its query scanned in Athena.
    scanned: int | None = None


@dataclass(frozen=True)
class Facts:
    """All that the page says about a run."""

    run_id: str
    reported_at: datetime
    params: Mapping[str, Any]
    #: Whether all jobs and checks succeeded, and the tables were published.
    succeeded: bool
    failed_tasks: Sequence[str]
    #: {landing table: {"files", "sent"}}; empty if nothing was delivered because the upload failed.
    delivered: Mapping[str, Mapping[str, int]]
    jobs: Sequence[JobRun]
    checks: Sequence[CheckResult]
    #: {query: its rows}
    answers: Mapping[str, Sequence[Row]]
    #: Why some answers are missing.
    missing: Sequence[str]
    #: What the queries of the checks and of this page cost.
    queries: QueryCost = field(default_factory=QueryCost)
    #: {table, with its database: the snapshot that a run has staged which did not publish it}
    staged: Mapping[str, str] = field(default_factory=dict)


def render(facts: Facts) -> str:
    """The page as HTML. It needs nothing but itself."""
    answers = {query: facts.answers.get(query, []) for query in QUERIES}
    audit = [figures.Outcome(**row | {"records": int(row["records"])}) for row in answers["audit"]]
    counted = {(row["job"], row["source"], row["figure"]): int(row["value"]) for row in answers["figures"]}
    read = {(job, source): value for (job, source, figure), value in counted.items() if figure == "read"}
    written = {source: value for (_, source, figure), value in counted.items() if figure == "written"}
    owners = {figure: value for (_, source, figure), value in counted.items() if source == "device_owners"}
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return templates.get_template("index.html").render(
        facts=facts,
        charts=_charts(facts, answers, audit, read, written),
        titles=CHARTS,
        read=sum(value for (_, source), value in read.items() if source in LANDING_TABLES) if read else None,
        rejected=sum(row.records for row in audit if row.outcome == "rejected") if audit else None,
        written=written,
        owners={figure: value for figure, value in owners.items() if figure != "written"},
        undelivered=[table for table, count in facts.delivered.items() if count["files"] == 0],
        sample=answers["customer_trusted"],
        size=figures.size,
        dollars=figures.dollars,
    )


def _charts(
    facts: Facts,
    answers: Mapping[str, Sequence[Row]],
    audit: Sequence[figures.Outcome],
    read: Mapping[tuple[str, str], int],
    written: Mapping[str, int],
) -> dict[str, Markup]:
    """{chart: its SVG} of those about which something is known."""
    charts = {}
    if audit:
        charts["flow"] = figures.flow(audit, lineage(), read, written)
    if answers["checks"]:
        order = [check.name for check in facts.checks]
        checks = [
            figures.Check(
                row["run_id"],
                int(row["checked_at"]),
                row["check_name"],
                row["state"],
                int(row["violations"]) if row["violations"] else None,
            )
            for row in answers["checks"]
        ]
        # Those of earlier versions of the project last.
        checks.sort(key=lambda c: (c.checked_at, order.index(c.name) if c.name in order else len(order)))
        sizes = [(row["run_id"], row["table_name"], int(row["records"])) for row in answers["sizes"]]
        charts["history"] = figures.history(checks, sizes, JOBS)
    if answers["consent"]:
        days = [(int(row["day"]), int(row["registered"]), int(row["agreed"])) for row in answers["consent"]]
        charts["consent"] = figures.consent(days)
    if answers["coverage"]:
        covered, readings = (
            [(int(row["number"]), int(row["customers"])) for row in answers["coverage"] if row["figure"] == figure]
            for figure in ("covered", "readings")
        )
        charts["coverage"] = figures.coverage(covered, readings)
    return charts
