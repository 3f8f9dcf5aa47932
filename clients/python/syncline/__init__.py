"""Asyncio client for Syncline.

async with syncline.connect("http://127.0.0.1:8040", token=token) as client:
    document = await client.document("user_prefs")
    await document.update({"color": "red"})
    async for event in document.events():
        print(event.name, event.data)

    players = await client.map("players")
    await players.set("alice", {"score": 1})
    async with players.replica() as replica:
        print(replica["alice"].data)

    # Typed: a dataclass, a TypedDict, a pydantic model or a msgspec Struct.
    async with client.document("lobby", model=Lobby) as lobby:
        await lobby.update({"title": "New"})
        print(lobby.data.title)
"""

from .batch import Batch
from .client import Client, Mode
from .connector import connect
from .document import Document
from .errors import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    DocumentClosed,
    Forbidden,
    HandleClosed,
    InvalidRequest,
    ModelMismatch,
    NotAwaited,
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
from .events import (
    ConnectionState,
    DocumentEvent,
    Removed,
    StateChanged,
    Updated,
)
from .header import JsonObject
from .item import Item
from .item_events import (
    CollectionEvent,
    ItemAdded,
    ItemEvent,
    ItemRemoved,
    ItemUpdated,
    ListEvent,
    MapEvent,
    Reset,
)
from .list import List
from .map import Map
from .mutation import MapMutator, Mutator
from .object_events import ExpiryChanged, ObjectRemoved
from .pages import Page
from .pending import Opening
from .replica import Replica
from .service.aio.service import AsyncService
from .service.blocking.service import Service
from .snapshot import Snapshot
from .stream import Stream
from .stream_events import MessagePublished, Missed, StreamEvent
from .token import Token

__all__ = [
    "AsyncService",
    "Batch",
    "Client",
    "ClientClosed",
    "CollectionEvent",
    "Conflict",
    "ConnectionLost",
    "ConnectionState",
    "Document",
    "DocumentClosed",
    "DocumentEvent",
    "EventQueue",
    "ExpiryChanged",
    "Forbidden",
    "HandleClosed",
    "InvalidRequest",
    "Item",
    "ItemAdded",
    "ItemEvent",
    "ItemRemoved",
    "ItemUpdated",
    "JsonObject",
    "List",
    "ListEvent",
    "Map",
    "MapEvent",
    "MapMutator",
    "MessagePublished",
    "Missed",
    "Mode",
    "ModelMismatch",
    "Mutator",
    "NotAwaited",
    "NotFound",
    "ObjectRemoved",
    "Opening",
    "Page",
    "Removed",
    "Replica",
    "RequestError",
    "RequestTimeout",
    "Reset",
    "RevisionMismatch",
    "Service",
    "Snapshot",
    "StateChanged",
    "Stream",
    "StreamEvent",
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
