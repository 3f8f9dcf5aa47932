"""The Helm chart: its values, and the manifests that Helm makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from . import helm

__all__ = ["CHART", "SECRETS", "lint", "refusal", "render"]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "syncline"

_IMAGE = {"image": {"repository": "registry.example.com/syncline"}}

SECRETS: dict[str, Any] = {
    "accountSid": f"AC{'0' * 32}",
    "authToken": "token-of-the-account",
    "apiKeySid": f"SK{'1' * 32}",
    "apiKeySecret": "secret-of-the-key",
    "masterKey": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "redisUrl": "redis://redis:6379/0",
}


def _template(values: dict[str, Any]) -> helm.Outcome:
    return helm.template(CHART, _IMAGE | values)


def lint(**values: Any) -> helm.Outcome:
    """What Helm finds wrong in the chart with these values."""
    return helm.lint(CHART, _IMAGE | values)


def render(**values: Any) -> dict[str, dict[str, Any]]:
    """The manifests by kind; a pod is that of `helm test`."""
    done = _template(values)
    assert done.succeeded, done.text
    manifests = [each for each in yaml.safe_load_all(done.text) if each]
    by_kind = {each["kind"]: each for each in manifests}
    assert len(by_kind) == len(manifests)
    return by_kind


def refusal(**values: Any) -> str:
    """What Helm says of values that the chart refuses."""
    done = _template(values)
    assert not done.succeeded, done.text
    return done.text
