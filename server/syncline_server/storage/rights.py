"""What an identity may do with an object of a service."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_server.rights import Right

__all__ = ["Right", "RightsChanged"]


@dataclass(frozen=True, slots=True)
class RightsChanged:
    """What is published when a permission is set or taken away.

    Attributes:
        sid: of the object.
        rights: all that the identity has from now on.
    """

    sid: str
    identity: str
    rights: Right
