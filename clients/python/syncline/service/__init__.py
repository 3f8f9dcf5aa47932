"""Clients of back ends: blocking and async, over REST with the account's login.

with syncline.Service("http://127.0.0.1:8040", account_sid, auth_token) as service:
    players = service.maps.get_or_create("players")
    players["alice"] = {"score": 1}
    token = service.mint_token("alice", ttl=3600)
"""

from .aio.collection import AsyncCollection
from .aio.document import AsyncDocument
from .aio.documents import AsyncDocuments
from .aio.keys import AsyncKeys
from .aio.list import AsyncList
from .aio.lists import AsyncLists
from .aio.map import AsyncMap
from .aio.maps import AsyncMaps
from .aio.parked_webhooks import AsyncParkedWebhooks
from .aio.permissions import AsyncPermissions
from .aio.service import AsyncService
from .aio.services import AsyncServices
from .aio.stream import AsyncStream
from .aio.streams import AsyncStreams
from .blocking.collection import Collection
from .blocking.document import Document
from .blocking.documents import Documents
from .blocking.keys import Keys
from .blocking.list import List
from .blocking.lists import Lists
from .blocking.map import Map
from .blocking.maps import Maps
from .blocking.parked_webhooks import ParkedWebhooks
from .blocking.permissions import Permissions
from .blocking.service import Service
from .blocking.services import Services
from .blocking.stream import Stream
from .blocking.streams import Streams
from .resources import ApiKey, ParkedWebhook, Permission, ServiceInfo, ServiceSettings
from .service_options import OptionValues, ServiceOptions

__all__ = [
    "ApiKey",
    "AsyncCollection",
    "AsyncDocument",
    "AsyncDocuments",
    "AsyncKeys",
    "AsyncList",
    "AsyncLists",
    "AsyncMap",
    "AsyncMaps",
    "AsyncParkedWebhooks",
    "AsyncPermissions",
    "AsyncService",
    "AsyncServices",
    "AsyncStream",
    "AsyncStreams",
    "Collection",
    "Document",
    "Documents",
    "Keys",
    "List",
    "Lists",
    "Map",
    "Maps",
    "OptionValues",
    "ParkedWebhook",
    "ParkedWebhooks",
    "Permission",
    "Permissions",
    "Service",
    "ServiceInfo",
    "ServiceOptions",
    "ServiceSettings",
    "Services",
    "Stream",
    "Streams",
]
