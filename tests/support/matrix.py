"""A document that holds a secret, and what becomes of it under every operation and right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.account import Account
from support.api import unique

__all__ = ["PATCHES", "SECRET", "Target", "left_by", "may_see", "outcome_on", "pairs", "rows"]

SECRET = "what nobody may learn"

PATCHES = {"merge", "operations", "increment"}
"""The operations that change what is there by a rule."""


def rows(table: str) -> dict[str, dict[str, str]]:
    """The outcome by operation and column."""
    head, *lines = [
        [cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()
    ]
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}


def pairs(rows: Mapping[str, object]) -> list[tuple[str, str]]:
    """Each wire with each operation of the table that it has."""
    for_account = {"permissions", "permit"}
    v3 = rows.keys() - {"open", "open or create", "list"} - PATCHES - for_account
    operations = {
        "rest": rows.keys() - {"open", "open or create"},
        "sse": {"open"},
        "native": rows.keys() - {"list"} - for_account,
        "v3": v3,
        "twilsock": v3 | {"open"},
    }
    return [(wire, operation) for wire in operations for operation in sorted(operations[wire])]


def outcome_on(wire: str, operation: str, outcome: str) -> str:
    """The outcome of a table on one wire.

    Twilsock answers a subscription without the right to read as if the object were gone.
    """
    is_refused = (wire, operation, outcome) == ("twilsock", "open", "403/54007")
    return "404/54100" if is_refused else outcome


class Target:
    """A document that holds the secret.

    Attributes:
        name: its unique name; or for `create`, one that is free.
    """

    def __init__(self, account: Account, service: str, operation: str) -> None:
        self.account = account
        self.service = service
        self.name = unique()
        self.sid = account.document(service, self.name, f'{{"secret":"{SECRET}"}}')
        self.address = {"create": unique("new"), "open": self.sid}.get(operation, self.name)

    def data(self) -> Any:
        """What the document holds; None if it is gone."""
        reply = self.account.call("GET", self.service, "Documents", self.sid)
        return reply.json()["data"] if reply.status_code == 200 else None


def left_by(operation: str, outcome: str) -> Any:
    """What the document holds after an operation with that outcome."""
    if outcome == "ok" and operation in PATCHES:
        return {"secret": SECRET, "new": 1}
    if outcome == "ok" and operation in ("set", "remove"):
        return {"set": {"new": 1}, "remove": None}[operation]
    return {"secret": SECRET}


def may_see(operation: str, rights: str, outcome: str) -> bool:
    """Whether the reply shows what the document holds; `rights` as `Account.permit` has them."""
    if "r" not in rights or operation in ("create", "create taken", "set"):
        return False
    return outcome == "ok" or operation in ("set stale", "remove stale")
