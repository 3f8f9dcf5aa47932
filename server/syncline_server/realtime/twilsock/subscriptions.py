"""`/v4/Subscriptions`: requests to subscribe to objects, or to unsubscribe, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from syncline_protocol.commands import Command, Mode, Open, Unsubscribe
from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.fields import show
from syncline_protocol.item_commands import OpenCollection
from syncline_protocol.objects import DOCUMENT, TYPES, ObjectType, type_of_sid
from syncline_protocol.sids import is_sid_of
from syncline_server.http.errors import error_body
from syncline_server.objects.replays import replayed
from syncline_server.observability.metrics import Tally
from syncline_server.realtime.results import Answer, Opened, Result
from syncline_server.storage.items import Replay
from syncline_server.storage.results import absent

from .batches import Batch, Wanted
from .events import encode_notifications, encode_subscription
from .item_reads import ItemReads
from .notifications import Notification, echo, item_changed, newest_state
from .replay_progress import ReplaysUnderWay

__all__ = ["PATH", "RECEIPT", "Subscriptions"]

PATH = "/v4/Subscriptions"

RECEIPT = {
    # Milliseconds after which an SDK repeats a request that has had no outcome.
    "estimated_delivery_in_ms": 5000,
    # Objects in later batches, at most.
    "max_batch_size": 100,
    # Seconds; a subscription lasts as long as its connection.
    "ttl_in_s": -1,
}
"""The reply to a batch; the outcome for each object follows as a notification."""

_TYPES = {each.name: each for each in TYPES}


@dataclass(frozen=True, slots=True)
class _Request:
    """One object of a batch, and how its client reads events."""

    batch: Batch
    wanted: Wanted
    service_url: str

    @property
    def type(self) -> ObjectType | None:
        """The type of the object; None if the SID is of another type, or the type not known."""
        type_ = _TYPES.get(self.wanted.kind)
        return type_ if type_ is not None and is_sid_of(type_, self.wanted.sid) else None

    def outcome(self, outcome: str, **details: Any) -> bytes:
        """The frame of an outcome."""
        return encode_subscription(
            self.batch.version,
            outcome,
            self.batch.correlation_id,
            object_sid=self.wanted.sid,
            object_type=self.wanted.kind,
            **details,
        )

    def missed(self, *several: Notification) -> bytes:
        """The frames of what the client missed."""
        return encode_notifications(self.batch.version, several, self.batch.correlation_id)


class Subscriptions:
    """Carries out the batches of one connection; the session keeps the subscriptions."""

    def __init__(
        self,
        submit: Callable[[Command, Answer], None],
        send: Callable[[bytes], None],
        *,
        reads: ItemReads,
        tally: Tally,
    ) -> None:
        """
        Args:
            submit: passes a command to the session.
            send: sends the frame of an outcome.
            reads: what the client has read of collections that it has not open.
            tally: counts the collections that the client must open again.
        """
        self._submit = submit
        self._send = send
        self._reads = reads
        self._tally = tally
        self._replays = ReplaysUnderWay()

    def carry_out(self, batch: Batch, service_url: str) -> None:
        """Begin all requests of a batch; each outcome is sent when it is known.

        `service_url`: as for `notifications`.
        """
        for wanted in batch.wanted:
            request = _Request(batch, wanted, service_url)
            if batch.action == "cancel":
                self._submit(_unsubscribe(wanted.sid), partial(self._canceled, request))
            elif request.type is None:
                message = f"There is no {show(wanted.kind)} {show(wanted.sid)}."
                self._failed(request, Refusal(Code.NOT_FOUND, message))
            else:
                command = self._open(request, request.type)
                self._submit(command, partial(self._opened, request, command))

    def _open(self, request: _Request, type_: ObjectType) -> Open:
        sid, revision = request.wanted.sid, request.wanted.last_event_id
        mode = Mode.OPEN_EXISTING
        if not type_.has_items:
            # A stream has nothing to catch up with.
            revision = None if type_.has_messages else revision
            return Open(sid, type=type_, mode=mode, revision=revision)
        if revision is None:
            # The JavaScript SDK took the collection from the storage of its window, and may have
            # read items in the meantime, which have changed since then.
            revision = self._reads.revision(sid)
        return OpenCollection(sid, type=type_, mode=mode, revision=revision)

    def _opened(self, request: _Request, command: Open, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Opened):
            self._reads.forget(request.wanted.sid)
            if outcome.replay is not None:
                return self._replay(request, outcome.replay, command.revision or 0)
            if not outcome.known:
                self._send(request.missed(*newest_state(outcome.state)))
            self._established(request, "completed", outcome.state.revision)
        elif isinstance(outcome, Refusal) and outcome.code is Code.ACCESS_FORBIDDEN:
            # The client could read the object when it fetched it. On 403 an SDK keeps the object
            # with its old data, and opens it from its cache again; on 404 it removes the object.
            self._failed(request, absent(type_of_sid(request.wanted.sid), request.wanted.sid))
        elif isinstance(outcome, Refusal) and not _may_succeed_later(outcome.code):
            self._failed(request, outcome)
        # Else send no outcome: an SDK repeats a request without an outcome, never a failed one.

    def _replay(self, request: _Request, replay: Replay, since: int) -> None:
        """Send what the client missed since a revision, or the first portion of it."""
        sid, header = request.wanted.sid, replay.header
        if replay.is_reset:
            # No other answer makes an SDK drop the items that it has.
            self._tally.resets += 1
            self.end(sid)
            type_ = type_of_sid(sid)
            message = (
                f"What changed in the {type_.name} {sid} is not known any more: open it again."
            )
            return self._failed(request, Refusal(codes_of(type_).absent, message))
        reached = header.revision if replay.more_since is None else replay.more_since
        progress = self._replays.next(sid, since, header.revision)
        sent = since
        if (event := replayed(replay, progress.origin)) is not None:
            changes = progress.of_use(event.changes)
            sent = changes[-1].item.revision if changes else since
            several = [item_changed(event, each, request.service_url) for each in changes]
            self._send(request.missed(*several))
        if replay.more_since is None:
            return self._established(request, "completed", reached)
        # An SDK goes on from the newest id that it has received. The portion may end with items
        # that are of no use to it, and so without an event.
        if sent < reached:
            self._send(request.missed(echo(sid, reached)))
        # The SDK subscribes again at once; until then the session must send nothing.
        self._replays.interrupt(sid, progress, reached)
        self.end(sid)
        self._established(request, "interrupted", reached)

    def end(self, sid: str) -> None:
        """End the subscription of an object without the client's request."""
        self._submit(_unsubscribe(sid), _ignore)

    def _established(self, request: _Request, replay_status: str, revision: int) -> None:
        details = {"replay_status": replay_status, "last_event_id": revision}
        self._send(request.outcome("established", **details))

    def _failed(self, request: _Request, refusal: Refusal) -> None:
        code = refusal.code
        error = error_body(int(code), code.status, refusal.message)
        self._send(request.outcome("failed", error=error))

    def _canceled(self, request: _Request, _: Result | Refusal) -> None:
        self._reads.forget(request.wanted.sid)
        self._send(request.outcome("canceled"))


def _unsubscribe(sid: str) -> Unsubscribe:
    """The command that ends the subscription of the object with this SID, whatever its type."""
    return Unsubscribe(sid, type=next((each for each in TYPES if is_sid_of(each, sid)), DOCUMENT))


def _may_succeed_later(code: Code) -> bool:
    return code.retry or code.status >= 500


def _ignore(_: Result | Refusal) -> None:
    """Ignore the reply to a command that no client sent."""
