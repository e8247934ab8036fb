"""`make bench`: its data, its bare scripts, what it measures and what it says."""

import json
import subprocess
import sys
import time
from collections import defaultdict

import pytest

from dev.bench import command, data, report
from dev.bench.command import BENCH, spark_environment
from dev.bench.data import Scale, landing
from dev.bench.measure import Meter, Usage, wait_for_exit
from dev.settings import CommandError
from stedi.tables import JOBS, SOURCES

HOUR = 3_600_000


def records(directory, source):
    return [json.loads(line) for path in sorted((directory / source).iterdir()) for line in path.open()]


# --- data ---


def hours_of_people(directory):
    """{person: the hours of their readings}"""
    hours = defaultdict(set)
    for reading in records(directory, "accelerometer"):
        hours[reading["user"].strip().lower()].add(reading["timestamp"] // HOUR)
    return hours


def test_a_scale_has_so_many_times_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PEOPLE", 200)
    once, thrice = landing(Scale("1"), tmp_path).records, landing(Scale("3"), tmp_path).records
    for source in SOURCES:
        assert thrice[source] / once[source] == pytest.approx(3, rel=0.1)


def test_data_of_one_hour_is_in_one_hour_and_every_copy_of_it_else_in_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PEOPLE", 20)
    assert len(set.union(*hours_of_people(landing(Scale("3h"), tmp_path).directory).values())) == 1
    people = hours_of_people(landing(Scale("3"), tmp_path).directory)
    assert {len(hours) for hours in people.values()} == {1}
    assert len(set.union(*people.values())) == 3


def test_each_person_has_an_hour_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PEOPLE", 30)
    people = hours_of_people(landing(Scale("1p"), tmp_path).directory)
    assert len(set.union(*people.values())) == len(people)


def test_data_is_generated_once(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PEOPLE", 5)
    first = landing(Scale("1"), tmp_path)
    monkeypatch.setattr(data, "generate", None)
    assert landing(Scale("1"), tmp_path) == first


def test_data_whose_generation_was_interrupted_is_generated_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PEOPLE", 5)
    first = landing(Scale("1"), tmp_path)
    (tmp_path / f"{first.directory.name}.json").unlink()
    assert landing(Scale("1"), tmp_path) == first


@pytest.mark.parametrize("name", ["x", "", "30x", "-1", "0", "30hh"])
def test_what_is_no_scale_is_refused(name):
    with pytest.raises(CommandError, match="a scale is a number"):
        Scale(name)


# --- measurement ---

#: Uses a second of one core and 100 MB in a child of a child, whose parent does not outlive it.
BUSY = "import time; block = bytearray(10**8)\nwhile time.process_time() < 1: pass\ntime.sleep(0.5)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
#: Uses a second in ten processes that are too short to be seen often.
SHORT = (
    "import subprocess, sys\n"
    "for _ in range(10): subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 0.1: pass'])"
)
#: Ends before its child, which uses a second.
ORPHAN = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {BUSY!r}]); time.sleep(0.5)"


def measured(script):
    process = subprocess.Popen([sys.executable, "-c", script])
    with Meter({"all": lambda: [process.pid]}) as meter:
        wait_for_exit(process.pid)
        meter.look()
        process.wait()
        deadline = time.monotonic() + 60
        while meter._trees["all"]._alive and time.monotonic() < deadline:
            meter.look()
            time.sleep(0.1)
    return meter.usage("all")


def test_the_cpu_time_and_memory_of_a_childs_child_count():
    usage = measured(PARENT)
    assert 1 <= usage.cpu_seconds < 2
    assert 100 < usage.peak_megabytes < 250
    assert usage.seconds >= 1.5


def test_processes_that_live_between_two_looks_count():
    assert 1 <= measured(SHORT).cpu_seconds < 3


def test_an_orphan_counts():
    assert 1 <= measured(ORPHAN).cpu_seconds < 2


def test_a_part_of_the_time_has_its_part_of_the_cpu_time():
    meter = Meter({"all": lambda: []})
    meter._samples = [(10.0, {"all": (5.0, 10**6)}), (12.0, {"all": (7.0, 3 * 10**6)}), (14.0, {"all": (7.0, 10**6)})]
    assert meter.usage("all") == Usage(4.0, 2.0, 3.0)
    assert meter.usage("all", 11.0, 13.0) == Usage(2.0, 1.0, 3.0)
    assert meter.usage("all", 13.1, 13.9) == Usage(pytest.approx(0.8), 0.0, 1.0)


# --- the pipeline's part, the scripts ---

TASK = {"state": "success", "started": 10.0, "seconds": 2.0, "attempts": 1}


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (TASK, Usage(4.0, 4.0, 1.0)),
        (TASK | {"attempts": 2}, "b needed 2 attempts"),
        (TASK | {"state": "failed"}, "b: no memory"),
        (None, "b: no memory"),
    ],
)
def test_jobs_that_failed_or_were_tried_again_are_not_measured(second, found):
    meter = Meter({"aws": lambda: []})
    meter._samples = [(10.0, {"aws": (0.0, 10**6)}), (14.0, {"aws": (4.0, 10**6)})]
    done = {"a": TASK} | ({"b": second | ({"started": 12.0})} if second else {})
    assert command._tasks(["a", "b"], done, {"b": "no memory\nmore"}, meter) == found


def test_the_median_counts_and_a_failure_counts_more():
    assert command._median([Usage(1, 5, 9), Usage(3, 4, 9), Usage(2, 6, 8)]) == {
        "seconds": 2,
        "cpu_seconds": 5,
        "peak_megabytes": 9,
    }
    assert command._median([Usage(1, 5, 9), "no memory"]) == {"failed": "no memory"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "PEOPLE", 20)
        return landing(Scale("1"), tmp_path_factory.mktemp("bench"))


@pytest.mark.exhaustive
def test_the_bare_scripts_give_rows(generated, tmp_path):
    for table in JOBS:
        subprocess.run(
            [sys.executable, BENCH / "bare" / f"{table}.py", generated.directory, tmp_path],
            env=spark_environment(tmp_path / "work"),
            check=True,
            capture_output=True,
        )
    rows = {
        table: sum(len(path.read_text().splitlines()) for path in (tmp_path / table).glob("part-*")) for table in JOBS
    }
    assert 0 < rows["customers_curated"] <= rows["customer_trusted"] < generated.records["customer"]
    assert 0 < rows["step_trainer_trusted"] < generated.records["step_trainer"]
    assert 0 < rows["machine_learning_curated"] <= rows["accelerometer_trusted"] < generated.records["accelerometer"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("reader", ["spark", "lakehouse"])
def test_both_readers_read_the_sources(generated, tmp_path, reader):
    read = [sys.executable, BENCH / "reader.py", reader, generated.directory]
    subprocess.run(read, env=spark_environment(tmp_path), check=True, capture_output=True)


@pytest.fixture
def bench(local, capsys, monkeypatch):
    """The command, with programs of the test in place of the pipeline and of the yardsticks."""

    def run(pipeline, scales="0.02"):
        real = command.subprocess.Popen

        def popen(arguments, *given, **options):
            script = pipeline if "run" in arguments else "print('Exception: no heap'); raise SystemExit(1)"
            return real([sys.executable, "-c", script], *given, **options)

        monkeypatch.setattr(command.subprocess, "Popen", popen)
        code = command.bench(scales, rounds=1)
        return code, capsys.readouterr().out, json.loads((local / "bench" / "results.json").read_text())

    return run


SUMMARY = f"""
import json, os, pathlib, time
tasks = [{{"task_id": t, "state": "success", "started": time.time(), "seconds": 0.1, "attempts": 1}} for t in {JOBS!r}]
tasks += [dict(tasks[0], task_id="checks.a"), dict(tasks[0], task_id="checks.b", state="failed")]
failures = [{{"task_id": "checks.b", "reason": "2 violations"}}]
pathlib.Path(os.environ["STEDI_LOCAL"], "summary.json").write_text(json.dumps({{"tasks": tasks, "failures": failures}}))
"""


def test_what_fails_is_shown_with_its_reason_and_the_rest_goes_on(bench, local):
    code, printed, results = bench(SUMMARY, "0.02 0.03")
    assert code == 1
    assert sorted(results["scales"]) == ["0.02", "0.03"]
    measured = results["scales"]["0.02"]["measured"]
    assert measured["checks"] == {"failed": "checks.b: 2 violations"}
    assert measured["bare"] == {"failed": "bare.customer_trusted: Exception: no heap"}
    assert set(measured["jobs"]) == {"seconds", "cpu_seconds", "peak_megabytes"}
    assert "0.02x: all checks failed: checks.b: 2 violations" in printed
    assert (local / "bench" / "benchmark.svg").read_text().startswith("<svg")


def test_a_pipeline_that_fails_on_the_sample_ends_the_benchmark(bench):
    with pytest.raises(CommandError, match="fails on the sample data: error: no memory"):
        bench("print('error: no memory'); raise SystemExit(1)")


# --- results ---


def usage(seconds):
    return {"seconds": seconds, "cpu_seconds": 2 * seconds, "peak_megabytes": 100.0}


def scale(records, **measured):
    return {"records": {"customer": records}, "megabytes": 1, "hours": "any", "rounds": 1, "measured": measured}


RESULTS = {
    "machine": {"cores": 2, "memory_gigabytes": 24, "system": "Linux", "python": "3.11"},
    "scales": {
        "1": scale(10, run=usage(30.0), bare=usage(40.0)),
        "30": scale(300, jobs=usage(100.0), checks={"failed": "no memory"}),
        "30h": scale(300, jobs=usage(140.0), checks=usage(1.0)),
    },
}


def test_the_ratios_say_what_was_not_measured_or_failed():
    values = {ratio.name: ratio.value(RESULTS) for ratio in report.RATIOS}
    assert values["`make run` / five bare scripts, 1x"] == 0.75
    assert values["five jobs, 30x in one hour / 30x"] == 1.4
    assert values["all checks, 30x in one hour / 30x"] == "failed at 30x"
    assert report._title("30h") == "30x, one hour"
    assert values["all checks / five jobs, 100x"] == "not measured"


def test_a_ratio_of_records_divides_by_their_number():
    results = {"scales": {"30": scale(300, jobs=usage(100.0)), "100": scale(1000, jobs=usage(400.0))}}
    (ratio,) = (ratio for ratio in report.RATIOS if ratio.name.startswith("five jobs, CPU seconds a record"))
    assert ratio.value(results) == pytest.approx(1.2)


def test_the_document_names_each_ratio_with_its_bound_and_each_failure():
    text = report.markdown(RESULTS)
    for ratio in report.RATIOS:
        assert f"| {ratio.name} |" in text
    assert "| `make run` / five bare scripts, 1x | 0.75 | 1.0 | 0.8 |" in text
    assert "- 30x, all checks: no memory" in text
    assert "| 30x | all checks | failed |" in text
