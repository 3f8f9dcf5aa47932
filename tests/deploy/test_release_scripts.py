"""The scripts of a release: its notes, and one version for all packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from syncline_protocol import __version__

SCRIPTS = Path(__file__).parents[2] / "scripts"

CHANGELOG = """# Changelog

Text of its own.

## 0.3.0 – in development

- Not yet.

## 0.2.1

## 0.2.0 – 2026-02-03

The second.

- See [operations](docs/operations.md#upgrades) and [elsewhere](https://example.com).

```text
## 0.1.0 – 2026-01-01
```

### Fixed

- A fault.

## 0.1.0 – 2026-01-02

- The first.
"""


def script(name: str, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run(
        [SCRIPTS / name, *arguments], capture_output=True, text=True, env=own | environ
    )


@pytest.fixture
def changelog(tmp_path: Path) -> Path:
    path = tmp_path / "CHANGELOG.md"
    path.write_text(CHANGELOG)
    return path


def test_notes_are_the_section_of_their_version(changelog: Path) -> None:
    done = script("release-notes", "0.2.0", "--changelog", changelog)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The second.\n")
    assert done.stdout.endswith("### Fixed\n\n- A fault.\n")
    assert "## 0.1.0 – 2026-01-01" in done.stdout
    assert script("release-notes", "0.1.0", "--changelog", changelog).stdout == "- The first.\n"


def test_links_lead_to_the_files_of_the_release(changelog: Path) -> None:
    done = script(
        "release-notes",
        *("0.2.0", "--changelog", changelog),
        GITHUB_REPOSITORY="owner/name",
        GITHUB_SERVER_URL="https://git.example.com",
    )
    base = "https://git.example.com/owner/name/blob/v0.2.0"
    assert f"[operations]({base}/docs/operations.md#upgrades)" in done.stdout
    assert "[elsewhere](https://example.com)" in done.stdout


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.3.0", "must end with the date of the release, like 2026-01-31, not with 'in develop"),
        ("0.2.1", "CHANGELOG.md says nothing about 0.2.1"),
        ("0.2", "CHANGELOG.md has no section 0.2"),
        ("9.9.9", "CHANGELOG.md has no section 9.9.9"),
    ],
)
def test_a_version_that_is_not_ready_has_no_notes(version: str, said: str, changelog: Path) -> None:
    done = script("release-notes", version, "--changelog", changelog)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_the_changelog_has_notes_of_this_version() -> None:
    done = script("release-notes", "--draft", __version__)
    assert done.returncode == 0, done.stderr
    assert script("release-notes", "--draft", "0.3.0").returncode == 1


def test_every_package_has_the_version_of_the_server() -> None:
    assert script("check-version").stdout.strip() == __version__
    wrong = script("check-version", "0.0.1")
    assert wrong.returncode == 1
    assert f"Chart.yaml: appVersion has {__version__}" in wrong.stderr
