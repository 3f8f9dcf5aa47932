"""Twilsock V3: the vendor's own SDKs, unmodified, over their socket.

The codec is `syncline_protocol.twilsock`. Requests come in `message` packets that hold an HTTP
request of the vendor's v3 API; plain HTTP serves the same API. One module for each kind of object
has its routes and its part of the dialect (`documents`); `api` lists them.
"""

from .connection import PATH, endpoint
from .http import routes

__all__ = ["PATH", "endpoint", "routes"]
