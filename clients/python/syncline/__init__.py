"""Asyncio client for Syncline.

async with syncline.connect("http://127.0.0.1:8040", token=token) as client:
    document = await client.document("user_prefs")
    await document.update({"color": "red"})
    async for event in document.events():
        print(event.name, event.data)
"""

from .client import Client, Mode
from .connector import connect
from .document import Document, Mutator
from .errors import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    DocumentClosed,
    Forbidden,
    InvalidRequest,
    NotFound,
    RequestError,
    RequestTimeout,
    RevisionMismatch,
    SynclineError,
    TokenDenied,
    TokenExpired,
    TokenUnavailable,
    TooLarge,
    Unauthorized,
    Unavailable,
    UsageError,
    WebSocketBlocked,
)
from .event_queue import EventQueue
from .events import ConnectionState, DocumentEvent, Removed, StateChanged, Updated
from .snapshot import JsonObject, Snapshot
from .token import Token

__all__ = [
    "Client",
    "ClientClosed",
    "Conflict",
    "ConnectionLost",
    "ConnectionState",
    "Document",
    "DocumentClosed",
    "DocumentEvent",
    "EventQueue",
    "Forbidden",
    "InvalidRequest",
    "JsonObject",
    "Mode",
    "Mutator",
    "NotFound",
    "Removed",
    "RequestError",
    "RequestTimeout",
    "RevisionMismatch",
    "Snapshot",
    "StateChanged",
    "SynclineError",
    "Token",
    "TokenDenied",
    "TokenExpired",
    "TokenUnavailable",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Updated",
    "UsageError",
    "WebSocketBlocked",
    "connect",
]
