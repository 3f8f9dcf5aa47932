"""python-socketio on uvicorn with its Redis manager; each document is a room.

python -m bench.peers.programs.python_socketio PORT REDIS_URL
"""

from __future__ import annotations

import sys
from typing import Any

import socketio
import uvicorn


def main() -> None:
    """Serve until the process is ended."""
    port, redis = sys.argv[1:]
    server = socketio.AsyncServer(
        async_mode="asgi",
        client_manager=socketio.AsyncRedisManager(redis),
        transports=["websocket"],
    )

    async def subscribe(sid: str, document: str) -> None:
        await server.enter_room(sid, document)

    async def write(sid: str, document: str, data: dict[str, Any]) -> None:
        await server.emit("update", data, room=document)

    server.on("follow", subscribe)
    server.on("write", write)
    app = socketio.ASGIApp(server)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
