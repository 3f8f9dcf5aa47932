"""The kinds of clients of lists, maps and streams that have a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from .actions import CONTENDED, FREE, GROUP
from .collection import LIST, MAP, STREAM
from .native import NativeClient
from .observer import ItemObserver
from .operation import Sender
from .paging import PagingObserver
from .replica import ReplicaClient
from .replica_sight import ReplicaSight
from .scope import WHOLE, Scope
from .sight import ItemSight
from .sse import SseObserver
from .twilsock import TwilsockClient

__all__ = ["OBSERVERS", "REST_WRITERS", "WRITERS", "Wire"]

_ALL = frozenset({LIST, MAP, STREAM})

_INDEXES = tuple(str(index) for index in range(0, 200, 2))
"""Half of the indexes that a list gets in the first half minute or so."""


C = TypeVar("C", covariant=True)


class WritingObserver(ItemObserver, Sender, Protocol):
    """A client that writes and observes on one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire(Generic[C]):
    """A kind of clients.

    Attributes:
        name: how the history calls it.
        make: called with the URL of a link, the service, a token, and `sight`.
        types: of the collections without which it has nothing to do.
        scope: the items that it observes.
        sight: what puts into the history what it sees.
    """

    name: str
    make: Callable[..., C]
    types: frozenset[str] = _ALL
    scope: Scope = field(default=WHOLE)
    sight: type[ItemSight] = ItemSight


REST_WRITERS = "items"
"""How clients are called that write over REST; others observe what they write."""

WRITERS: dict[str, Wire[WritingObserver]] = {
    "items-native": Wire(name="native", make=NativeClient),
    "items-twilsock": Wire(name="twilsock", make=TwilsockClient),
}
"""Clients that do both, by the beginning of their names."""

OBSERVERS: dict[str, Wire[ItemObserver]] = {
    "pages": Wire(name="pages", make=PagingObserver, types=frozenset({LIST, MAP})),
    "reader-native": Wire(name="native", make=NativeClient),
    "reader-twilsock": Wire(name="twilsock", make=TwilsockClient),
    "part-native": Wire(
        name="native",
        make=partial(NativeClient, types=frozenset({MAP})),
        types=frozenset({MAP}),
        # Of the batches, only two items each.
        scope=Scope(keys=(*CONTENDED, *FREE, *GROUP[:2])),
    ),
    "prefix-native": Wire(
        name="native",
        make=partial(NativeClient, types=frozenset({MAP})),
        types=frozenset({MAP}),
        scope=Scope(prefix="free/"),
    ),
    **{
        f"indexes-{name}": Wire(
            name=name, make=make, types=frozenset({LIST}), scope=Scope(keys=_INDEXES)
        )
        for name, make in (
            ("native", partial(NativeClient, types=frozenset({LIST}))),
            ("sse", partial(SseObserver, LIST)),
        )
    },
    "part-sse": Wire(
        name="sse",
        make=partial(SseObserver, MAP),
        types=frozenset({MAP}),
        scope=Scope(prefix="tally-"),
    ),
    **{
        f"{type_}-sse": Wire(name="sse", make=partial(SseObserver, type_), types=frozenset({type_}))
        for type_ in (LIST, MAP, STREAM)
    },
    "replica-native": Wire(
        name="python",
        make=partial(ReplicaClient, "websocket"),
        types=frozenset({LIST, MAP}),
        sight=ReplicaSight,
    ),
    "replica-sse": Wire(
        name="python",
        make=partial(ReplicaClient, "rest"),
        types=frozenset({LIST, MAP}),
        sight=ReplicaSight,
    ),
    "replica-prefix": Wire(
        name="python",
        make=partial(ReplicaClient, "websocket", types=frozenset({MAP})),
        types=frozenset({MAP}),
        scope=Scope(prefix="free/"),
        sight=ReplicaSight,
    ),
}
"""Clients that only look, one each, by the beginning of their names."""
