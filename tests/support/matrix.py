"""The authorization matrix: a document with a secret, and the effect of each operation on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.account import Account
from support.api import unique

__all__ = ["PATCHES", "SECRET", "Target", "left_by", "may_see", "outcome_on", "pairs", "rows"]

SECRET = "what nobody may learn"

PATCHES = {"merge", "operations", "increment"}
"""Operations that compute the new data from the current data."""


def rows(table: str) -> dict[str, dict[str, str]]:
    """Parse a table: the outcome by operation and column."""
    head, *lines = [
        [cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()
    ]
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}


def pairs(rows: Mapping[str, object]) -> list[tuple[str, str]]:
    """Every wire with each operation of the table that it supports."""
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
    """The outcome that a wire reports for an outcome of the table.

    Twilsock answers a subscription without the right to read as if the object did not exist.
    """
    is_refused = (wire, operation, outcome) == ("twilsock", "open", "403/54007")
    return "404/54100" if is_refused else outcome


class Target:
    """A document that contains the secret.

    Attributes:
        name: unique name of the document.
        address: what the operation names: the unique name, the SID for `open`, or for `create` a
            name that is free.
    """

    def __init__(self, account: Account, service: str, operation: str) -> None:
        self.account = account
        self.service = service
        self.name = unique()
        self.sid = account.document(service, self.name, f'{{"secret":"{SECRET}"}}')
        self.address = {"create": unique("new"), "open": self.sid}.get(operation, self.name)

    def data(self) -> Any:
        """The current data of the document; None if it was removed."""
        reply = self.account.call("GET", self.service, "Documents", self.sid)
        return reply.json()["data"] if reply.status_code == 200 else None


def left_by(operation: str, outcome: str) -> Any:
    """The expected data of the document after an operation with this outcome."""
    if outcome == "ok" and operation in PATCHES:
        return {"secret": SECRET, "new": 1}
    if outcome == "ok" and operation in ("set", "remove"):
        return {"set": {"new": 1}, "remove": None}[operation]
    return {"secret": SECRET}


def may_see(operation: str, rights: str, outcome: str) -> bool:
    """Whether the reply may show the document's data; `rights` as in `Account.permit`."""
    if "r" not in rights or operation in ("create", "create taken", "set"):
        return False
    return outcome == "ok" or operation in ("set stale", "remove stale")
