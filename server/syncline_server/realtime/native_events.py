"""Encoding of events in the native protocol, in frames that all its clients share."""

from __future__ import annotations

import logging
from typing import NamedTuple

from syncline_protocol import native
from syncline_protocol.objects import Event
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.topic import Format

from .websocket.frames import deflating, text_frame

__all__ = ["Formats", "encode_bare"]

logger = logging.getLogger("syncline.native")


class Formats(NamedTuple):
    """The formats of events: `whole` for clients that take no deltas, `deltas` for those that do.

    Of each pair, the second is for clients that take compressed frames.
    """

    whole: tuple[Format, Format]
    deltas: tuple[Format, Format]

    @classmethod
    def of(cls, tally: Tally) -> Formats:
        """The formats whose traffic `tally` counts."""
        encode, encode_delta = _encode_event, _encode_delta
        whole = (Format(encode, None, tally), Format(deflating(encode), None, tally))
        deltas = (
            Format(whole[0].encode, encode_delta, tally, whole[0]),
            Format(whole[1].encode, deflating(encode_delta), tally, whole[1]),
        )
        return cls(whole, deltas)


def _encode_event(event: Event) -> bytes:
    return text_frame(native.encode_event(event))


def _encode_delta(event: Event) -> bytes:
    """The frame for a client that has the data of `base`: a delta, or the whole event."""
    payload = None
    try:
        payload = native.encode_delta(event)
    except Exception:
        # Send the whole event instead.
        logger.exception("a delta of %s could not be made", event.sid)
    return event.encoded(_encode_event) if payload is None else text_frame(payload)


def encode_bare(event: Event) -> bytes:
    """The frame for a client that has the data of the event already."""
    return text_frame(native.encode_event(event, {}))
