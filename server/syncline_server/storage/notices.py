"""What is published on a channel, but is no event of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Notice", "ServerMessage"]


class Notice:
    """Base of all notices."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ServerMessage(Notice):
    """A message of one server's process to others (pubsub.server_queries).

    Attributes:
        head: what the message is about, JSON.
        body: the question or the answer.
    """

    head: Mapping[str, Any]
    body: bytes

    def encode(self) -> str:
        """The message as `parse_event` reads it."""
        return f"{orjson.dumps({**self.head, 'kind': 'server'}).decode()}\n{self.body.decode()}"
