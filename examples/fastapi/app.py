"""A lobby of players: REST for its users, tokens for browsers, and a client that follows it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse

import syncline

PLACES = 4

service = syncline.AsyncService.from_environment()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Follow the lobby as long as the application runs."""

    def token() -> str:
        # Called on each connect, and before the last token expires.
        return service.mint_token("lobby-server")

    async with service, syncline.connect(os.environ["SYNCLINE_URL"], token=token) as client:
        app.state.lobby = await client.document("lobby", data={"players": []})
        yield


app = FastAPI(title="Lobby", lifespan=lifespan)


@app.get("/token", response_class=PlainTextResponse)
async def mint_token(identity: str) -> str:
    """A token for a browser. In your application, the identity is that of the login."""
    return service.mint_token(identity, ttl=3600)


@app.get("/lobby")
async def read_lobby() -> dict[str, Any]:
    """The newest lobby: the client has it in memory, so this sends no request."""
    players = app.state.lobby.data["players"]
    return {"players": players, "full": len(players) >= PLACES}


@app.post("/lobby/{player}", status_code=204)
async def join(player: str) -> None:
    """Take a place. `mutate` runs again if somebody else was first, so no place is given twice."""

    def add(lobby: dict[str, Any]) -> dict[str, Any] | None:
        players = lobby["players"]
        if player in players or len(players) >= PLACES:
            return None  # writes nothing
        return {"players": [*players, player]}

    lobby = await service.documents.at("lobby").mutate(add)
    if player not in lobby["players"]:
        raise HTTPException(409, "The lobby is full.")
