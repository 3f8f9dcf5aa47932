"""What can go wrong.

    SynclineError
    ├── RequestError            the server refused a request: code, status, message, retry
    │   ├── InvalidRequest      400: a value is not allowed
    │   ├── TooLarge            413: the data is larger than the server takes
    │   ├── Unauthorized        401: the token was refused
    │   │   └── TokenExpired
    │   ├── Forbidden           403: the identity may not do this
    │   ├── NotFound            404: there is no such document
    │   ├── Conflict            409: the unique name is taken, or a patch does not fit the document
    │   ├── RevisionMismatch    412: the document is at another revision: document
    │   └── Unavailable         429, 503: later the same request may succeed
    ├── RequestTimeout          no reply in time: the outcome is unknown
    ├── ConnectionLost          there is no connection, and none will be made: code
    │   └── WebSocketBlocked    something on the way, or the server, does not let WebSockets pass
    ├── TokenUnavailable        the application's token function gives no token
    │   └── TokenDenied         it says itself that there will be none: raised by the application
    ├── UsageError              the call cannot work: another event loop, `mutate` in `mutate`, …
    ├── ClientClosed            the client was closed
    └── DocumentClosed          the handle of the document was closed

`retry` of each tells whether the same call may succeed later as it is.
"""

from __future__ import annotations

from http import HTTPStatus

from syncline_protocol.errors import Code

from .snapshot import JsonObject, Snapshot

__all__ = [
    "ClientClosed",
    "Conflict",
    "ConnectionLost",
    "DocumentClosed",
    "Forbidden",
    "InvalidRequest",
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
    """Base of all that this package raises on purpose.

    Attributes:
        retry: True if the same call may succeed later as it is.
        retry_after: seconds to wait before, where `Retry-After` of a reply asked for it; else None.
    """

    retry: bool = False
    retry_after: float | None = None


class RequestError(SynclineError):
    """The server refused the request and changed nothing.

    Attributes:
        code: the error code, as in the REST API (54103 for a revision mismatch).
        status: the HTTP status that goes with it.
        message: a sentence for a person.
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
        """The exception for the `error` of a reply (docs/protocol.md, section 7)."""
        code, status = int(body["code"]), int(body["status"])
        kind = TokenExpired if code == Code.TOKEN_EXPIRED else _BY_STATUS.get(status, RequestError)
        error = kind(code, status, str(body["message"]), bool(body.get("retry", False)))
        if isinstance(error, RevisionMismatch) and body.get("document"):
            error.document = Snapshot.parse(body["document"])
        return error

    @classmethod
    def local(cls, code: Code, message: str) -> RequestError:
        """The refusal that the server would give, without asking it."""
        return cls(int(code), code.status, message, code.retry)


class InvalidRequest(RequestError):
    """A value is not allowed; `message` names it and says what is."""


class TooLarge(RequestError):
    """The data is larger than the server takes."""


class Unauthorized(RequestError):
    """The token was refused."""


class TokenExpired(Unauthorized):
    """The token has run out, and there is no newer one: it was given as a string."""


class Forbidden(RequestError):
    """The identity may not do this."""


class NotFound(RequestError):
    """There is no document with that SID or unique name."""


class Conflict(RequestError):
    """The unique name is taken (code 54301), or a patch does not fit the document (20409).

    Also 20409: the operation id was used for another request.
    """


class RevisionMismatch(RequestError):
    """`if_match` named a revision that is not the newest.

    Attributes:
        document: the newest state; None if the server did not tell.
    """

    document: Snapshot | None = None


class Unavailable(RequestError):
    """The server cannot do it now: its store is away, or too many write at once.

    Nothing was changed, unless `message` says that this is not known: the store went away in the
    middle of a write.
    """


class RequestTimeout(SynclineError):
    """No reply came in time.

    A write may have been applied, or may still be: read the document to know.

    Attributes:
        verb: what was asked (`set`, `patch`, `open`, …).
        seconds: how long the client waited.
        reason: what the client was waiting for at the end; None if only for the reply.
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
    """The server cannot be reached, or has ended the connection for good.

    Attributes:
        message: a sentence for a person.
        code: the WebSocket close code; None if there was none.
    """

    at_once = False
    """True where the next attempt needs no pause: the client itself gave the connection up."""

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
    """The host answers, but no WebSocket can be made; with `transport="auto"` REST takes over."""


class TokenUnavailable(SynclineError):
    """The application's token function gave no token in time.

    It raised, did not return, or returned what is no JWT. The client asks it again, with growing
    pauses; so this is raised only where the first connection takes too long.
    """

    retry = True


class TokenDenied(TokenUnavailable):
    """There will be no token any more; the application raises it in its token function.

    It ends the client: `raise syncline.TokenDenied("signed out")`.
    """

    retry = False


class UsageError(SynclineError):
    """The call cannot work as it is made; the text says why.

    The client belongs to another event loop or thread, `mutate` was called inside `mutate` of the
    same document, or a proxy cannot be used.
    """


class ClientClosed(SynclineError):
    """The client was closed, before the call or during it."""

    def __str__(self) -> str:
        return "the client is closed"


class DocumentClosed(SynclineError):
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
