"""What a benchmark has come to: tables for a terminal and for ``docs/benchmark.md``, and a plot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from dev.terminal import print_line, print_table

#: The data of results.json: for each scale, what was measured (seconds, CPU seconds, megabytes), or why it was not.
Results = dict[str, Any]

WHAT = {
    "run": "`make run`",
    "cold_run": "`make run` after `make stop`",
    "jobs": "the five jobs",
    "checks": "all checks",
    "bare": "five bare scripts",
    "reader.spark": "Spark's JSON reader",
    "reader.lakehouse": "the jobs' reader",
}
COLOURS = {"jobs": "#2a6f97", "checks": "#61a5c2", "bare": "#bc6c25", "reader.spark": "#dda15e"}


class Ratio(NamedTuple):
    """A figure that depends little on the machine: one measure by another, and what is promised and aimed at."""

    name: str
    ours: tuple[str, str]
    theirs: tuple[str, str]
    bound: float
    aim: float | None
    #: CPU seconds a record, instead of seconds.
    per_record: bool = False

    def value(self, results: Results) -> float | str:
        """The ratio, or why there is none."""
        values = []
        for scale, what in (self.ours, self.theirs):
            measured = results["scales"].get(scale, {}).get("measured", {}).get(what)
            if measured is None:
                return "not measured"
            if "failed" in measured:
                return f"failed at {_title(scale)}"
            records = sum(results["scales"][scale]["records"].values())
            values.append(measured["cpu_seconds"] / records if self.per_record else measured["seconds"])
        return values[0] / values[1] if values[1] else "not measured"


RATIOS = (
    Ratio("`make run` / five bare scripts, 1x", ("1", "run"), ("1", "bare"), 1.0, 0.8),
    Ratio("five jobs / five bare scripts, 100x", ("100", "jobs"), ("100", "bare"), 1.0, 0.6),
    Ratio("all checks / five jobs, 100x", ("100", "checks"), ("100", "jobs"), 0.3, 0.15),
    Ratio("five jobs, 30x in one hour / 30x", ("30h", "jobs"), ("30", "jobs"), 1.3, 1.1),
    Ratio("all checks, 30x in one hour / 30x", ("30h", "checks"), ("30", "checks"), 1.3, 1.1),
    Ratio("five jobs, CPU seconds a record, 100x / 30x", ("100", "jobs"), ("30", "jobs"), 1.2, 1.0, True),
    Ratio("all checks, CPU seconds a record, 100x / 30x", ("100", "checks"), ("30", "checks"), 1.2, 1.0, True),
    Ratio(
        "the jobs' reader / Spark's JSON reader, 100x", ("100", "reader.lakehouse"), ("100", "reader.spark"), 1.4, None
    ),
)


def show(results: Results, console: Console) -> None:
    """Prints the tables."""
    columns = ("scale", "what", "seconds", "CPU seconds", "peak MB")
    print_table(
        console, columns, [tuple(map(_plain, row)) for row in _measures(results)], (False, False, True, True, True)
    )
    rows = []
    for ratio in RATIOS:
        value = ratio.value(results)
        good = isinstance(value, float) and value <= ratio.bound
        style = ("green" if good else "red") if isinstance(value, float) else "yellow"
        rows.append((_plain(ratio.name), Text(_number(value), style), f"{ratio.bound}", _aim(ratio)))
    print_table(console, ("ratio", "result", "at most", "aim"), rows, (False, True, True, True))
    for name, scale in _scales(results):
        for what, measured in scale["measured"].items():
            if "failed" in measured:
                print_line(
                    console, f"{_title(name)}: {_plain(WHAT.get(what, what))} failed: {measured['failed']}", "red"
                )


def write(results: Results, folder: Path) -> None:
    """Writes ``benchmark.md`` and ``benchmark.svg``."""
    (folder / "benchmark.md").write_text(markdown(results))
    (folder / "benchmark.svg").write_text(plot(results))


def markdown(results: Results) -> str:
    """The document: how it is measured, and the results."""
    machine = results["machine"]
    sizes = [
        (
            _title(name),
            *(f"{scale['records'][source]:,}" for source in scale["records"]),
            f"{scale['megabytes']:,} MB",
            scale["hours"],
            str(scale["rounds"]),
        )
        for name, scale in _scales(results)
    ]
    failures = [
        f"- {_title(name)}, {WHAT.get(what, what)}: {measured['failed']}"
        for name, scale in _scales(results)
        for what, measured in scale["measured"].items()
        if "failed" in measured
    ]
    parts = [
        f"""# Benchmark

`make bench` measures the pipeline at several sizes of the data, with two yardsticks in the same call: five bare PySpark
scripts that do roughly the same work, and Spark's own JSON reader. `make bench DOCS=1` wrote this page, on a machine
with {machine["cores"]} cores and {machine["memory_gigabytes"]} GB of memory ({machine["system"]}). The seconds depend
on the machine, the ratios much less.

```sh
make bench                      # all scales; leave the machine alone meanwhile
make bench SCALES="1 30h"       # some; the results of the others stay as they are
```

A scale is how many times the people of the public data set. In 30 each 986 people walk in an hour of their own, in 30h
everybody in the same hour, and in 30p each person in an hour of their own, which spreads the tables over years of days.

It takes about half an hour. It uses a lake of its own in `.local/bench`, so yours stays as it is;
with the generated data, that takes several GB. `make stop` stops it, and `make clean` deletes them.""",
        "## Ratios\n\n"
        + _table(
            ("ratio", "result", "at most", "aim"),
            [(ratio.name, _number(ratio.value(results)), f"{ratio.bound}", _aim(ratio)) for ratio in RATIOS],
        ),
        "## Seconds, CPU seconds, memory\n\n![Seconds at each scale](benchmark.svg)\n\n"
        + _table(("scale", "what", "seconds", "CPU seconds", "peak memory, MB"), list(_measures(results))),
    ]
    if failures:
        parts.append("What failed:\n\n" + "\n".join(failures))
    parts += [
        "## Data\n\n"
        "1x has the size of the public data set, N times as many people (and devices) for Nx. The\n"
        "[generator](../dev/generate.py) makes it, since the public data may not be passed on.\n\n"
        + _table(
            ("scale", "customer", "accelerometer", "step_trainer", "size", "hours of the readings", "rounds"), sizes
        ),
        """## How it is measured

- **The five jobs, all checks**: the tasks of one `make run` with the local AWS up from an earlier run, added up. CPU
  time and memory are those of the local AWS with all processes that it starts. `make run` adds Airflow to it.
- **Five bare scripts**: [`dev/bench/bare/`](../dev/bench/bare), each a process of its own with two cores and a heap of
  2 GB, on local files: no catalog, no checks, no damaged records. Unlike most published ones, the last script joins on
  the person as well as on the timestamp; the timestamp alone pairs different people, and with everybody in the same
  hour its rows would grow with the square of the data.
- **Readers**: all three sources, every field, to nowhere, in a Spark session of its own.
- Memory is the most at one time, summed over processes, looked at five times a second. Pages that processes share count
  for each of them, and so does what an earlier task has left in memory.
- A scale up to 1x is measured in three rounds, one after the other, and the medians count; the others in one.
- A job that needed a second attempt counts as failed.""",
    ]
    return "\n\n".join(parts) + "\n"


def plot(results: Results) -> str:
    """Bars for each scale: how long the jobs, the checks and the yardsticks took."""
    width, label, bar, gap = 760, 170, 18, 12
    elements, y = [], 10
    for name, scale in _scales(results):
        shown = {what: scale["measured"].get(what, {"failed": ""}) for what in COLOURS}
        longest = max((measured.get("seconds", 0.0) for measured in shown.values()), default=0.0) or 1.0
        elements.append(f'<text x="0" y="{y + 14}" style="font-weight:bold">{_title(name)}</text>')
        y += bar + 4
        for what, measured in shown.items():
            elements.append(f'<text x="0" y="{y + 14}">{_plain(WHAT[what])}</text>')
            length = (width - label - 80) * measured.get("seconds", 0.0) / longest
            text = f"{measured['seconds']:,.1f} s" if "seconds" in measured else "failed"
            elements.append(f'<rect x="{label}" y="{y}" width="{length:.1f}" height="{bar}" fill="{COLOURS[what]}"/>')
            elements.append(f'<text x="{label + length + 6:.1f}" y="{y + 14}">{text}</text>')
            y += bar + 4
        y += gap - 4
    style = "text{font:13px sans-serif;fill:#808080}"
    body = "\n".join(elements)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}">\n<style>{style}</style>\n{body}\n</svg>\n'
    )


def _title(scale: str) -> str:
    """``30x``, ``30x, one hour``"""
    return f"{scale.rstrip('hp')}x" + {"h": ", one hour", "p": ", an hour each"}.get(scale[-1], "")


def _scales(results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    """By size, and those in one hour behind those of the same size."""
    yield from sorted(results["scales"].items(), key=lambda item: (float(item[0].rstrip("hp")), item[0]))


def _measures(results: Results) -> Iterator[tuple[str, str, str, str, str]]:
    for name, scale in _scales(results):
        for what, title in WHAT.items():
            if (measured := scale["measured"].get(what)) is None:
                continue
            if "failed" in measured:
                yield _title(name), title, "failed", "", ""
            else:
                cpu, memory = f"{measured['cpu_seconds']:,.1f}", f"{measured['peak_megabytes']:,.0f}"
                yield _title(name), title, f"{measured['seconds']:,.1f}", cpu, memory


def _number(value: float | str) -> str:
    return f"{value:.2f}" if isinstance(value, float) else value


def _aim(ratio: Ratio) -> str:
    return "" if ratio.aim is None else f"{ratio.aim}"


def _plain(text: str) -> str:
    return text.replace("`", "")


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
