"""A lobby of players: REST for its users, tokens for browsers, and a client that follows it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

import syncline

PLACES = 4


class Lobby(BaseModel):
    """The data of the document, and what FastAPI answers."""

    players: list[str] = []


service = syncline.AsyncService.from_environment()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Follow the lobby as long as the application runs."""

    def token() -> str:
        # Called on each connect, and before the last token expires.
        return service.mint_token("lobby-server")

    async with service, syncline.connect(os.environ["SYNCLINE_URL"], token=token) as client:
        app.state.lobby = await client.document("lobby", model=Lobby, data=Lobby())
        yield


app = FastAPI(title="Lobby", lifespan=lifespan)


@app.get("/token", response_class=PlainTextResponse)
async def mint_token(identity: str) -> str:
    """A token for a browser. In your application, the identity is that of the login."""
    return service.mint_token(identity, ttl=3600)


@app.get("/lobby")
async def read_lobby() -> Lobby:
    """The newest lobby: the client has it in memory, so this sends no request."""
    lobby: Lobby = app.state.lobby.data
    return lobby


@app.post("/lobby/{player}", status_code=204)
async def join(player: str) -> None:
    """Take a place. `mutate` runs again if somebody else was first, so no place is given twice."""

    def add(lobby: Lobby) -> Lobby | None:
        if player in lobby.players or len(lobby.players) >= PLACES:
            return None  # writes nothing
        return Lobby(players=[*lobby.players, player])

    lobby = await service.documents.at("lobby", model=Lobby).mutate(add)
    if player not in lobby.players:
        raise HTTPException(409, "The lobby is full.")
