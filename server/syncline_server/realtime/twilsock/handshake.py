"""The reply to `init`, the first packet of a Twilsock connection."""

from __future__ import annotations

import hashlib
from typing import Any

from syncline_protocol.twilsock import Packet

__all__ = ["introduction", "waits_for_own_messages"]

PRODUCT = "data_sync"

ACCOUNT_DESCRIPTOR = "account_descriptor"

CAPABILITIES = ("client_update", "offline_storage", "telemetry.v1", ACCOUNT_DESCRIPTOR)


def introduction(
    packet: Packet, account_sid: str, service_sid: str, identity: str
) -> dict[str, Any]:
    """The header of the reply, without its status."""
    asked = packet.header.get("capabilities")
    continuation = _stable_id("continuation", service_sid, identity)
    received = packet.header.get("continuation_token")
    return {
        "capabilities": [name for name in CAPABILITIES if name in asked]
        if isinstance(asked, list)
        else [],
        "continuation_token": continuation,
        "continuation_token_status": {"reissued": False}
        if received == continuation
        else {
            "reissued": True,
            "reissue_reason": "MISSING" if received is None else "DIFFERENT_IDENTITY",
            "reissue_message": "Nothing to continue" if received is None else "Different identity",
        },
        "offline_storage": {PRODUCT: {"storage_id": _stable_id("storage", service_sid, identity)}},
        "account_descriptor": {
            "account_sid": account_sid,
            "instance_sids": {PRODUCT: service_sid},
            "identity": identity,
        },
    }


def waits_for_own_messages(packet: Packet) -> bool:
    """True if the SDK that sent this `init` reports its own messages only when their events come.

    That is the Kotlin and iOS SDK, which alone needs the account descriptor. The JavaScript SDKs
    report such a message from the reply; since 3.0 they name registrations.
    """
    asked = packet.header.get("capabilities")
    needs_account = isinstance(asked, list) and ACCOUNT_DESCRIPTOR in asked
    return needs_account and packet.header.get("registrations") is None


def _stable_id(purpose: str, service_sid: str, identity: str) -> str:
    """An id that is equal for all connections of one identity; it names the client's storage."""
    text = f"{purpose}\n{service_sid}\n{identity}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
