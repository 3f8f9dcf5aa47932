"""Audit lines for what the console writes: objects, items and messages.

Other changes have their line wherever they come from; writes of data do so from the console alone,
because there a person makes them.
"""

from __future__ import annotations

import re

from starlette.types import Scope

from syncline_server.http.authentication import CONSOLE
from syncline_server.observability.audit import Audit

__all__ = ["audit_change"]

_READS = ("GET", "HEAD", "OPTIONS")

_WRITTEN = re.compile(
    r"/v1/Services/\{service\}/(?P<plural>Documents|Lists|Maps|Streams)(?:/\{\w+\})?"
    r"(?P<rest>(?:/Items(?:/\{item\})?|/Batch|/Messages)?)"
)
"""Patterns of routes that write data; those of permissions have lines of their own."""

_NOUNS = {"/Items": "item", "/Items/{item}": "item", "/Batch": "items", "/Messages": "message"}
"""By the end of the pattern; without one it is the object."""


def audit_change(audit: Audit, scope: Scope, status: int) -> None:
    """Log the write that this request of the console has made; do nothing for other requests.

    `service`, `object` and `item` come from the context of the task (`logs.about`).
    """
    if status >= 400 or scope["method"] in _READS or CONSOLE not in scope["state"]:
        return
    match = _WRITTEN.fullmatch(scope.get("pattern", ""))
    if match is not None:
        audit.done(f"{_noun(match)} {_participle(match, scope['method'], status)}", code=status)


def _noun(match: re.Match[str]) -> str:
    return _NOUNS.get(match["rest"]) or match["plural"][:-1].lower()


def _participle(match: re.Match[str], method: str, status: int) -> str:
    if match["rest"] == "/Messages":
        return "published"
    if method == "DELETE":
        return "removed"
    return "created" if status == 201 else "updated"
