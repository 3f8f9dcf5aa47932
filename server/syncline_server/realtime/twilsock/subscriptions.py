"""`/v4/Subscriptions`: batches of requests to subscribe to objects, or to unsubscribe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from syncline_protocol.commands import Command, Mode, Open, Unsubscribe
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.objects import ObjectType, type_of_sid
from syncline_protocol.sids import is_sid
from syncline_server.http.body import members
from syncline_server.http.errors import error_body
from syncline_server.realtime.results import Answer, Opened, Result
from syncline_server.storage.results import absent

from .events import VERSIONS, encode_replay, encode_subscription
from .router import DIALECTS

__all__ = ["PATH", "RECEIPT", "Batch", "Subscriptions"]

PATH = "/v4/Subscriptions"

NAME_LIMIT = 64
"""Characters in the SID or type of an object, at most; the outcome repeats both as received."""

BATCH_LIMIT = 1000
"""Objects in one batch, at most: the first batch of the Kotlin and iOS SDK may have as many."""

RECEIPT = {
    # Milliseconds after which an SDK repeats a request that has had no outcome.
    "estimated_delivery_in_ms": 5000,
    # Objects in later batches, at most.
    "max_batch_size": 100,
    # Seconds; a subscription lasts as long as its connection.
    "ttl_in_s": -1,
}
"""The reply to a batch; the outcome for each object follows as a notification."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of a batch. `last_event_id`: the client's newest revision; None if it has none."""

    sid: str
    kind: str
    last_event_id: int | None

    @property
    def type(self) -> ObjectType | None:
        """The type of the object; None if it is not `kind`, or cannot be subscribed to."""
        type_ = type_of_sid(self.sid) if is_sid(self.sid) else None
        return type_ if type_ and type_.name == self.kind and self.kind in DIALECTS else None


@dataclass(frozen=True, slots=True)
class Batch:
    """One request to subscribe to objects, or to unsubscribe.

    Attributes:
        version: `event_protocol_version`, in which the client reads outcomes and events.
        action: `establish` or `cancel`.
        correlation_id: the client's number for the batch; every outcome has it.
        wanted: the objects.
    """

    version: int
    action: str
    correlation_id: int
    wanted: list[Wanted]

    @classmethod
    def parse(cls, body: bytes, values_limit: int) -> Batch:
        """Parse the body of a request. Raises `INVALID_JSON`, `INVALID_PARAMETER`."""
        given = dict(members(body, values_limit))
        # Without a version use the oldest, which every SDK reads.
        version = given.get("event_protocol_version")
        version = VERSIONS[0] if version is None else version
        if not isinstance(version, int) or version not in VERSIONS:
            allowed = " or ".join(map(str, VERSIONS))
            raise _invalid("event_protocol_version", allowed, version)
        action, correlation_id = given.get("action"), given.get("correlation_id")
        if action not in ("establish", "cancel"):
            raise _invalid("action", "establish or cancel", action)
        if isinstance(correlation_id, bool) or not isinstance(correlation_id, int):
            raise _invalid("correlation_id", "an integer", correlation_id)
        requests = given.get("requests")
        if not isinstance(requests, list) or len(requests) > BATCH_LIMIT:
            raise _invalid("requests", f"an array of at most {BATCH_LIMIT} objects", requests)
        return cls(version, action, correlation_id, [_wanted(each) for each in requests])


class Subscriptions:
    """Carries out the batches of one connection; the session keeps the subscriptions."""

    def __init__(
        self, submit: Callable[[Command, Answer], None], send: Callable[[bytes], None]
    ) -> None:
        """
        Args:
            submit: passes a command to the session.
            send: sends the frame of an outcome.
        """
        self._submit = submit
        self._send = send

    def carry_out(self, batch: Batch) -> None:
        """Begin all requests of a batch; each outcome is sent when it is known."""
        for wanted in batch.wanted:
            if batch.action == "cancel":
                self._submit(Unsubscribe(wanted.sid), partial(self._canceled, batch, wanted))
            elif (type_ := wanted.type) is None:
                message = f"There is no {show(wanted.kind)} {show(wanted.sid)}."
                self._failed(batch, wanted, Refusal(Code.NOT_FOUND, message))
            else:
                sid, known = wanted.sid, wanted.last_event_id
                command = Open(sid, type=type_, mode=Mode.OPEN_EXISTING, revision=known)
                self._submit(command, partial(self._opened, batch, wanted))

    def _opened(self, batch: Batch, wanted: Wanted, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Opened):
            if not outcome.known:
                replay = encode_replay(batch.version, batch.correlation_id, outcome.state)
                self._send(replay)
            self._send_outcome(
                "established",
                batch,
                wanted,
                replay_status="completed",
                last_event_id=outcome.state.revision,
            )
        elif isinstance(outcome, Refusal) and outcome.code is Code.ACCESS_FORBIDDEN:
            # The client could read the object when it fetched it. On 403 an SDK keeps the object
            # with its old data, and opens it from its cache again; on 404 it removes the object.
            self._failed(batch, wanted, absent(type_of_sid(wanted.sid), wanted.sid))
        elif isinstance(outcome, Refusal) and not _may_succeed_later(outcome.code):
            self._failed(batch, wanted, outcome)
        # Else send no outcome: an SDK repeats a request without an outcome, never a failed one.

    def _failed(self, batch: Batch, wanted: Wanted, refusal: Refusal) -> None:
        code = refusal.code
        error = error_body(int(code), code.status, refusal.message)
        self._send_outcome("failed", batch, wanted, error=error)

    def _canceled(self, batch: Batch, wanted: Wanted, _: Result | Refusal) -> None:
        self._send_outcome("canceled", batch, wanted)

    def _send_outcome(self, outcome: str, batch: Batch, wanted: Wanted, **details: Any) -> None:
        self._send(
            encode_subscription(
                batch.version,
                outcome,
                batch.correlation_id,
                object_sid=wanted.sid,
                object_type=wanted.kind,
                **details,
            )
        )


def _may_succeed_later(code: Code) -> bool:
    return code.retry or code.status >= 500


def _wanted(request: Any) -> Wanted:
    given = request if isinstance(request, dict) else {}
    last_event_id = given.get("last_event_id")
    known = isinstance(last_event_id, int) and not isinstance(last_event_id, bool)
    return Wanted(
        _word(given, "object_sid"), _word(given, "object_type"), last_event_id if known else None
    )


def _word(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or len(value) > NAME_LIMIT:
        raise _invalid(f"{name} of each request", f"a string of at most {NAME_LIMIT}", value)
    return value


def _invalid(field: str, allowed: str, given: Any) -> Refusal:
    return Refusal(Code.INVALID_PARAMETER, f"{field} must be {allowed}; {show(given)} was given.")
