"""Clients of back ends: blocking and async, over REST with the account's login.

with syncline.Service("http://127.0.0.1:8040", account_sid, auth_token) as service:
    players = service.maps.get_or_create("players")
    players["alice"] = {"score": 1}
    token = service.mint_token("alice", ttl=3600)
"""

from .aio.collection import AsyncCollection
from .aio.document import AsyncDocument
from .aio.list import AsyncList
from .aio.map import AsyncMap
from .aio.service import AsyncService
from .aio.stream import AsyncStream
from .blocking.collection import Collection
from .blocking.document import Document
from .blocking.list import List
from .blocking.map import Map
from .blocking.service import Service
from .blocking.stream import Stream
from .resources import ApiKey, ParkedWebhook, Permission, ServiceInfo
from .service_options import ServiceOptions

__all__ = [
    "ApiKey",
    "AsyncCollection",
    "AsyncDocument",
    "AsyncList",
    "AsyncMap",
    "AsyncService",
    "AsyncStream",
    "Collection",
    "Document",
    "List",
    "Map",
    "ParkedWebhook",
    "Permission",
    "Service",
    "ServiceInfo",
    "ServiceOptions",
    "Stream",
]
