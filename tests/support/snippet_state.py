"""What exists in the default service before a block of the documentation runs."""

from __future__ import annotations

from support.rest import RestClient
from support.server import RunningServer
from support.snippets import Snippet

__all__ = ["SnippetState"]

_EMPTY = {"Create", "Typed data", "Make a token"}
"""Headings whose blocks create what they use."""

_TYPES = {
    "Documents": "documents",
    "Lists": "lists",
    "Maps": "maps",
    "Streams": "streams",
}


class SnippetState:
    """The objects of the examples: `lobby`, `players`, `tasks` and `cursors`."""

    def __init__(self, server: RunningServer) -> None:
        self._rest = RestClient(server, "Services/default")

    def prepare(self, snippet: Snippet) -> None:
        """Remove everything, and create what the block takes for granted."""
        self.clear()
        heading = snippet.heading
        if heading in _EMPTY or (heading == "Python" and "model=" in snippet.code):
            return
        self._post("Documents", UniqueName="lobby", Data='{"players": 1, "map": "hills"}')
        self._post("Maps", UniqueName="players")
        self._post("Lists", UniqueName="tasks")
        if heading == "5. Change it from elsewhere":
            self._post("Maps", UniqueName="tasks")
        self._post("Lists/tasks/Items", Data='{"do": "sweep"}')
        self._post("Streams", UniqueName="cursors")
        if heading == "Items":
            return
        self._post("Maps/players/Items", Key="alice", Data='{"score": 1}')
        if heading == "Batches":
            self._post("Maps/players/Items", Key="dave", Data='{"score": 1}')

    def change(self) -> None:
        """Let four players join the lobby, for a block that waits for them."""
        players = '{"title": "Main", "players": [' + ",".join(['{"name": "Bob"}'] * 4) + "]}"
        self._rest.http.post(f"{self._rest.url}/Documents/lobby", data={"Data": players})

    def clear(self) -> None:
        """Remove all objects; blocks that read events end with them."""
        for path, key in _TYPES.items():
            listed = self._rest.http.get(f"{self._rest.url}/{path}?PageSize=100").json()
            for each in listed[key]:
                self._rest.http.delete(f"{self._rest.url}/{path}/{each['sid']}").raise_for_status()

    def close(self) -> None:
        """Close the connections."""
        self._rest.http.close()

    def _post(self, path: str, **form: str) -> None:
        self._rest.http.post(f"{self._rest.url}/{path}", data=form).raise_for_status()
