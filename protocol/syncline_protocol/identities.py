"""Identities: their length, and the one that is reserved for the account.

The account itself writes as `system`. Operation ids, authors and permissions depend only on the
identity, so tokens may not have this one, nor one that people would mistake for it.
"""

from __future__ import annotations

import unicodedata

from .objects import SYSTEM

__all__ = ["IDENTITY_LENGTH", "RESERVED", "is_reserved"]

IDENTITY_LENGTH = 256
"""Maximum characters in an identity (vendor limit)."""

RESERVED = (
    f"The identity {SYSTEM!r} is reserved for the account itself, however it is written; "
    "choose another."
)
"""Error message for a reserved identity."""

# Letters of other scripts that look like letters of `system`, in lower case if they have one.
_LOOK_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u0455\ua731\u13da\u01bd", "s"),
        **dict.fromkeys("\u0443\u04af\u03c5\u03b3\u028f\u13bd\u0263", "y"),
        **dict.fromkeys("\u0442\u03c4\u1d1b\u13a2", "t"),
        **dict.fromkeys("\u0435\u03b5\u1d07\u13ac\u212e", "e"),
        **dict.fromkeys("\u043c\u03bc\u1d0d\u13b7", "m"),
    }
)

_INVISIBLE = {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}
"""Unicode categories of control characters, marks and spaces, which are ignored."""

_ASCII_INVISIBLE = {
    code: None for code in range(128) if unicodedata.category(chr(code)) in _INVISIBLE
}


def is_reserved(identity: str) -> bool:
    """True for `system` in any case, with spaces or marks, and for look-alikes."""
    if identity.isascii() and identity.isalnum():
        return identity.lower() == SYSTEM
    if identity.isascii():
        return identity.lower().translate(_ASCII_INVISIBLE) == SYSTEM
    # Normalize twice: lower-casing can produce characters that have a compatibility form again.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", identity).casefold())
    seen = "".join(c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    return seen.translate(_LOOK_ALIKE) == SYSTEM
