"""Type checkers accept the right programs of users, and refuse each marked line of the wrong ones.

mypy and pyright run once each, over all programs. Both are as strict as a user may have them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = sorted([*HERE.glob("right/*.py"), *HERE.glob("wrong/*.py")])

Lines = set[tuple[str, int]]
"""Names of programs with numbers of lines."""


def marked() -> Lines:
    """The lines that must be refused."""
    return {
        (name_of(path), number)
        for path in PROGRAMS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# refused")
    }


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def refused_by_mypy() -> Lines:
    # A configuration and a cache of its own: what this repository sets is not what users set.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache/programs"), "--explicit-package-bases"]
    sources = os.pathsep.join(map(str, (ROOT / "protocol", ROOT / "clients/python")))
    run = subprocess.run(
        [*command, *map(str, PROGRAMS)],
        env={**os.environ, "MYPYPATH": sources},
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    found = re.findall(r"^(\S+?):(\d+): error:", run.stdout, re.MULTILINE)
    return {(name_of(HERE / path), int(number)) for path, number in found}


def refused_by_pyright() -> Lines:
    run = subprocess.run(
        [ROOT / "node_modules/.bin/pyright", "--outputjson", "-p", HERE],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    return {
        (name_of(Path(each["file"])), each["range"]["start"]["line"] + 1)
        for each in json.loads(run.stdout)["generalDiagnostics"]
    }


def test_mypy_refuses_exactly_the_marked_lines() -> None:
    assert refused_by_mypy() == marked()


def test_pyright_refuses_exactly_the_marked_lines() -> None:
    assert refused_by_pyright() == marked()
