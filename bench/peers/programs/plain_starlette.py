"""A hand-written fan-out: Starlette, a set of sockets for each document, and Redis pub/sub.

python -m bench.peers.programs.plain_starlette PORT REDIS_URL
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

PREFIX = "document:"


def main() -> None:
    """Serve until the process is ended."""
    port, redis = sys.argv[1:]
    hub = Hub(Redis.from_url(redis, decode_responses=True))
    app = Starlette(routes=[WebSocketRoute("/ws", hub.serve)], lifespan=hub.run)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


class Hub:
    """The sockets of the process by document."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sockets: defaultdict[str, set[WebSocket]] = defaultdict(set)

    @asynccontextmanager
    async def run(self, app: Starlette) -> AsyncIterator[None]:
        """Receive events from Redis while the app runs."""
        async with self._redis.pubsub() as events:
            await events.psubscribe(PREFIX + "*")
            reading = asyncio.create_task(self._read_events(events))
            yield
            reading.cancel()

    async def serve(self, socket: WebSocket) -> None:
        """Serve a client, which sends `{"follow": name}` or `{"write": name, "data": …}`."""
        await socket.accept()
        followed = set()
        try:
            while True:
                text = await socket.receive_text()
                message = json.loads(text)
                if "write" in message:
                    await self._redis.publish(PREFIX + message["write"], text)
                else:
                    followed.add(message["follow"])
                    self._sockets[message["follow"]].add(socket)
                    await socket.send_text(text)
        except WebSocketDisconnect:
            for document in followed:
                self._sockets[document].discard(socket)

    async def _read_events(self, events: PubSub) -> None:
        async for event in events.listen():
            if event["type"] == "pmessage":
                for socket in list(self._sockets[event["channel"].removeprefix(PREFIX)]):
                    await socket.send_text(event["data"])


if __name__ == "__main__":
    main()
