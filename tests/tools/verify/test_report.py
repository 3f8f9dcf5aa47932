from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from support.verify import Outcome
from syncline_tools.verify.records import Injected, Record, Updated
from syncline_tools.verify.report import FINDINGS_SHOWN, render
from syncline_tools.verify.verdict import judge


def rendered(records: list[Record]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(judge(records)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_green_run(recorded: Outcome) -> None:
    text = rendered(recorded.records)

    assert text.count("✔") == len(recorded.verdict["checks"])
    assert "✘" not in text
    assert "green  every promise was kept" in text
    assert f"{recorded.verdict['figures']['writes']['acknowledged']} acknowledged" in text


def test_a_red_run_shows_the_first_findings_and_how_many_more_there_are(
    recorded: Outcome,
) -> None:
    client = next(each.client for each in recorded.records if isinstance(each, Updated))
    events = [
        each for each in recorded.records if isinstance(each, Updated) and each.client == client
    ][: FINDINGS_SHOWN + 2]
    changed = [replace(each, content="x") if each in events else each for each in recorded.records]

    text = rendered(changed)

    assert text.count("✘") == 1
    assert text.count(" was received with content ") == FINDINGS_SHOWN
    assert "more" in text
    assert "1 of 14 promises broken" in text


def test_a_run_that_shows_too_little_is_neither_green_nor_red(recorded: Outcome) -> None:
    failed = Injected(
        at=1, client=None, fault="command", seconds=0, detail="x (status 1)", failed=True
    )

    text = rendered([failed, *recorded.records])

    assert "?  Every command succeeded" in text
    assert "a command failed: x (status 1)" in text
    assert "inconclusive  no promise was seen broken" in text
