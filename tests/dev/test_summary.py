"""What a run prints at its end, and leaves for programs."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from dev import summary
from dev.summary import Outcome
from dev.terminal import new_console

FIGURES = Counter(
    {
        ("customer_landing", "read"): 956,
        ("customer_landing", "lines"): 950,
        ("accelerometer_landing", "read"): 81_273,
        ("accelerometer_landing", "rejected"): 12,
        ("accelerometer_landing", "repaired"): 3,
        ("customer_trusted", "read"): 482,
        ("device_owners", "website_confirmed"): 950,
        ("device_owners", "readings"): 3,
        ("device_owners", "website"): 2,
        ("device_owners", "owner_ambiguous"): 1,
    }
)


def test_records_and_devices_take_a_line_each_and_so_does_a_source_without_files():
    uploaded = {"customer_landing": {"files": 3, "sent": 3}, "step_trainer_landing": {"files": 0, "sent": 0}}
    assert list(summary._summary_lines(FIGURES, uploaded)) == [
        "customer_landing: 956 records read, 0 rejected, 0 repaired",
        "accelerometer_landing: 81,273 records read, 12 rejected, 3 repaired; see landing_quarantine",
        "step_trainer_landing: the delivery has no files for it",
        "Owners of 956 devices: 950 confirmed by the readings, 3 corrected by the readings, 2 taken from the website, "
        "1 unknown",
    ]


def test_nothing_is_said_of_what_is_not_known():
    assert list(summary._summary_lines(Counter(), {})) == []


@pytest.fixture
def clock(monkeypatch):
    """The clock of a run that began at 0: ``clock.now`` is what it shows."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(summary, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def failed(local, clock, monkeypatch, capsys):
    """The output of a run in which a check failed, on a lake without tables."""
    local.mkdir()
    monkeypatch.setattr(summary, "count_rows", lambda tables, _: dict.fromkeys(tables) | {"customer_trusted": 1_234})
    monkeypatch.setattr(summary, "_figures", lambda _: FIGURES)
    clock.now = 12.34
    check = {"violations": 2, "figures": {"customer_trusted": 2}, "query_execution_id": "q"}
    outcome = Outcome(
        started=0.0,
        spent={"customer_trusted": 9.1, "checks": 2.0},
        run_id="manual",
        rows={"customer_trusted": 1_200},
        tasks=[
            {"task_id": "customer_trusted", "state": "success", "seconds": 9.1},
            {"task_id": "checks.consent", "state": "failed", "seconds": 1.0},
            {"task_id": "checks.history", "state": "success", "seconds": 1.0},
        ],
        results={"checks.consent": check},
        failures=[{"task_id": "checks.consent", "reason": "\nconsent: 2 violations\nmore", "log": "x.log"}],
    )
    summary.report(outcome, new_console())
    return capsys.readouterr().out.splitlines()


def test_the_first_lines_say_whether_the_run_succeeded_and_why_not(failed):
    assert failed[1:4] == [
        "Run failed in 12 s; 1 of 2 checks passed.",
        "checks.consent failed: consent: 2 violations",
        "  log: x.log",
    ]


def test_a_run_that_published_nothing_says_how_to_look_at_what_it_has_staged(failed):
    assert failed[4:6] == [
        "Nothing was published. What this run has staged:",
        '  make query RUN=manual SQL="select * from customer_trusted limit 5"',
    ]


def test_the_last_lines_say_where_all_of_the_time_went(failed):
    assert failed[-6:] == [
        "  where the time went      seconds   share",
        " ──────────────────────────────────────────",
        "  customer_trusted             9.1     74%",
        "  checks                       2.0     16%",
        "  counting what came out       1.2     10%",
        "",
    ]


def test_the_steps_of_a_run_sum_to_its_time(clock):
    outcome = Outcome(started=0.0)
    clock.now = 10.0
    outcome.lap(summary.START)
    clock.now = 16.0
    for task_id, seconds in (("upload_code", 1), ("upload_landing", 1.5), ("checks.consent", 2), ("new_task", 1)):
        outcome.spend_on_task(task_id, seconds)
    outcome.lap(summary.BETWEEN_TASKS)
    assert {step: round(spent, 1) for step, spent in outcome.spent.items()} == {
        summary.START: 10.0,
        "upload": 2.5,
        "checks": 2.0,
        "new_task": 1.0,
        summary.BETWEEN_TASKS: 0.5,
    }


def test_a_table_whose_rows_a_published_run_has_counted_is_not_counted_again(local, monkeypatch, capsys):
    local.mkdir()
    counted = []
    monkeypatch.setattr(summary, "count_rows", lambda tables, _: counted.extend(tables) or dict.fromkeys(tables, 1))
    monkeypatch.setattr(summary, "_figures", lambda _: FIGURES)
    summary.report(Outcome(run_id="manual", state="success", rows={"customer_trusted": 482}), new_console())
    assert "customer_trusted" not in counted
    assert json.loads((local / "summary.json").read_text())["tables"]["customer_trusted"] == 482


def test_no_line_in_a_file_ends_in_blanks_or_is_longer_than_its_text(failed):
    assert [line for line in failed if line != line.rstrip() or len(line) > 130] == []
    assert "  customer_trusted           1,234" in failed


def test_the_summary_for_programs_has_the_checks_with_their_figures(failed, local):
    written = json.loads((local / "summary.json").read_text())
    assert (written["run_id"], written["state"], written["seconds"]) == ("manual", "failed", 12.3)
    assert written["failures"] == [{"task_id": "checks.consent", "reason": "consent: 2 violations"}]
    assert written["tables"]["customer_trusted"] == 1_234
    assert written["checks"] == [
        {"check": "consent", "state": "failed", "violations": 2, "figures": {"customer_trusted": 2}},
        {"check": "history", "state": "success", "violations": None, "figures": {}},
    ]
