"""Models of the same data, of each kind that the client takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic

__all__ = [
    "ANN",
    "MODELS",
    "Lobby",
    "LobbyDict",
    "LobbyModel",
    "LobbyStruct",
    "Player",
    "PlayerStruct",
    "Role",
]


class Role(Enum):
    HOST = "host"
    GUEST = "guest"


@dataclass
class Player:
    name: str
    score: int = 0
    role: Role = Role.GUEST


@dataclass(frozen=True, kw_only=True)
class Lobby:
    title: str
    players: list[Player] = field(default_factory=list)
    host: Player | None = None
    ratings: dict[str, float] = field(default_factory=dict)
    mode: Literal["open", "closed"] = "open"


class PlayerDict(TypedDict):
    name: str
    score: NotRequired[int]


class LobbyDict(TypedDict):
    title: str
    players: list[PlayerDict]
    host: NotRequired[PlayerDict | None]


class PlayerModel(pydantic.BaseModel):
    name: str
    score: int = 0


class LobbyModel(pydantic.BaseModel):
    title: str
    players: list[PlayerModel] = []
    host: PlayerModel | None = None
    seats: int = pydantic.Field(default=4, alias="seatCount", ge=1)


class PlayerStruct(msgspec.Struct):
    name: str
    score: int = 0


class LobbyStruct(msgspec.Struct, rename="camel"):
    title: str
    players: list[PlayerStruct] = []
    host: PlayerStruct | None = None
    seat_count: int = 4


ANN = {"name": "Ann", "score": 3}

MODELS: dict[str, tuple[Any, Any]] = {
    "dataclass": (Lobby, Lobby(title="Main", players=[Player("Ann", 3)], host=Player("Ann", 3))),
    "TypedDict": (LobbyDict, LobbyDict(title="Main", players=[{**ANN}], host={**ANN})),  # type: ignore[typeddict-item]
    "pydantic": (
        LobbyModel,
        LobbyModel(title="Main", players=[PlayerModel(**ANN)], host=PlayerModel(**ANN)),  # type: ignore[arg-type]
    ),
    "msgspec": (
        LobbyStruct,
        LobbyStruct("Main", players=[PlayerStruct("Ann", 3)], host=PlayerStruct("Ann", 3)),
    ),
}
