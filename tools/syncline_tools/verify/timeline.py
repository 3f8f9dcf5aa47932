"""A run as a picture: writes by outcome, and how stale each subscriber was, over its faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .evidence import Write
from .faults import COMMAND
from .items.evidence import ItemWrite
from .plan import FaultKind
from .records import Injected
from .svg import Picture, area
from .verdict import Conclusion, Verdict

__all__ = ["draw"]

ROWS_LIMIT = 30
"""Subscribers that are drawn; of more, those that were stale for longest."""

WIDTH = 1200.0
LEFT = 136.0
RIGHT = 1128.0
TOP = 128.0
WRITES_HEIGHT = 84.0
ROW_HEIGHT = 38.0
GAP = 12.0

COLUMN = 2.0
BAR = 8.0
"""Pixels for which staleness, and writes, are put together."""

LEAST_SCALE = 0.25
"""Seconds of staleness that fill a row, at least: what is less than visible shall look so."""

TICKS = 10
"""Marks of the axis, about."""

FONT = "Inter, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
PAPER = "#ffffff"
INK = "#0f172a"
FAINT = "#64748b"
LINE = "#e2e8f0"
ROW = "#f8fafc"
STALE = "#0e7490"
GREEN = "#15803d"
RED = "#b91c1c"

YELLOW = "#a16207"

_CONCLUSIONS = {
    Conclusion.GREEN: (GREEN, "every promise kept"),
    Conclusion.RED: (RED, "a promise was broken"),
    Conclusion.INCONCLUSIVE: (YELLOW, "inconclusive"),
}

WRITES = {
    "acknowledged": "#2563eb",
    "settled after a break": "#93c5fd",
    "refused": "#cbd5e1",
    "unknown": "#dc2626",
}

FAULTS = {
    FaultKind.CUT.value: "#ef4444",
    FaultKind.DELAY.value: "#f59e0b",
    FaultKind.BLACKHOLE.value: "#334155",
    FaultKind.DUPLICATE.value: "#a855f7",
    COMMAND: "#db2777",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a moment of the run is; `end` is its last."""

    end: float

    def x(self, at: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, at / self.end)


def draw(verdict: Verdict) -> str:
    """The picture, as SVG."""
    picture = Picture(WIDTH, FONT)
    scale = _Scale(max(verdict.figures.seconds, 0.001))
    clients = _worst(verdict)
    rows_top = TOP + WRITES_HEIGHT + 2 * GAP
    bottom = rows_top + len(clients) * (ROW_HEIGHT + GAP)
    _draw_head(picture, verdict)
    _draw_axis(picture, scale, bottom)
    _draw_writes(picture, scale, verdict)
    _draw_rows(picture, scale, verdict, clients=clients, top=rows_top)
    _draw_marks(picture, scale, verdict, bottom)
    _draw_legend(picture, verdict, bottom + 46, len(clients))
    return picture.render(bottom + 92, PAPER)


def _worst(verdict: Verdict) -> list[str]:
    """The clients to draw, in their own order."""
    clients = list(verdict.sightings)
    if len(clients) <= ROWS_LIMIT:
        return clients
    by_delay = sorted(
        clients, key=lambda client: max(verdict.sightings[client].delays(), default=0.0)
    )
    chosen = set(by_delay[-ROWS_LIMIT:])
    return [client for client in clients if client in chosen]


def _draw_head(picture: Picture, verdict: Verdict) -> None:
    started, figures = verdict.evidence.started, verdict.figures
    colour, word = _CONCLUSIONS[verdict.conclusion]
    picture.rectangle(LEFT, 24.0, 12.0, 12.0, fill=colour, rx=6)
    picture.text(LEFT + 22, 36.0, f"syncline verify: {word}", fill=INK, size=20, font_weight=600)
    if started is not None:
        said = (started.url, started.date, f"Syncline {started.version}", f"seed {started.seed}")
        picture.text(LEFT, 62.0, "  ·  ".join(said), fill=FAINT, size=13)
    acknowledged = figures.writes["acknowledged"] + figures.item_writes["acknowledged"]
    events = figures.events + figures.item_events
    figure_line = (
        f"{acknowledged} writes acknowledged, {_count_settled(verdict)} of them settled "
        f"after a break  ·  {events} events at {len(verdict.sightings)} subscribers  ·  "
        f"{sum(figures.faults.values())} faults  ·  "
        f"all seen {figures.convergence:.2f} s after the last"
    )
    picture.text(LEFT, 82.0, figure_line, fill=FAINT, size=13)


def _count_settled(verdict: Verdict) -> int:
    items = verdict.evidence.items.writes.values()
    return verdict.figures.settled + sum(write.settled for write in items)


def _draw_axis(picture: Picture, scale: _Scale, bottom: float) -> None:
    step = _step(scale.end)
    for number in range(int(scale.end / step) + 1):
        x = scale.x(number * step)
        picture.add("line", x1=x, y1=TOP, x2=x, y2=bottom, stroke=LINE)
        picture.text(
            x, bottom + 16, f"{number * step:g} s", fill=FAINT, size=11, text_anchor="middle"
        )


def _step(seconds: float) -> float:
    """A round number of seconds between marks."""
    steps = [base * power for power in (0.1, 1, 10, 100) for base in (1, 2, 5)]
    return next((step for step in steps if seconds / step <= TICKS), 1000.0)


def _draw_writes(picture: Picture, scale: _Scale, verdict: Verdict) -> None:
    count = int((RIGHT - LEFT) / BAR)
    bars = [dict.fromkeys(WRITES, 0) for _ in range(count)]
    for at, name in _writes(verdict):
        bars[min(count - 1, int(at / scale.end * count))][name] += 1
    most = max((sum(bar.values()) for bar in bars), default=0) or 1
    base = TOP + WRITES_HEIGHT
    _draw_label(
        picture, "writes", f"{most / (scale.end / count):.0f}/s", y=TOP, height=WRITES_HEIGHT
    )
    for number, bar in enumerate(bars):
        y = base
        for name, colour in WRITES.items():
            height = bar[name] / most * WRITES_HEIGHT
            y -= height
            if height:
                picture.rectangle(LEFT + number * BAR, y, BAR - 1, height, fill=colour)
    picture.add("line", x1=LEFT, y1=base, x2=RIGHT, y2=base, stroke=LINE)


def _writes(verdict: Verdict) -> Iterator[tuple[float, str]]:
    """When each write of a document, an item or a message ended, and how."""
    evidence = verdict.evidence
    writes: list[Write | ItemWrite] = [*evidence.items.writes.values()]
    writes += [write for each in evidence.writes.values() for write in each]
    for write in writes:
        at = write.answered.at if write.answered else write.invoked.at
        yield at, "settled after a break" if write.settled else write.outcome.value


def _draw_rows(
    picture: Picture, scale: _Scale, verdict: Verdict, *, clients: list[str], top: float
) -> None:
    columns = int((RIGHT - LEFT) / COLUMN)
    staleness = {
        client: verdict.sightings[client].staleness(scale.end, columns) for client in clients
    }
    full = max(LEAST_SCALE, *(max(each) for each in staleness.values())) if clients else 1.0
    for number, client in enumerate(clients):
        y = top + number * (ROW_HEIGHT + GAP)
        picture.rectangle(LEFT, y, RIGHT - LEFT, ROW_HEIGHT, fill=ROW, fill_opacity=0.6)
        _draw_label(picture, client, f"{max(staleness[client]):.2f} s", y=y, height=ROW_HEIGHT)
        for fault in verdict.evidence.faults:
            if fault.client == client:
                _draw_fault(picture, scale, fault, y)
        points = [
            (LEFT + (column + 0.5) * COLUMN, y + ROW_HEIGHT * (1 - value / full))
            for column, value in enumerate(staleness[client])
        ]
        path = area(points, y + ROW_HEIGHT)
        picture.add("path", d=path, fill=STALE, fill_opacity=0.75, pointer_events="none")


def _draw_fault(picture: Picture, scale: _Scale, fault: Injected, y: float) -> None:
    x, colour = scale.x(fault.at), FAULTS[fault.fault]
    width = max(3.0, scale.x(fault.at + fault.seconds) - x)
    tip = f"{fault.fault} at {fault.at:.2f} s, for {fault.seconds:.2f} s: {fault.detail}"
    picture.rectangle(x, y, width, ROW_HEIGHT, fill=colour, tip=tip, fill_opacity=0.16)
    picture.rectangle(x, y, width, 4.0, fill=colour, tip=tip)


def _draw_marks(picture: Picture, scale: _Scale, verdict: Verdict, bottom: float) -> None:
    """What concerns all: the user's commands, the end of the faults, and what is broken."""
    evidence = verdict.evidence
    for fault in evidence.faults:
        if fault.client is None:
            x = scale.x(fault.at)
            width = max(3.0, scale.x(fault.at + fault.seconds) - x)
            colour = FAULTS[COMMAND]
            tip = f"{fault.at:.2f} s: {fault.detail}"
            picture.rectangle(x, TOP, width, bottom - TOP, fill=colour, tip=tip, fill_opacity=0.12)
            picture.rectangle(x, TOP - 6, width, 4.0, fill=colour, tip=tip)
    if evidence.ended is not None:
        x = scale.x(evidence.ended.healed)
        picture.add("line", x1=x, y1=TOP, x2=x, y2=bottom, stroke=INK, stroke_dasharray="3 3")
        picture.text(x, TOP - 8, "faults over", fill=INK, size=11, text_anchor="middle")
    for check in verdict.checks:
        for finding in check.findings if check.broken else ():
            if finding.at is not None:
                x, tip = scale.x(finding.at), f"{check.name}: {finding.text}"
                picture.rectangle(x - 1, TOP - 4, 2.0, bottom - TOP + 4, fill=RED, tip=tip)


def _draw_label(picture: Picture, name: str, scale: str, *, y: float, height: float) -> None:
    middle = y + height / 2 + 4
    picture.text(LEFT - 12, middle, name, fill=INK, size=12, text_anchor="end")
    picture.text(RIGHT + 10, middle, scale, fill=FAINT, size=11)


def _draw_legend(picture: Picture, verdict: Verdict, y: float, drawn: int) -> None:
    x = LEFT
    for name, colour in WRITES.items():
        x = _draw_key(picture, x, y, name=name, colour=colour)
    rows = "how long it lacked an acknowledged write (right: the worst)"
    total = len(verdict.sightings)
    if drawn < total:
        rows += f"; the {drawn} worst of {total}"
    _draw_key(picture, x, y, name=rows, colour=STALE)
    x = LEFT
    for kind in verdict.figures.faults:
        x = _draw_key(picture, x, y + 22, name=kind, colour=FAULTS[kind])
    if verdict.conclusion is not Conclusion.GREEN:
        _draw_key(picture, x, y + 22, name="where a promise was broken (point at it)", colour=RED)


def _draw_key(picture: Picture, x: float, y: float, *, name: str, colour: str) -> float:
    """Paint a key of the legend, and return where the next one begins."""
    picture.rectangle(x, y - 9, 10.0, 10.0, fill=colour, rx=2)
    picture.text(x + 16, y, name, fill=FAINT, size=12)
    return x + 16 + 6.6 * len(name) + 22
