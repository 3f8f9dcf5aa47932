"""Exceptions of the client.

    SynclineError
    ├── RequestError            the server refused a request: code, status, message, retry
    │   ├── InvalidRequest      400: a value is not allowed
    │   ├── TooLarge            413: the data is larger than the server accepts
    │   ├── Unauthorized        401: the token was refused
    │   │   └── TokenExpired
    │   ├── Forbidden           403: the identity may not do this
    │   ├── NotFound            404: the object or the item does not exist
    │   ├── Conflict            409: the name or key is taken, or a patch does not fit the data
    │   ├── RevisionMismatch    412: it is at another revision; has `document` or `item`
    │   └── Unavailable         429, 503: the same request may succeed later
    ├── RequestTimeout          no reply in time: the outcome is unknown
    ├── ConnectionLost          the server cannot be reached, or closed the connection: code
    │   └── WebSocketBlocked    the server, or something in between, refuses WebSockets
    ├── TokenUnavailable        the application's token function gave no token
    │   └── TokenDenied         raised by the token function: there will be no token
    ├── UsageError              wrong use: another event loop, `mutate` in `mutate`, …
    │   └── NotAwaited            `client.document(…)` was used without `await`
    ├── ModelMismatch           stored data does not fit the model of the handle
    ├── ClientClosed            the client was closed
    └── HandleClosed            the handle of an object was closed
        └── DocumentClosed      the handle of the document was closed

`retry` of each says whether the same call may succeed later without a change.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from syncline_protocol.errors import Code

from .header import JsonObject
from .item import Item
from .snapshot import Snapshot

__all__ = [
    "ClientClosed",
    "Conflict",
    "ConnectionLost",
    "DocumentClosed",
    "Forbidden",
    "HandleClosed",
    "InvalidRequest",
    "ModelMismatch",
    "NotAwaited",
    "NotFound",
    "RequestError",
    "RequestTimeout",
    "RevisionMismatch",
    "SynclineError",
    "TokenDenied",
    "TokenExpired",
    "TokenUnavailable",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UsageError",
    "WebSocketBlocked",
]


class SynclineError(Exception):
    """Base class of the exceptions of this package.

    Attributes:
        retry: True if the same call may succeed later without a change.
        retry_after: seconds that `Retry-After` of a reply asks to wait first; else None.
    """

    retry: bool = False
    retry_after: float | None = None


class RequestError(SynclineError):
    """The server refused the request and changed nothing.

    Attributes:
        code: the error code, as in the REST API (54103 for a revision mismatch).
        status: the HTTP status for the code.
        message: a sentence for a human reader.
    """

    def __init__(self, code: int, status: int, message: str, retry: bool = False) -> None:
        super().__init__(code, status, message, retry)
        self.code = code
        self.status = status
        self.message = message
        self.retry = retry

    def __str__(self) -> str:
        return f"{self.message} (code {self.code}, status {self.status})"

    @staticmethod
    def parse(body: JsonObject) -> RequestError:
        """Make the exception for the `error` of a reply (docs/protocol.md, section 7)."""
        code, status = int(body["code"]), int(body["status"])
        kind = TokenExpired if code == Code.TOKEN_EXPIRED else _BY_STATUS.get(status, RequestError)
        error = kind(code, status, str(body["message"]), bool(body.get("retry", False)))
        if isinstance(error, RevisionMismatch) and body.get("document"):
            error.document = Snapshot.parse(body["document"])
        if isinstance(error, RevisionMismatch | Conflict) and body.get("item"):
            error.item = Item.parse(body["item"])
        return error

    @classmethod
    def local(cls, code: Code, message: str) -> RequestError:
        """Make the exception that the server would cause, without a request."""
        return cls(int(code), code.status, message, code.retry)


class InvalidRequest(RequestError):
    """A value is not allowed; `message` names the value and says what is allowed."""


class TooLarge(RequestError):
    """The data is larger than the server accepts."""


class Unauthorized(RequestError):
    """The server refused the token."""


class TokenExpired(Unauthorized):
    """The token has expired, and the client cannot get another: it was given as a string."""


class Forbidden(RequestError):
    """The identity may not do this."""


class NotFound(RequestError):
    """No object has that SID or unique name, or a list or map has no such item."""


class Conflict(RequestError):
    """The unique name is taken (code 54301), the map has an item with that key (54208), or a patch
    does not fit the data (20409).

    Also 20409: the operation id was used for another request.

    Attributes:
        item: the newest state of an item that `add` found; None for everything else.
    """

    item: Item[Any] | None = None


class RevisionMismatch(RequestError):
    """`if_match` named a revision that is not the newest.

    Attributes:
        document: the newest state of a document; None if the server did not send it.
        item: the newest state of an item; None if there is none, or the server did not send it.
    """

    document: Snapshot[Any] | None = None
    item: Item[Any] | None = None


class Unavailable(RequestError):
    """The server cannot execute the request now: no connection to Redis, or a rate limit.

    Nothing was changed, unless `message` says that the outcome is unknown because the server lost
    Redis during the write.
    """


class RequestTimeout(SynclineError):
    """No reply came in time.

    A write may have been applied, or may still be applied: read the document to find out.

    Attributes:
        verb: verb of the request (`set`, `patch`, `open`, …).
        seconds: how long the client waited.
        reason: why there was no reply (no connection, for example); None if not known.
    """

    retry = True

    def __init__(self, verb: str, seconds: float, reason: str | None = None) -> None:
        super().__init__(verb, seconds, reason)
        self.verb = verb
        self.seconds = seconds
        self.reason = reason

    def __str__(self) -> str:
        text = f"no reply to {self.verb} within {self.seconds:g} s; its outcome is unknown"
        return text if self.reason is None else f"{text} ({self.reason})"


class ConnectionLost(SynclineError):
    """The server cannot be reached, or has closed the connection.

    Attributes:
        message: a sentence for a human reader.
        code: the WebSocket close code; None if there was none.
    """

    at_once = False
    """True if the client may reconnect without a pause: it dropped the connection itself."""

    def __init__(
        self,
        message: str,
        code: int | None = None,
        retry: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code, retry, retry_after)
        self.message = message
        self.code = code
        self.retry = retry
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.message} (close code {self.code})"


class WebSocketBlocked(ConnectionLost):
    """The host answers but no WebSocket opens; with `transport="auto"` the client uses REST."""


class TokenUnavailable(SynclineError):
    """The application's token function gave no token in time.

    The function raised, did not return, or returned something that is not a JWT. The client calls
    it again, with growing pauses, so the application sees this exception only if the first
    connection takes too long.
    """

    retry = True


class TokenDenied(TokenUnavailable):
    """There will be no token any more; raised by the application's token function.

    The client ends. Example: `raise syncline.TokenDenied("signed out")`.
    """

    retry = False


class UsageError(SynclineError):
    """The call cannot work; the text says why.

    Causes: the client belongs to another event loop or thread, an `await` is missing, `mutate` was
    called inside `mutate` of the same document or item, a `model` or an argument cannot be used, a
    callback is no function, or a proxy cannot be used.
    """


class NotAwaited(UsageError, AttributeError):
    """What `client.document(…)` or `connect(…)` returns was used as a document or client.

    The text says to await it. An `AttributeError` too, so that `hasattr` and `getattr` with a
    default work as always.
    """


class ModelMismatch(SynclineError):
    """Stored data does not fit the model of the handle.

    Raised where the data is read (`data` of a document, item or event; `mutate`; the result of a
    write). Nothing else ends: events go on, and `json` of a snapshot, item or event has the data
    as it is stored.

    Attributes:
        model: name of the model.
        path: the part that does not fit, such as `players[3].score`; `data` for the whole.
        reason: what is wrong with it.
        json: the stored data as compact UTF-8 JSON. The text of the exception does not contain it.
        applied: True if the call was a write: it was applied, and led to this data.
    """

    def __init__(self, model: str, path: str, reason: str, json: bytes, applied: bool) -> None:
        super().__init__(model, path, reason)
        self.model = model
        self.path = path
        self.reason = reason
        self.json = json
        self.applied = applied

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model, self.path, self.reason, self.json, self.applied)

    def __str__(self) -> str:
        text = f"{self.path}: {self.reason}; the stored data does not fit {self.model}"
        if self.json == b"{}":
            text += " (it is empty: give `data` to create the object with)"
        return f"{text}. The write was applied." if self.applied else text


class ClientClosed(SynclineError):
    """The client was closed before or during the call."""

    def __str__(self) -> str:
        return "the client is closed"


class HandleClosed(SynclineError):
    """The handle of a list, map, stream or replica was closed; open it again."""

    def __str__(self) -> str:
        return "this handle is closed"


class DocumentClosed(HandleClosed):
    """The handle was closed; open the document again."""

    def __str__(self) -> str:
        return "this handle of the document is closed"


_BY_STATUS: dict[int, type[RequestError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequest,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.PRECONDITION_FAILED: RevisionMismatch,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
    HTTPStatus.TOO_MANY_REQUESTS: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
}
