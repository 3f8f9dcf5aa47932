"""Requests that only streams take."""

from __future__ import annotations

from collections.abc import Mapping

from syncline_protocol.errors import Code
from syncline_protocol.streams import Publish

from . import object_requests
from .members import Members
from .object_requests import Build

__all__ = ["VERBS"]


def _publish(members: Members) -> Publish:
    data = members.data(members.limits.message, null=Code.INVALID_MESSAGE)
    return Publish(members.address(), data=data, op=members.op())


VERBS: Mapping[str, Build] = {**object_requests.VERBS, "publish": _publish}
"""By the member `do`."""
