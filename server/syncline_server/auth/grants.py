"""Grants: the rights that a token gives on objects, by type and by patterns of unique names.

    [
        {"documents": "room-*", "rights": ["read", "write"]},
        {"documents": "news", "rights": ["read"]}
    ]

A grant names one type, by its plural. In a pattern, `*` matches any characters or none; every other
character matches itself. An object without a unique name matches only the pattern `*`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import NAME_LENGTH, show
from syncline_protocol.objects import DOCUMENT, TYPES, ObjectType
from syncline_server.storage.rights import Right

__all__ = ["GRANTS_LIMIT", "Grant", "Grants"]

GRANTS_LIMIT = 64
"""Maximum grants in one token."""

ANY = "*"
"""Matches any characters; as a whole pattern, all objects, also those without a name."""

_RIGHTS = {"read": Right.READ, "write": Right.WRITE, "manage": Right.MANAGE}

_TYPES = {each.plural: each for each in TYPES}


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on the objects of one type whose unique names match a pattern."""

    pattern: str
    rights: Right
    type: ObjectType = DOCUMENT

    def fits(self, name: str) -> bool:
        """True if the unique name matches; passes once over the name, without backtracking."""
        first, *others = self.pattern.split(ANY)
        if not others:
            return name == first
        *middle, last = others
        start, end = len(first), len(name) - len(last)
        if start > end or not name.startswith(first) or not name.endswith(last):
            return False
        for part in middle:
            found = name.find(part, start, end)
            if found < 0:
                return False
            start = found + len(part)
        return True


class Grants:
    """All grants of one token; a right that none of them gives is denied."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)

    @classmethod
    def parse(cls, claim: Any) -> Self:
        """The grants in a claim, which must have the form above.

        Raises:
            Refusal: `TOKEN_GRANTS`. An unknown member is refused too: ignoring it might drop a
                restriction.
        """
        if not isinstance(claim, list) or len(claim) > GRANTS_LIMIT:
            raise _refusal(f"a list of at most {GRANTS_LIMIT} grants")
        return cls(map(_grant, claim))

    def rights(self, type_: ObjectType, name: str | None) -> Right:
        """All rights on the object with this unique name; None for one without a name."""
        rights = Right.NONE
        for grant in self._grants:
            if grant.type is type_ and (grant.pattern == ANY if name is None else grant.fits(name)):
                rights |= grant.rights
        return rights


def _grant(given: Any) -> Grant:
    plural = next((each for each in _TYPES if isinstance(given, dict) and each in given), None)
    if plural is None or given.keys() != {plural, "rights"}:
        raise _refusal(f"objects with the members {' or '.join(_TYPES)} and rights, and no others")
    pattern, rights = given[plural], given["rights"]
    if not isinstance(pattern, str) or not 1 <= len(pattern) <= NAME_LENGTH:
        raise _refusal(f"patterns ({plural}) of 1 to {NAME_LENGTH} characters")
    if not isinstance(rights, list) or not rights:
        raise _refusal("lists of rights that name at least one")
    return Grant(pattern, _right(rights), _TYPES[plural])


def _right(given: list[Any]) -> Right:
    rights = Right.NONE
    for name in given:
        if not isinstance(name, str) or name not in _RIGHTS:
            raise _refusal(f"the rights {', '.join(_RIGHTS)}, not {show(name)}")
        rights |= _RIGHTS[name]
    return rights


def _refusal(allowed: str) -> Refusal:
    return Refusal(Code.TOKEN_GRANTS, f"The grants of the access token must be {allowed}.")
