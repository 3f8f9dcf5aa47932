"""Requests that objects of every type take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline_protocol.commands import Command, Get, Mode, Open, Remove, SetTtl, Unsubscribe
from syncline_protocol.errors import Code, Refusal

from .members import Members

__all__ = ["VERBS", "Build", "opening", "refuse_condition"]

Build = Callable[[Members], Command]
"""Makes a command of the members of a request. Raises `Refusal`."""

_MODES = {mode.value: mode for mode in Mode}


def opening(members: Members) -> dict[str, Any]:
    """The arguments that `Open` has for every type."""
    return {
        "type": members.type,
        "mode": members.choice("mode", _MODES, Mode.OPEN_OR_CREATE),
        "ttl": members.ttl(),
        "revision": members.revision("revision"),
        "op": members.op(),
    }


def refuse_condition(members: Members) -> None:
    """Refuse `if_match` for an object that has no contended state as a whole."""
    if members.given.get("if_match") is not None:
        raise Refusal(
            Code.INVALID_IF_MATCH,
            f"if_match is for documents and items, not for a {members.type.name} as a whole.",
        )


def _open(members: Members) -> Open:
    return Open(members.address_or_none(), **opening(members))


def _get(members: Members) -> Get:
    return Get(members.address(), type=members.type)


def _set_ttl(members: Members) -> SetTtl:
    refuse_condition(members)
    return SetTtl(members.address(), members.required_ttl(), type=members.type, op=members.op())


def _remove(members: Members) -> Remove:
    refuse_condition(members)
    return Remove(members.address(), type=members.type, op=members.op())


def _unsubscribe(members: Members) -> Unsubscribe:
    return Unsubscribe(members.address(), type=members.type)


VERBS: Mapping[str, Build] = {
    "open": _open,
    "get": _get,
    "ttl": _set_ttl,
    "remove": _remove,
    "unsubscribe": _unsubscribe,
}
"""By the member `do`."""
