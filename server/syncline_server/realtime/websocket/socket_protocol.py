"""The protocol class of sockets, with the parts that all sockets of a process share."""

from __future__ import annotations

from collections.abc import Mapping

from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.pubsub.cork import Cork
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.send_queue import QueueLimits
from syncline_server.realtime.timer_wheel import TimerWheel

from .duplicates import Duplicates
from .handshake import Handshake
from .parser_pool import ParserPool
from .reply_reading import reply_reader
from .route import WebSocketRoute
from .socket import Socket
from .writer import writer_type

__all__ = ["socket_protocol"]


def socket_protocol(
    routes: Mapping[str, WebSocketRoute],
    *,
    settings: Settings,
    timers: TimerWheel,
    admission: Admission,
    meters: Meters,
    cork: Cork,
) -> type[Socket]:
    """The class that uvicorn instantiates for each request to upgrade a connection."""

    class ConfiguredSocket(Socket):
        __slots__ = ()

    ConfiguredSocket.settings = settings
    ConfiguredSocket.queue_limits = QueueLimits.of(settings)
    ConfiguredSocket.timers = timers
    ConfiguredSocket.meters = meters
    ConfiguredSocket.cork = cork
    ConfiguredSocket.writer_type = writer_type(cork.calls)
    ConfiguredSocket.reply_reader = reply_reader(cork.calls)
    ConfiguredSocket.duplicates = Duplicates(is_on=settings.direct_writes != "off")
    ConfiguredSocket.duplicates.check(settings.max_connections)
    ConfiguredSocket.handshake = Handshake(routes, settings, admission, meters)
    ConfiguredSocket.auth_parsers = _parsers(settings.auth_message_limit)
    ConfiguredSocket.message_parsers = _parsers(settings.socket_message_limit, truncates=True)
    return ConfiguredSocket


def _parsers(limit: int, *, truncates: bool = False) -> tuple[ParserPool, ParserPool]:
    """The pools for plain messages, and for messages that may be compressed."""
    return ParserPool(limit), ParserPool(limit, inflates=True, truncates=truncates)
