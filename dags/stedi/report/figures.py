"""The pictures of the report. Each is drawn for a width in inches, so that a phone gets one of its own.

matplotlib takes a second to load: import this module where a report is made, not where a DAG is parsed.
"""

import io
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

# The colours of the light theme. In the page each becomes the CSS variable of its name, which the dark theme redefines.
INK, MUTED, LINE = "#1c2733", "#5d6b79", "#d5dce3"
KEPT, REPEATED, FILTERED, REFUSED = "#0d7d7f", "#93a1ae", "#c98a1b", "#c2303a"
COLOURS = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    KEPT: "kept",
    REPEATED: "repeated",
    FILTERED: "filtered",
    REFUSED: "refused",
}
OUTCOMES = {"kept": KEPT, "duplicate": REPEATED, "superseded": REPEATED, "filtered": FILTERED, "refused": REFUSED}
#: Inches below which a picture is drawn for a phone.
NARROW = 5
#: The way of each delivered record: the landing table, then job by job.
WAYS = {
    "customer_landing": ["customer_trusted", "customers_curated"],
    "accelerometer_landing": ["accelerometer_trusted", "machine_learning_curated"],
    "step_trainer_landing": ["step_trainer_trusted", "machine_learning_curated"],
}
STYLE = {
    "font.size": 8.5,
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
}


class Outcome(NamedTuple):
    """A row of job_audit."""

    job: str
    source: str
    outcome: str
    reason: str | None
    records: int


class Check(NamedTuple):
    """A row of check_audit."""

    run_id: str
    checked_at: int
    name: str
    state: str
    violations: int | None


class Cost(NamedTuple):
    """What a Glue job run took: seconds of its execution, DPU-seconds."""

    job: str
    state: str
    seconds: float
    dpu_seconds: float


def png(draw: Callable[[float], Figure], width: float) -> bytes:
    """A picture in the light theme."""
    with rc_context(STYLE), io.BytesIO() as file:
        draw(width).savefig(file, format="png", dpi=150, facecolor="white")
        return file.getvalue()


def svg(draw: Callable[[float], Figure], width: float) -> str:
    """A picture as an SVG element that takes its colours and its font from the page."""
    with rc_context(STYLE), io.StringIO() as file:
        draw(width).savefig(file, format="svg", transparent=True, metadata={"Date": None})
        text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", re.sub(r"font-family: [^;]*; ", "", text))
    for colour, name in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def flow(audit: Sequence[Outcome], width: float) -> Figure:
    """Where the delivered records went: for each landing table a band that is as wide as all of its records."""
    lanes = [_lane(audit, landing, jobs) for landing, jobs in WAYS.items()]
    narrow, column, bar, band, slot = width < NARROW, width / 3, 0.09, 0.6, 0.18
    above = 0.62 if narrow else 0.46
    depths = []
    for stages, _ in lanes:
        left = [sum(row.outcome != "kept" for row in found) for _, _, found in stages]
        depths.append(above + band + 0.35 + slot * (sum(left) if narrow else max(left)))
    figure = Figure(figsize=(width, sum(depths)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(sum(depths), 0))
    axes.axis("off")
    for number, (stages, (last, written)) in enumerate(lanes):
        top, whole = sum(depths[:number]) + above, stages[0][1]
        y = top + band + 0.12
        for step, (source, read, found) in enumerate(stages):
            scale = band / whole if whole else 0
            x, following = step * column, (step + 1) * column if step + 1 < len(stages) else width - bar
            _node(axes, x, top, bar, read * scale, source, read, narrow)
            below, y = top, y if narrow else top + band + 0.12
            for row in found:
                colour = OUTCOMES[row.outcome]
                if row.outcome == "kept":
                    _ribbon(
                        axes, (x + bar, below), (following, below), row.records * scale, row.records * scale, colour
                    )
                else:
                    thick = max(row.records * scale, 0.012)
                    _ribbon(axes, (x + bar, below), (x + 0.45, y - 0.05), thick, min(thick, 0.1), colour)
                    what = f"{row.records:,} {row.outcome}" + (f": {row.reason}" if row.reason else "")
                    axes.text(x + 0.5, y, what, color=colour, va="center")
                    y += slot
                below += row.records * scale
        end = sum(row.records for row in stages[-1][2] if row.outcome == "kept")
        _node(axes, width - bar, top, bar, end * scale, last, end if written is None else written, narrow, "right")
    return figure


def _lane(audit: Sequence[Outcome], landing: str, jobs: list[str]) -> tuple[list[tuple], tuple[str, int | None]]:
    """The stages of a landing table's records (source, records read, what became of them: kept first), and the last
    table with its rows."""
    stages, source = [], landing
    for job in jobs:
        own = [row for row in audit if (row.job, row.source) == (job, source) and row.records]
        found = [row for row in own if row.outcome in OUTCOMES]
        found.sort(key=lambda row: (list(OUTCOMES).index(row.outcome), -row.records))
        stages.append((source, sum(row.records for row in own if row.outcome == "read"), found))
        source = job
    written = next((row.records for row in audit if (row.source, row.outcome) == (source, "written")), None)
    return stages, (source, written)


def _node(
    axes: Axes, x: float, top: float, bar: float, height: float, name: str, rows: int, narrow: bool, side: str = "left"
) -> None:
    axes.add_patch(Rectangle((x, top), bar, max(height, 0.012), color=INK, linewidth=0))
    at = x if side == "left" else x + bar
    axes.text(at, top - 0.21, _in_two(name, "_") if narrow else name, ha=side, va="bottom", fontweight="bold")
    axes.text(at, top - 0.05, f"{rows:,}", ha=side, va="bottom", color=MUTED)


def _ribbon(axes: Axes, begin: tuple, end: tuple, thick: float, thick_at_end: float, colour: str) -> None:
    """A band between two points, each its upper edge."""
    (x, y), (x2, y2), middle = begin, end, (begin[0] + end[0]) / 2
    points = [(x, y), (middle, y), (middle, y2), (x2, y2), (x2, y2 + thick_at_end), (middle, y2 + thick_at_end)]
    points += [(middle, y + thick), (x, y + thick), (x, y)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(points, codes), facecolor=colour, alpha=0.55, linewidth=0))


def _in_two(name: str, before: str) -> str:
    """A name on two lines, the second of which starts with the last ``before``."""
    first, found, last = name.rpartition(before)
    return f"{first}\n{found}{last}" if first else name


def history(checks: Sequence[Check], sizes: Sequence[tuple[str, str, int]], width: float) -> Figure:
    """The last runs, the oldest first: what the checks found, and the rows of each table."""
    runs = list(dict.fromkeys(check.run_id for check in checks))
    names = list(dict.fromkeys(check.name for check in checks))
    tables = list(dict.fromkeys(table for ways in WAYS.values() for table in ways))
    narrow = width < NARROW
    row = 0.3 if narrow else 0.21
    # The columns of the picture are the runs, in the same place in both parts of it.
    figure = Figure(figsize=(width, 0.8 + row * len(names) + 0.62 * len(tables)), layout="constrained")
    heights = {"height_ratios": [row * max(len(names), 1), *[0.42] * len(tables)]}
    grid, *plots = figure.subplots(1 + len(tables), 1, sharex=True, gridspec_kw=heights)
    for check in checks:
        colour = KEPT if check.state == "success" else REFUSED if check.violations else REPEATED
        x, y = runs.index(check.run_id), names.index(check.name)
        grid.add_patch(Rectangle((x - 0.42, y - 0.4), 0.84, 0.8, color=colour, linewidth=0))
        if check.violations:
            grid.text(x, y, f"{check.violations:,}", color="white", ha="center", va="center", fontsize=7)
    grid.set_title("violations of each check")
    grid.set(yticks=range(len(names)), yticklabels=[_label(name, narrow) for name in names])
    # A few runs do not fill the width.
    grid.set(xlim=(min(-0.5, len(runs) - 6.5), len(runs) - 0.5), ylim=(max(len(names), 1) - 0.5, -0.5))
    grid.grid(False)
    grid.tick_params(length=0)
    for axes, table in zip(plots, tables, strict=True):
        points = [(runs.index(run), rows) for run, name, rows in sizes if name == table and run in runs]
        if points:
            axes.plot(*zip(*points, strict=True), color=KEPT, marker="o", markersize=3, linewidth=1.4)
        most = max([rows for _, rows in points] + [1])
        axes.set(ylim=(0, 1.25 * most), yticks=[0, most], yticklabels=["0", f"{most:,}"])
        axes.set_title(f"rows of {table}", pad=2, fontsize=8)
        axes.tick_params(length=0)
    at = {check.run_id: datetime.fromtimestamp(check.checked_at / 1000, UTC) for check in checks}
    every = -(-max(len(runs), 6) // max(2, int((width - 2.2) / 0.55)))
    shown = [number for number in range(len(runs)) if (len(runs) - 1 - number) % every == 0]
    plots[-1].set_xticks(shown, [f"{at[runs[number]]:%d %b\n%H:%M}" for number in shown])
    return figure


def _label(check: str, narrow: bool) -> str:
    return check.replace("cardinality_", "cardinality_\n") if narrow else check


def consent(days: Sequence[tuple[int, int, int]], width: float) -> Figure:
    """(day since 1970, registered on it, agreed on it) as how many people were registered, and share, at each time."""
    figure, axes = _axes(width, 2.6)
    at = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day) for day, _, _ in days]
    for column, colour, what, above in ((1, MUTED, "registered", "bottom"), (2, KEPT, "share for research", "top")):
        total, line = 0, []
        for row in days:
            total += row[column]
            line.append(total)
        if line:
            axes.step(at, line, where="post", color=colour, linewidth=1.6)
            axes.text(at[-1], line[-1], f" {line[-1]:,}\n {what}", color=colour, va=above)
    if at:
        axes.set_xlim(
            at[0] - timedelta(days=1), max(at[-1], at[0] + timedelta(days=6))
        )  # whole days, on a short axis too
    locator = AutoDateLocator(minticks=2, maxticks=5 if width < NARROW else 9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylim(bottom=0)
    axes.set_title("people", pad=20)
    return figure


def coverage(covered: Sequence[tuple[int, int]], readings: Sequence[tuple[int, int]], width: float) -> Figure:
    """Two distributions over customers: (percent of its instants, customers), (readings, customers)."""
    stacked = width < NARROW
    figure = Figure(figsize=(width, 4.4 if stacked else 2.5), layout="constrained")
    first, second = figure.subplots(2, 1) if stacked else figure.subplots(1, 2)
    for axes, rows, bins, title in (
        (
            first,
            covered,
            range(0, 105, 5),
            "customers by the share (%) of their device's instants\nwith a reading of theirs",
        ),
        (second, readings, 20, "customers by number of\naccelerometer readings"),
    ):
        numbers, weights = zip(*rows, strict=True) if rows else ((), ())
        axes.hist(numbers, bins=bins, weights=weights, color=KEPT, rwidth=0.9)
        axes.set_title(title, fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(False, axis="x")
    return figure


def cost(jobs: Sequence[Cost], scanned: Sequence[tuple[str, int]], width: float) -> Figure:
    """The seconds of each Glue job with its DPU-seconds, and the bytes that each check scanned in Athena."""
    narrow = width < NARROW
    figure = Figure(figsize=(width, 1.1 + (0.3 if narrow else 0.24) * (len(jobs) + len(scanned))), layout="constrained")
    first, second = figure.subplots(2, 1, gridspec_kw={"height_ratios": [max(len(jobs), 1), max(len(scanned), 1)]})
    seconds = [(job.job, job.seconds, f"{job.seconds:,.0f} s, {job.dpu_seconds:,.0f} DPU-s") for job in jobs]
    _bars(first, "seconds of each job", seconds, narrow)
    _bars(second, "scanned by each check", [(name, count, size(count)) for name, count in scanned], narrow)
    return figure


def size(count: float) -> str:
    """A number of bytes for people: 2.1 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _bars(axes: Axes, title: str, rows: Sequence[tuple[str, float, str]], narrow: bool) -> None:
    axes.barh([_label(name, narrow) for name, _, _ in rows], [value for _, value, _ in rows], color=KEPT, height=0.66)
    for number, (_, value, label) in enumerate(rows):
        axes.text(value, number, f" {label}", va="center", color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, (2.4 if narrow else 1.4) * max([value for _, value, _ in rows] + [1]))
    axes.set_title(title)
    axes.grid(False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


def table(name: str, total: int, columns: Sequence[str], rows: Sequence[Sequence[str | None]], width: float) -> Figure:
    """A query's result as it would stand on a page: the first rows of ``total``."""
    height, heads = 0.21 * (len(rows) + 1) + 0.6, [re.sub(r"(asof)?date$", r"\n\g<0>", column) for column in columns]
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.text(0.08, 0.16, name, fontweight="bold", va="center")
    axes.text(width - 0.08, 0.16, f"{len(rows)} of {total:,} rows, masked", color=MUTED, ha="right", va="center")
    letters = [max(map(len, [*head.split("\n"), *(row[i] or "" for row in rows)])) + 2 for i, head in enumerate(heads)]
    inch = (width - 0.16) / sum(letters)
    places = [0.08 + inch * sum(letters[:i]) for i in range(len(columns))]
    small = min(8.5, inch * 72 / 0.62)
    for i, head in enumerate(heads):
        axes.text(places[i], 0.42, head, fontsize=small, fontweight="bold", va="center", color=MUTED)
        for number, row in enumerate(rows):
            at = 0.5 + 0.21 * (number + 1)
            axes.text(places[i], at, row[i] or "-", fontsize=small, va="center", color=INK if row[i] else REPEATED)
    for number in range(len(rows) + 1):
        at = 0.5 + 0.21 * (number + 0.5)
        axes.plot([0.05, width - 0.05], [at, at], color=LINE, linewidth=0.6)
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return figure, axes
