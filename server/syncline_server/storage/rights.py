"""Rights: what an identity may do with an object of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from .notices import Notice

__all__ = ["Right", "RightsChanged", "bits"]


class Right(IntFlag):
    """The three rights of the vendor's permissions, as bits, as they are stored."""

    NONE = 0
    READ = 1
    WRITE = 2
    MANAGE = 4


@dataclass(frozen=True, slots=True)
class RightsChanged(Notice):
    """The event of a permission that was set or removed.

    Attributes:
        sid: of the object.
        rights: all rights that the identity now has.
    """

    sid: str
    identity: str
    rights: Right


def bits(rights: Right | None) -> int | None:
    """Rights as the argument of a script; None for an absent one."""
    return None if rights is None else int(rights)
