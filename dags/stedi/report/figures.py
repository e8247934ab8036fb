"""The charts of the report as SVG without a library: font and colours, light or dark, come from the page."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from markupsafe import Markup

#: Units across a chart, which fills the width of its card.
WIDTH = 800
#: {outcome: colour of the page}, in the order in which a band shows them.
OUTCOMES = {
    "kept": "kept",
    "duplicate": "repeated",
    "superseded": "repeated",
    "filtered": "filtered",
    "rejected": "rejected",
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


class _Svg:
    """A drawing that grows; colours are names of the page's CSS variables."""

    def __init__(self) -> None:
        self.elements: list[Markup] = []

    def finish(self, height: float) -> Markup:
        start = Markup('<svg viewBox="0 0 {} {:.0f}" aria-hidden="true">').format(WIDTH, height)
        return start + Markup("\n").join(self.elements) + Markup("</svg>")

    def path(self, points: str, *, fill: str = "", stroke: str = "", opacity: float = 1) -> None:
        style = f"fill:var(--{fill})" if fill else f"fill:none;stroke:var(--{stroke});stroke-width:1.5"
        self.elements.append(Markup('<path d="{}" style="{};opacity:{}"/>').format(points, style, opacity))

    def box(self, x: float, y: float, width: float, height: float, colour: str, hint: str = "") -> None:
        box = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" style="fill:var(--{})">{}</rect>')
        title = Markup("<title>{}</title>").format(hint) if hint else ""
        self.elements.append(box.format(x, y, width, height, colour, title))

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "start", bold: bool = False
    ) -> None:
        style = f"fill:var(--{colour})" + (";font-weight:600" if bold else "")
        label = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="{}">{}</text>')
        self.elements.append(label.format(x, y, anchor, style, text))


def flow(
    audit: Sequence[Outcome],
    lineage: Mapping[str, Sequence[str]],
    read: Mapping[tuple[str, str], int],
    written: Mapping[str, int],
) -> Markup:
    """Where every record went: for each landing table a band, as wide as its records are many.

    ``read`` is {(job, source): records}, ``written`` {table: rows}.
    """
    svg, top, bar, band, slot = _Svg(), 34.0, 7, 54, 17
    for landing, jobs in lineage.items():
        whole = read.get((jobs[0], landing), 0)
        scale, column, deepest, source, kept = band / whole if whole else 0, WIDTH / len(jobs), top + band, landing, 0
        for step, job in enumerate(jobs):
            x, upper, y = step * column, top, top + band + 16
            _node(svg, x, top, (bar, read.get((job, source), 0) * scale), source, read.get((job, source)))
            found = [row for row in audit if (row.job, row.source) == (job, source) and row.records]
            kept = sum(row.records for row in found if row.outcome == "kept")
            for row in sorted(found, key=lambda row: (list(OUTCOMES).index(row.outcome), -row.records)):
                thick, colour = max(row.records * scale, 1), OUTCOMES[row.outcome]
                if row.outcome == "kept":
                    _ribbon(
                        svg,
                        (x + bar, upper),
                        (x + column - (bar if job == jobs[-1] else 0), upper),
                        thick,
                        thick,
                        colour,
                    )
                else:
                    _ribbon(svg, (x + bar, upper), (x + 40, y - 4), thick, min(thick, 8), colour)
                    reason = f": {row.reason}" if row.reason else ""
                    svg.text(x + 46, y + 4, f"{row.records:,} {row.outcome}{reason}")
                    deepest, y = max(deepest, y), y + slot
                upper += row.records * scale
            source = job
        _node(svg, WIDTH - bar, top, (bar, kept * scale), source, written.get(source), last=True)
        top = deepest + 62
    return svg.finish(top - 44)


def _node(
    svg: _Svg, x: float, y: float, size: tuple[float, float], name: str, rows: int | None, *, last: bool = False
) -> None:
    svg.box(x, y, size[0], max(size[1], 1), "ink")
    at, anchor = (x + size[0], "end") if last else (x, "start")
    svg.text(at, y - 20, name, anchor=anchor, bold=True)
    svg.text(at, y - 6, "not known" if rows is None else f"{rows:,}", anchor=anchor, colour="muted")


def _ribbon(
    svg: _Svg, start: tuple[float, float], end: tuple[float, float], thick: float, thick_at_end: float, colour: str
) -> None:
    """A band between two points, each its upper corner."""
    (x, y), (x2, y2), middle = start, end, (start[0] + end[0]) / 2
    svg.path(
        f"M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}v{thick_at_end:.1f}"
        f"C{middle:.1f} {y2 + thick_at_end:.1f} {middle:.1f} {y + thick:.1f} {x:.1f} {y + thick:.1f}z",
        fill=colour,
        opacity=0.6,
    )


def history(checks: Sequence[Check], sizes: Sequence[tuple[str, str, int]], tables: Sequence[str]) -> Markup:
    """The last runs, the oldest first: what each check found, and (run, table, rows) as a line a table."""
    runs = {check.run_id: check.checked_at for check in checks}
    names = list(dict.fromkeys(check.name for check in checks))
    svg, left, row, plot = _Svg(), 236, 19, 46
    cell = (WIDTH - left) / max(len(runs), 8)  # a few runs do not fill the width
    column = {run: left + cell * number for number, run in enumerate(runs)}
    for number, name in enumerate(names):
        svg.text(0, number * row + 13, name)
    for check in checks:
        x, y = column[check.run_id], float(names.index(check.name) * row)
        colour = "kept" if check.state == "success" else "rejected" if check.violations else "repeated"
        svg.box(x + 1, y + 1, cell - 2, row - 2, colour, f"{check.run_id}: {check.name}, {check.state}")
        if check.violations:
            svg.text(x + cell / 2, y + 13, _short(check.violations), colour="card", anchor="middle", bold=True)
    top = len(names) * row + 12.0
    for table in tables:
        rows = {run: count for run, name, count in sizes if name == table and run in column}
        most, bottom = max(rows.values(), default=0), top + plot - 8
        svg.text(0, bottom - 14, table)
        svg.text(0, bottom + 1, f"up to {most:,} rows" if rows else "no rows known", colour="muted")
        svg.path(f"M{left} {bottom:.1f}H{WIDTH}", stroke="line")
        points = [(column[run] + cell / 2, bottom - 28 * count / max(most, 1)) for run, count in rows.items()]
        svg.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else "", stroke="kept")
        for (x, y), (run, count) in zip(points, rows.items(), strict=True):
            svg.box(x - 2.5, y - 2.5, 5, 5, "kept", f"{run}: {count:,} rows")
        top += plot
    every = -(-48 // int(cell))
    for number, (run, checked_at) in enumerate(runs.items()):
        if (len(runs) - 1 - number) % every == 0:
            at = datetime.fromtimestamp(checked_at / 1000, UTC)
            svg.text(column[run] + cell / 2, top + 10, f"{at.day} {at:%b}", colour="muted", anchor="middle")
            svg.text(column[run] + cell / 2, top + 24, f"{at:%H:%M}", colour="muted", anchor="middle")
    return svg.finish(top + 30)


def _short(number: int) -> str:
    return f"{number}" if number < 1000 else f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1e6:.0f}M"


def consent(days: Sequence[tuple[int, int, int]]) -> Markup:
    """(day since 1970, people registered on it, people agreed on it), as two lines that add up."""
    svg, left, right, top, bottom = _Svg(), 44, 640, 16, 204
    registered, agreed = (list(accumulate(row[number] for row in days)) for number in (1, 2))
    first, last, most = days[0][0], max(days[-1][0], days[0][0] + 4), max(registered[-1], agreed[-1], 1)

    def x(day: float) -> float:
        return left + (right - left) * (day - first) / (last - first)

    def y(people: float) -> float:
        return bottom - (bottom - top) * people / most

    for tick in _ticks(0, most, 4):
        svg.path(f"M{left} {y(tick):.1f}H{right}", stroke="line")
        svg.text(left - 6, y(tick) + 4, f"{tick:,}", colour="muted", anchor="end")
    for number in range(5):
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=first + (last - first) * number // 4)
        svg.text(
            x(first + (last - first) * number // 4),
            bottom + 18,
            f"{at.day} {at:%b %Y}",
            colour="muted",
            anchor="middle",
        )
    for totals, colour, what, lower in (
        (registered, "muted", "registered", -4),
        (agreed, "kept", "share for research", 14),
    ):
        steps = "".join(f"H{x(day[0]):.1f}V{y(total):.1f}" for day, total in zip(days, totals, strict=True))
        svg.path(f"M{x(first):.1f} {bottom}{steps}H{right}", stroke=colour)
        svg.text(right + 8, y(totals[-1]) + lower, f"{totals[-1]:,} {what}", colour=colour, bold=True)
    return svg.finish(bottom + 26)


def coverage(covered: Sequence[tuple[int, int]], readings: Sequence[tuple[int, int]]) -> Markup:
    """Two histograms of customers: by the percentage of instants covered, and by number of readings."""
    svg = _Svg()
    _histogram(svg, 0, "customers by coverage of their device's instants (%)", covered, range(0, 105, 5))
    low, high = min((n for n, _ in readings), default=0), max((n for n, _ in readings), default=0)
    width = -(-(high - low + 1) // 20)
    _histogram(svg, 420, "customers by number of readings", readings, range(low, high + width + 1, width))
    return svg.finish(210)


def _histogram(svg: _Svg, left: float, title: str, rows: Sequence[tuple[int, int]], bins: range) -> None:
    left, width, top, bottom = left + 34, 340, 34, 180
    counts = [0] * (len(bins) - 1)
    for number, customers in rows:
        counts[min((number - bins.start) // bins.step, len(counts) - 1)] += customers
    most, bar = max([*counts, 1]), width / len(counts)
    svg.text(left, 14, title, bold=True)
    for tick in _ticks(0, most, 3):
        y = bottom - (bottom - top) * tick / most
        svg.path(f"M{left} {y:.1f}h{width}", stroke="line")
        svg.text(left - 6, y + 4, f"{tick:,}", colour="muted", anchor="end")
    for number, count in enumerate(counts):
        height = (bottom - top) * count / most
        lowest = bins[number]
        hint = f"{lowest:,} to {lowest + bins.step:,}: {count:,} customers"
        svg.box(left + bar * number + 1, bottom - height, bar - 2, height, "kept", hint)
    for tick in _ticks(bins.start, bins[-1], 5):
        x = left + bar * (tick - bins.start) / bins.step
        svg.text(x, bottom + 18, f"{tick:,}", colour="muted", anchor="middle")


def _ticks(low: int, high: int, most: int) -> list[int]:
    """Round numbers from ``low`` to ``high``, about ``most`` of them."""
    step = next(
        factor * 10**power for power in range(20) for factor in (1, 2, 5) if factor * 10**power * most >= high - low
    )
    return list(range(-(-low // step) * step, high + 1, step))


def size(count: float) -> str:
    """A number of bytes for people: 2.1 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def dollars(amount: float) -> str:
    """An amount of money for people: $0.0733, $12.50."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"
