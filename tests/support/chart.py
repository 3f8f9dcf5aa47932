"""The Helm chart: its values, and the manifests that Helm makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

__all__ = ["CHART", "KUBERNETES", "SECRETS", "find_helm", "refusal", "render"]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "syncline"

KUBERNETES = ("--kube-version=1.32.0", "--namespace=space")

SECRETS: dict[str, Any] = {
    "accountSid": f"AC{'0' * 32}",
    "authToken": "token-of-the-account",
    "apiKeySid": f"SK{'1' * 32}",
    "apiKeySecret": "secret-of-the-key",
    "masterKey": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "redisUrl": "redis://redis:6379/0",
}


def find_helm() -> str:
    """Helm, from PATH or from `make helm`; without it the test is skipped.

    `make test` does not build it, because that takes minutes on a new machine.
    """
    helm = shutil.which("helm") or shutil.which(ROOT / "deploy" / "build" / "helm")
    if helm is None:
        pytest.skip("Helm is not on PATH; `make helm` builds it where Go is")
    return helm


def _template(values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # A Helm that Go has built takes Kubernetes for an old version, unless it is named.
        [*(find_helm(), "template", "release", CHART), *KUBERNETES, "--values=-"],
        input=json.dumps({"image": {"repository": "registry.example.com/syncline"}} | values),
        capture_output=True,
        text=True,
    )


def render(**values: Any) -> dict[str, dict[str, Any]]:
    """The manifests by kind; a pod is that of `helm test`."""
    done = _template(values)
    assert done.returncode == 0, done.stderr
    manifests = [each for each in yaml.safe_load_all(done.stdout) if each]
    by_kind = {each["kind"]: each for each in manifests}
    assert len(by_kind) == len(manifests)
    return by_kind


def refusal(**values: Any) -> str:
    """What Helm says of values that the chart refuses."""
    done = _template(values)
    assert done.returncode != 0, done.stdout
    return done.stderr
