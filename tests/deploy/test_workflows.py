"""The workflows and templates: what they call exists, and their rights are few."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))

# Rights that some jobs may have, with what needs them.
WRITES = {
    "id-token": {"build", "wheels", "pypi", "npm", "image"},
    "attestations": {"build", "wheels", "image"},
    "packages": {"image", "chart"},
    "contents": {"docs", "notes"},
}


def read(path: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text())
    return content


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """File, name and content of each job."""
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield path.name, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job.get("steps", ()):
            yield f"{file}: {name}", step


def test_there_are_the_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["release.yml", "tests.yml"]


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("dependabot", "dependabot.yml"),
    ],
)
def test_files_have_the_form_that_github_publishes(schema: str, pattern: str) -> None:
    files = list(GITHUB.glob(pattern))
    assert files
    program = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [program, f"--builtin-schema=vendor.{schema}", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_make_targets_and_scripts_that_they_call_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called_targets, called_scripts = set(), set()
    for _, step in steps():
        run = step.get("run", "")
        for line in re.findall(r"^\s*make ((?:[a-z-]+ ?)+)$", run, re.MULTILINE):
            called_targets.update(line.split())
        called_scripts.update(re.findall(r"\bscripts/[a-z-]+", run))
    assert {"test", "helm", "check-wheel", "build-npm", "test-cluster"} <= called_targets <= targets
    assert called_scripts == {"scripts/check-version", "scripts/release-notes"}
    for script in called_scripts:
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_actions_have_an_exact_version() -> None:
    used = [step["uses"] for _, step in steps() if "uses" in step]
    assert len(used) > 20
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w/.-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", action), action
    versions = {action.split("@")[0]: set[str]() for action in used}
    for action in used:
        versions[action.split("@")[0]].add(action)
    assert all(len(each) == 1 for each in versions.values()), versions


def test_no_job_has_more_rights_than_it_needs() -> None:
    for path in WORKFLOWS:
        default = read(path)["permissions"]
        assert default in ({}, {"contents": "read"}), path
    for file, name, job in jobs():
        for right, level in job.get("permissions", {}).items():
            assert level == "read" or name in WRITES[right], (file, name, right)


def test_checkouts_leave_no_token_behind_and_jobs_end() -> None:
    for where, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, where
        # What others may have written, like the title of a pull request, is no part of a script.
        assert "${{" not in step.get("run", ""), where
    for file, name, job in jobs():
        assert "timeout-minutes" in job or "uses" in job, (file, name)


def test_jobs_wait_for_jobs_that_exist() -> None:
    for path in WORKFLOWS:
        content = read(path)["jobs"]
        for name, job in content.items():
            needs = job.get("needs", [])
            assert set([needs] if isinstance(needs, str) else needs) <= set(content), name
            if job.get("uses", "").startswith("./"):
                assert (ROOT / job["uses"]).is_file()
                # YAML reads the key `on` as true.
                assert "workflow_call" in read(ROOT / job["uses"])[True]


def test_every_supported_version_is_tested() -> None:
    matrix = read(GITHUB / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    pairs = matrix["include"]
    assert [pair["python"] for pair in pairs] == ["3.11", "3.12", "3.13"]
    assert [pair["node"] for pair in pairs] == ["20", "22", "24"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pairs[0]['python']}"
    engines = json.loads((ROOT / "package.json").read_text())["engines"]
    assert engines["node"] == f">={pairs[0]['node']}"


def test_a_release_publishes_every_package() -> None:
    release = (GITHUB / "workflows" / "release.yml").read_text()
    names = {json.loads(p.read_text())["name"] for p in ROOT.glob("clients/*/package.json")}
    [loop] = re.findall(r"for package in ([a-z ]+);", release)
    assert {"syncline", *(f"syncline-{each}" for each in loop.split())} == names


def test_images_are_built_for_both_architectures_with_provenance_and_parts() -> None:
    image = read(GITHUB / "workflows" / "release.yml")["jobs"]["image"]
    [build] = [
        step["with"]
        for step in image["steps"]
        if step.get("uses", "").startswith("docker/build-push-action@")
    ]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert build["provenance"] == "mode=max" and build["sbom"] is True
    arguments = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert build["build-args"].split("=")[0] in arguments


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=str)
def test_issue_templates_ask_for_what_is_needed(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "labels", "body"} == set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_dependabot_looks_where_dependencies_are() -> None:
    content = read(GITHUB / "dependabot.yml")
    assert content["version"] == 2
    for update in content["updates"]:
        for directory in update.get("directories", [update.get("directory")]):
            folder = ROOT / directory.strip("/")
            expected = {
                "github-actions": ".github/workflows",
                "pip": "dev.txt",
                "npm": "package-lock.json",
                "docker": "Dockerfile",
            }[update["package-ecosystem"]]
            assert (folder / expected).exists(), update


def test_pre_commit_runs_tools_of_the_development_environment() -> None:
    required = (ROOT / "requirements" / "dev.txt").read_text()
    repositories = read(ROOT / ".pre-commit-config.yaml")["repos"]
    for repository in repositories:
        assert repository["repo"] == "local" or re.fullmatch(r"v\d+\.\d+\.\d+", repository["rev"])
    [local] = [each["hooks"] for each in repositories if each["repo"] == "local"]
    packages = {"lint-imports": "import-linter"}
    for hook in local:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        name = program.removeprefix(".venv/bin/")
        assert f"\n{packages.get(name, name)}==" in required
