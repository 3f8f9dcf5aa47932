"""The pages: every block is run or says why not, data can be read, links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml

from support.server import SYNCLINE
from support.snippets import PAGES, ROOT, Snippet, collect, runner_of, select

RUNNERS = {
    "binding",
    "browser",
    "compiler",
    "data",
    "file",
    "node",
    "node-test",
    "program",
    "proxy",
    "pytest",
    "python",
    "recipe",
    "serve",
    "shell",
}

BINDINGS = ("react", "vue", "svelte")

LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
CODE = re.compile(r"^ *(`{3,}).*?^ *\1$|`[^`\n]*`", re.M | re.S)


def test_every_block_is_run_or_says_why_not() -> None:
    counted = Counter(runner_of(snippet) for snippet in collect())
    not_run = counted.pop(None, 0)

    assert set(counted) <= RUNNERS
    print(f"{counted.total()} blocks are run, {not_run} are not: {dict(counted)}")
    assert counted.total() > 3 * not_run


def test_a_block_that_nothing_runs_must_say_why() -> None:
    block = Snippet(
        page="page.md", line=7, language="text", code="", heading="", tab="", not_run=None
    )
    with pytest.raises(LookupError, match="page.md:7: no test runs 'text'"):
        runner_of(block)


@pytest.mark.parametrize("snippet", select("data"), ids=str)
def test_data_can_be_read(snippet: Snippet, tmp_path: Path) -> None:
    match snippet.language:
        case "toml" if "syncline.toml" in snippet.code:
            file = tmp_path / "syncline.toml"
            file.write_text(snippet.code)
            subprocess.run([SYNCLINE, "config", "check", "--config", file], check=True)
        case "toml":
            assert tomllib.loads(snippet.code)
        case "yaml":
            assert yaml.safe_load(snippet.code)
        case _:
            code = snippet.code.replace("{…}", "{}")
            try:
                json.loads(code)
            except json.JSONDecodeError:
                for line in code.splitlines():
                    json.loads(line)


@pytest.mark.parametrize("snippet", select("binding"), ids=str)
def test_a_component_is_one_of_the_programs_of_the_bindings(snippet: Snippet) -> None:
    # The tests of the bindings build and run the programs of these files.
    texts = [(ROOT / f"clients/{name}/README.md").read_text() for name in BINDINGS]
    assert any(f"```{snippet.language}\n{snippet.code}```" in text for text in texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = CODE.sub("", page.read_text())
    wrong = []
    for target in LINK.findall(text):
        if re.match("[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            wrong.append(target)
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_rows_have_the_cells_of_their_table(page: Path) -> None:
    cells = 0
    for line in CODE.sub("", page.read_text()).splitlines():
        found = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not cells or not found or found == cells, line
        cells = found


def _anchors(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and the site make them of its headings."""
    text = re.sub(r"^ *(`{3,}).*?^ *\1$", "", page.read_text(), flags=re.M | re.S)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(text))
    return {title.strip().replace(" ", "-") for title in plain}


def test_the_pages_are_those_of_the_site() -> None:
    index = (ROOT / "docs/index.md").read_text()
    listed = re.findall(r"^([\w/-]+)$", index, re.M)
    for page in PAGES:
        name = page.relative_to(ROOT).with_suffix("")
        if name.parts[0] == "docs" and page.stem != "index":
            assert "/".join(name.parts[1:]) in listed, page.name
