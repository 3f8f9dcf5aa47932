from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from syncline_tools.benchmark.figures import Delay, Figures
from syncline_tools.benchmark.report import render

FIGURES = Figures(
    subscribers=1000,
    writers=2,
    connections_per_second=1840.4,
    rate=20.0,
    delay=Delay(0.0024, 0.0034, 0.0351),
    events_per_second=100.0,
    deliveries_per_second=100_000.0,
    writes_per_second=16_900.0,
    merged=0,
    refused=0,
    client_share=0.5,
)


def rendered(figures: Figures) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(figures))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_was_measured() -> None:
    text = rendered(FIGURES)

    assert "1,840 a second" in text
    assert "median 2.4 ms, 99 % within 3.4 ms, worst 35.1 ms" in text
    assert "100,000 deliveries a second (100 events at 1,000 subscribers)" in text
    assert "7,000 subscribers at 10 events a second" in text
    for unsaid in ("merged", "refused", "busy"):
        assert unsaid not in text


def test_what_went_less_well() -> None:
    text = rendered(replace(FIGURES, delay=None, merged=7, refused=1200, client_share=1.0))

    assert "delay at" not in text
    assert "7 events gave way" in text
    assert "1,200 writes were too many" in text
    assert "the server can do more" in text
