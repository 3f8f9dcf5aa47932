"""Events in the webhook queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["QueuedEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEvent:
    """One event of a service.

    Attributes:
        id: id of its entry in the queue of its bucket: `<ms since the epoch>-<number>`.
        bucket: two hexadecimal digits.
        kind: event type as the receiver gets it: `document_created`, `endpoint_connected` …
        subject: SID of the object or, for an endpoint, the identity. Events with the same subject
            are delivered in order.
        identity: author of the change.
        endpoint: connection that made the change; None without one.
        name, revision: of the object; None if it has none.
        data: of the object or item; None if it has none.
        item_key, item_revision: of the item; None if the object as a whole was changed.
    """

    id: str
    bucket: str
    kind: str
    subject: str
    identity: str
    endpoint: str | None = None
    name: str | None = None
    revision: str | None = None
    data: str | None = None
    item_key: str | None = None
    item_revision: str | None = None

    @classmethod
    def parse(cls, bucket: str, id: bytes, fields: Sequence[bytes]) -> Self:
        """Parse an entry of a queue. Raises `KeyError` if a field is missing."""
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return cls.of(bucket, id.decode(), {n.decode(): v.decode() for n, v in pairs})

    @classmethod
    def of(cls, bucket: str, id: str, fields: Mapping[str, str]) -> Self:
        """The event with these `fields`. Raises `KeyError` if one is missing."""
        return cls(
            id=id,
            bucket=bucket,
            kind=fields["k"],
            subject=fields["o"],
            identity=fields["i"],
            endpoint=fields.get("e"),
            name=fields.get("n"),
            revision=fields.get("r"),
            data=fields.get("d"),
            item_key=fields.get("y"),
            item_revision=fields.get("v"),
        )

    @property
    def fields(self) -> dict[str, str]:
        """The field names and values of lib/webhooks.lua, without those that are None."""
        named = {
            "k": self.kind,
            "o": self.subject,
            "i": self.identity,
            "e": self.endpoint,
            "n": self.name,
            "r": self.revision,
            "d": self.data,
            "y": self.item_key,
            "v": self.item_revision,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def at_ms(self) -> int:
        """When it was queued, in milliseconds since the epoch."""
        return int(self.id.partition("-")[0])

    @property
    def key(self) -> str:
        """Unique within its service; keys sort by time."""
        ms, _, number = self.id.partition("-")
        return f"{int(ms):015d}-{int(number):06d}-{self.bucket}"
