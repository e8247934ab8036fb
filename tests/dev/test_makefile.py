"""The Makefile: what it hands to the commands, and its help."""

import json
import os
import subprocess
import sys

import pytest

from .conftest import PROJECT


def make(target, *variables):
    """What ``make`` hands to the command: the arguments, seen by a Python that only prints them."""
    return subprocess.run(
        ["make", "--no-print-directory", "-f", PROJECT / "Makefile", "-o", "install", target, *variables],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def printing_python(tmp_path):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    return f"PYTHON={program}"


@pytest.mark.parametrize(
    "sql",
    [
        """select "it's", 'a "b"' from t""",
        'select * from "customer_trusted$snapshots"',
        "select 1\nfrom t -- # `id` $(shell touch evil) \\",
        "-- a comment\nselect 1",
    ],
)
def test_make_hands_sql_over_as_it_was_written(printing_python, sql):
    assert json.loads(make("query", printing_python, f"SQL={sql}").stdout)[-1] == sql


def test_make_hands_the_options_of_a_run_over(printing_python):
    made = make("run", printing_python, "LANDING=a b/c", "CONSENT_POLICY=reading_time", "KEEP=1")
    assert json.loads(made.stdout) == (
        [
            "-m",
            "dev",
            "run",
            "--landing",
            "a b/c",
            "--consent-policy",
            "reading_time",
            "--max-rejected",
            "",
            "--max-lost",
            "",
            "--keep",
        ]
    )


def test_make_hands_the_parameters_of_a_maintenance_over(printing_python):
    made = make("maintain", printing_python, "SNAPSHOT_HOURS=0", "KEEP_RELEASES=3", "ORPHAN_HOURS=48")
    given = ["--snapshot-hours", "0", "--keep-releases", "3", "--orphan-hours", "48"]
    assert json.loads(made.stdout)[2:] == ["maintain", *given]


def test_make_hands_the_run_over_whose_tables_a_query_reads(printing_python):
    made = make("query", printing_python, "SQL=select 1", "AT=manual__2026-01-02T03:04:05+00:00")
    given = ["--run", "", "--at", "manual__2026-01-02T03:04:05+00:00"]
    assert json.loads(made.stdout)[2:] == ["query", "--format", "", *given, "--", "select 1"]


def test_make_hands_the_scales_of_a_benchmark_over(printing_python):
    made = make("bench", printing_python, "SCALES=1 30h", "DOCS=1")
    assert json.loads(made.stdout)[2:] == ["bench", "--scales", "1 30h", "--docs"]


def test_make_alone_lists_every_target():
    listed = make("help").stdout
    targets = next(line for line in (PROJECT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert [target for target in targets.split()[2:] if f"make {target}" not in listed] == []
    # Without the option, make under make (as in `make test`) announces the directory that it enters.
    alone = subprocess.run(["make", "--no-print-directory"], cwd=PROJECT, capture_output=True, text=True)
    assert alone.stdout == listed
