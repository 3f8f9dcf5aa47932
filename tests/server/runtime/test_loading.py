"""What a start of the server does not load, because it takes long and is seldom needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = ["httpx2", "rich", "syncline"]
TRACING = ["opentelemetry", "syncline_server.observability.tracing"]


@pytest.mark.parametrize(
    ("loaded", "left"),
    [
        (["cli.program"], ["asyncio", "cryptography", "redis", "starlette", "uvloop", *CLIENTS]),
        # A start that is refused, and the parent of workers:
        (
            ["cli.serve", "runtime.serve"],
            ["syncline_server.runtime.app", "starlette", "uvicorn", "websockets", "jwt", *CLIENTS],
        ),
        (["runtime.app", "runtime.server"], [*TRACING, *CLIENTS]),
        (["runtime.worker_server"], [*TRACING, *CLIENTS]),
    ],
)
def test_a_start_leaves_the_rest_for_its_first_use(loaded: list[str], left: list[str]) -> None:
    imports = ", ".join(f"syncline_server.{name}" for name in loaded)
    code = f"import sys, {imports}; print(*sorted(set({left}) & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
