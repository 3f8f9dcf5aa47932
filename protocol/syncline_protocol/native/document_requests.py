"""Requests that only documents take, or take with a condition."""

from __future__ import annotations

from collections.abc import Mapping

from syncline_protocol import jsondata
from syncline_protocol.commands import Get, Open, Remove, SetTtl
from syncline_protocol.documents import Patch, Set

from . import object_requests
from .members import Members
from .object_requests import Build, opening

__all__ = ["VERBS"]


def _open(members: Members) -> Open:
    data = jsondata.parse_object(members.given.get("data", {}), "data", members.limits.data)
    return Open(members.address_or_none(), data=data, **opening(members))


def _get(members: Members) -> Get:
    return Get(members.address(), in_turn=members.given.get("turn") is True)


def _set(members: Members) -> Set:
    data = members.data(members.limits.data)
    return Set(
        members.address(),
        data,
        ttl=members.ttl(),
        if_match=members.revision("if_match"),
        op=members.op(),
        conflates=members.given.get("conflate") is True,
    )


def _patch(members: Members) -> Patch:
    body = members.patch()
    return Patch(
        members.address(),
        body,
        ttl=members.ttl(),
        if_match=members.revision("if_match"),
        op=members.op(),
    )


def _set_ttl(members: Members) -> SetTtl:
    ttl = members.required_ttl()
    return SetTtl(members.address(), ttl, if_match=members.revision("if_match"), op=members.op())


def _remove(members: Members) -> Remove:
    return Remove(members.address(), if_match=members.revision("if_match"), op=members.op())


VERBS: Mapping[str, Build] = {
    **object_requests.VERBS,
    "open": _open,
    "get": _get,
    "set": _set,
    "patch": _patch,
    "ttl": _set_ttl,
    "remove": _remove,
}
"""By the member `do`."""
