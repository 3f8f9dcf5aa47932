"""Twilsock V3: the WebSocket protocol of the vendor's unmodified SDKs.

The codec is `syncline_protocol.twilsock`. A `message` packet contains an HTTP request of the
vendor's v3 API; `http` serves this API over plain HTTP too. Each type of object has a module with
its routes (`documents`, `lists`, `maps`, `streams`); `objects` and `items` have what types share.
`router` lists the routes. `events` encodes what subscribers receive.
"""

from .connection import PATH, websocket_route
from .http import routes

__all__ = ["PATH", "routes", "websocket_route"]
