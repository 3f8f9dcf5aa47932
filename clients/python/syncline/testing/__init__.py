"""Test an application against a real server, which starts in about a second.

The pytest plugin is active wherever this package is installed::

    async def test_players_join(syncline_client):
        lobby = await syncline_client.document("lobby", data={"players": 0})
        await lobby.increment("/players")
        assert lobby.data == {"players": 1}

Fixtures: `syncline_server`, `syncline_service`, `syncline_connect`, `syncline_client`,
`syncline_clock`; and, to be overridden, `syncline_identity` and `syncline_service_settings`. They
need the server: `pip install 'syncline[server]'`.
"""

from .clock import ServerClock
from .command import ServerMissing, find_command
from .server import LocalServer
from .service import LocalService

__all__ = ["LocalServer", "LocalService", "ServerClock", "ServerMissing", "find_command"]
