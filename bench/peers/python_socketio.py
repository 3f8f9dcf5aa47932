"""python-socketio with its Redis manager, over WebSocket only; each document is a room."""

from __future__ import annotations

from bench.harness.target import Command, Site

from .python import python_command, python_versions
from .socket_io import SocketIO

__all__ = ["TARGET"]


class _PythonSocketIO(SocketIO):
    name = "python-socketio"

    def versions(self) -> dict[str, str]:
        return python_versions("python-socketio", "python-engineio", "uvicorn", "redis")

    def command(self, site: Site) -> Command:
        return python_command("python_socketio", site.port, site.redis)


TARGET = _PythonSocketIO()
