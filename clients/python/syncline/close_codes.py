"""WebSocket close codes, and the errors for them (docs/protocol.md, rule C4)."""

from __future__ import annotations

from websockets.frames import CloseCode

from syncline_protocol.errors import Code
from syncline_protocol.native import FINAL_CLOSE_CODES, Close

from .errors import ConnectionLost, SynclineError, TokenExpired, Unauthorized

__all__ = ["error_for_close", "is_own"]


def error_for_close(code: int | None, reason: str) -> SynclineError:
    """Make the error for a close code; None: the connection broke without one."""
    if code is None:
        return ConnectionLost("the connection broke", CloseCode.ABNORMAL_CLOSURE)
    if code == Close.TOKEN_EXPIRED:
        return TokenExpired.local(Code.TOKEN_EXPIRED, reason or "the token has expired")
    if code == Close.TOKEN_REFUSED:
        return Unauthorized.local(Code.TOKEN_INVALID, reason or "the token was refused")
    message = f"the server ended the connection: {reason or 'no reason given'}"
    return ConnectionLost(message, code, retry=code not in FINAL_CLOSE_CODES)


def is_own(code: int | None) -> bool:
    """True for a code that only a Syncline server sends; gateways send those of RFC 6455."""
    return code is not None and code >= min(Close)
