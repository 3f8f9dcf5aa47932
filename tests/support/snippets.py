"""The code of the documentation: each fenced block of README.md and the pages of `docs`.

A block that no test can run has a comment above it with the reason, which a reader of the page
does not see:

    <!-- not run: needs an account of the vendor -->

One that the reader saves has its name there: `<!-- file: board.py -->`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Snippet", "collect", "runner_of", "select"]

ROOT = Path(__file__).parents[2]

_DOCS = ROOT / "docs"

PAGES = [
    ROOT / "README.md",
    *(
        page
        for folder in ("", "guide", "reference")
        for page in sorted((_DOCS / folder).glob("*.md"))
    ),
]

_FENCE = re.compile(r"(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<language>[^`]*)$")
_NOT_RUN = re.compile(r"\s*<!-- not run: (?P<reason>.+) -->$")
_FILE = re.compile(r"\s*<!-- file: (?P<name>\S+) -->$")
_SUMMARY = re.compile(r"<summary>(?P<tab>[^<]+)</summary>")
_HEADING = re.compile(r"#{1,6} (?P<heading>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One fenced block.

    Attributes:
        page: its file, from `docs` on; `README.md`.
        line: number of the line with its fence.
        language: what the fence names; empty if it names none.
        code: the text of the block.
        heading: the heading above it.
        tab: title of the alternative that it is part of; empty if it is part of none.
        not_run: why no test runs it; None if one must.
        file: the name under which a reader saves it; empty if it is no file.
    """

    page: str
    line: int
    language: str
    code: str
    heading: str
    tab: str
    not_run: str | None
    file: str = ""

    def __str__(self) -> str:
        """Where it is, in the form that editors follow."""
        return f"{self.page}:{self.line}"


def collect() -> list[Snippet]:
    """All blocks of all pages, in their order, except directives of the site's generator."""
    every = (snippet for page in PAGES for snippet in _snippets_of(page))
    return [snippet for snippet in every if not snippet.language.startswith("{")]


def _snippets_of(page: Path) -> Iterator[Snippet]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    heading = tab = before = ""
    for number, line in lines:
        if found := _FENCE.match(line):
            block = []
            for _, text in lines:
                if text.strip() == found["mark"]:
                    break
                block.append(text)
            reason, file = _NOT_RUN.match(before), _FILE.match(before)
            yield Snippet(
                page=str(page.relative_to(ROOT)).removeprefix("docs/"),
                line=number,
                language=found["language"].strip(),
                code=textwrap.dedent("\n".join(block)) + "\n",
                heading=heading,
                tab=tab,
                not_run=reason["reason"] if reason else None,
                file=file["name"] if file else "",
            )
        elif titled := _HEADING.match(line):
            heading, tab = titled["heading"], ""
        elif summary := _SUMMARY.search(line):
            tab = summary["tab"]
        elif line == "</details>":
            tab = ""
        if line.strip():
            before = line


def runner_of(snippet: Snippet) -> str | None:
    """Which of the tests runs a block; None if no test does, for the reason in `not_run`.

    Raises:
        LookupError: a block whose language no test runs has no reason above it.
    """
    if snippet.not_run is not None:
        return None
    if snippet.file:
        return "file"
    for runner, languages in _LANGUAGES.items():
        if snippet.language in languages:
            return next((name for name, sign in _SIGNS[runner] if sign in snippet.code), runner)
    raise LookupError(f"{snippet}: no test runs {snippet.language!r}, and no comment says why")


def select(runner: str) -> list[Snippet]:
    """The blocks that one test runs."""
    return [snippet for snippet in collect() if runner_of(snippet) == runner]


_LANGUAGES = {
    "shell": {"sh"},
    "python": {"python"},
    "node": {"js"},
    "compiler": {"ts"},
    "binding": {"jsx", "vue", "svelte"},
    "recipe": {"java", "go", "php", "ruby"},
    "browser": {"html"},
    "data": {"json", "toml", "yaml"},
    "proxy": {"nginx", "haproxy", "caddyfile"},
}

_SIGNS: dict[str, list[tuple[str, str]]] = {
    "shell": [("serve", "syncline serve ")],
    "python": [("program", "asyncio.run("), ("pytest", "def test_")],
    "node": [
        ("node-test", '"node:test"'),
        ("browser", "/syncline.js"),
        ("binding", "createSyncline("),
    ],
    "compiler": [],
    "binding": [],
    "recipe": [],
    "browser": [],
    "data": [("proxy", "entryPoints:")],
    "proxy": [],
}
"""Blocks of a language that a test of their own runs, and what they contain."""
