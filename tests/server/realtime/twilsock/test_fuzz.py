"""Ten thousand frames that no SDK would send: all are answered, or end their connection with a
reason; and nothing of those connections stays."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from support.limits import WAIT_LIMIT
from support.store import Store, eventually
from support.twilsock import DIALECTS
from syncline_protocol import twilsock
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, load_credentials
from syncline_server.config.encryption import make_master_key
from syncline_server.config.settings import Settings
from syncline_server.http import Limits, http_protocol
from syncline_server.realtime.session import Session
from syncline_server.realtime.twilsock.connection import PATH
from syncline_server.realtime.twilsock.requests import Requests
from syncline_server.realtime.websocket.socket import Socket
from syncline_server.runtime.app import create_app

FRAMES = 10_000
CLIENTS = 8
BURST = 40
WAIT = WAIT_LIMIT

LIMITS = Limits(
    url=8192,
    head=32_768,
    connections=100_000,
    header_timeout=30,
    body_timeout=30,
    reader_timeout=30,
)

ODDITIES: list[Any] = [
    *(None, True, -1, 0, 1.5, 2**63, "", "x", "\x00", "grüße", [], [[]], {}, {"a": {}}),
    *("x" * 5000, "[" * 500, ["x"] * 100, {"x": ["y"]}, 1e308, "ET" + "0" * 32, "TM1"),
]

TYPES = [
    ("Documents", "document", "ET"),
    ("Lists", "list", "ES"),
    ("Maps", "map", "MP"),
    ("Streams", "stream", "TO"),
]


class Mutations:
    """Frames made from good ones by a seeded dice."""

    def __init__(self, token: str) -> None:
        self._dice = random.Random(20_260_131)
        self._token = token
        self._ids = 0

    def init(self) -> bytes:
        """Mostly good: most of the others need it."""
        packet = {"method": "init", "token": self._token, "capabilities": ["client_update"]}
        return self._framed(packet, b"") if self._dice.random() < 0.95 else self.frame()

    def frame(self) -> bytes:
        """Good, odd, or none at all."""
        header, payload = self._dice.choice(self._good())
        if self._dice.random() < 0.4:
            odd = self._odd(header)
            # Mostly with its method, without which nothing else of it would be looked at.
            keeps = isinstance(odd, dict) and self._dice.random() < 0.9
            header = {**odd, "method": header["method"]} if keeps else odd
        if payload and self._dice.random() < 0.5:
            payload = orjson.dumps(self._odd(orjson.loads(payload)))
        frame = self._framed(header, payload)
        return self._spoiled(frame) if self._dice.random() < 0.03 else frame

    def _good(self) -> list[tuple[dict[str, Any], bytes]]:
        kind, name, prefix = self._dice.choice(TYPES)
        sid = f"{prefix}{self._dice.choice('0a') * 32}"
        address = f"/v3/{kind}/{sid[2:]}"
        data = orjson.dumps({"unique_name": sid[2:], "key": "k", "data": {"n": 1}, "ttl": 60})
        wanted = [{"object_sid": sid, "object_type": name, "last_event_id": 1}]
        batch = {"action": "establish", "correlation_id": 1, "requests": wanted}
        return [
            ({"method": "init", "token": self._token}, b""),
            ({"method": "update", "token": self._token}, b""),
            ({"method": "ping"}, b""),
            ({"method": "telemetry.v1", "events": [{}]}, b""),
            ({"method": "put_notification_ctx", "notification_ctx_id": "x"}, b"{}"),
            ({"method": "reply", "status": {"code": 200, "status": "OK"}}, b""),
            (self._message("POST", f"/v3/{kind}"), data),
            (self._message("GET", "/v3/Configuration"), b""),
            (self._message("GET", address, Include="items"), b""),
            (self._message("POST", address), data),
            (self._message("DELETE", address), b"{}"),
            (self._message("GET", f"{address}/Items", From="k", PageSize="2", Order="desc"), b""),
            (self._message("GET", f"{address}/Items", Key="k", Index="0", PageToken="PTx"), b""),
            (self._message("POST", f"{address}/Items"), data),
            (self._message("POST", f"{address}/Messages"), data),
            *(
                (self._message(method, f"{address}/Items/0"), data)
                for method in ("GET", "PUT", "POST", "DELETE")
            ),
            (self._message("POST", "/v4/Subscriptions"), orjson.dumps(batch)),
            (
                self._message("POST", "/v4/Subscriptions"),
                orjson.dumps(batch | {"action": "cancel"}),
            ),
        ]

    def _message(self, method: str, path: str, **params: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "If-Match": "1", "Twilio-Request-Id": "RQ"}
        given = dict(self._dice.sample(sorted(headers.items()), self._dice.randrange(3)))
        request = {"method": method, "host": "h", "path": path, "params": params, "headers": given}
        return {"method": "message", "active_grant": "data_sync", "http_request": request}

    def _odd(self, value: Any) -> Any:
        """A copy in which something is not what it should be."""
        if isinstance(value, dict) and value and self._dice.random() < 0.8:
            key = self._dice.choice(sorted(value))
            match self._dice.randrange(4):
                case 0:
                    return {name: each for name, each in value.items() if name != key}
                case 1:
                    return {**value, self._dice.choice(["", "x", "method", "id"]): value[key]}
                case _:
                    return {**value, key: self._odd(value[key])}
        return self._dice.choice(ODDITIES)

    def _framed(self, header: Any, payload: bytes) -> bytes:
        self._ids += 1
        named = {"id": f"TM{self._ids}", **header} if isinstance(header, dict) else {"id": "x"}
        return self._dice.choice(DIALECTS)(named, payload)

    def _spoiled(self, frame: bytes) -> bytes:
        at = self._dice.randrange(len(frame))
        match self._dice.randrange(5):
            case 0:
                return frame[:at]
            case 1:
                return frame[:at] + self._dice.randbytes(3) + frame[at:]
            case 2:
                return frame[:at] + frame[at + 1 :]
            case 3:
                return frame + frame
            case _:
                return self._dice.randbytes(self._dice.randrange(200))


class Expected:
    """What must come of a sequence of frames, by the codec's own word on each.

    Attributes:
        replies: by id, how many.
        ends: False if the connection stays.
        taken: frames up to the one that ends it.
    """

    def __init__(self) -> None:
        self.replies: Counter[str] = Counter()
        self.ends = False
        self.taken = 0

    def take(self, frame: bytes) -> None:
        """Note one more frame."""
        if self.ends:
            return
        self.taken += 1
        try:
            packet = twilsock.decode(frame)
        except twilsock.MalformedFrame:
            self.ends = True
            return
        if packet.method == "close" or (self.taken == 1 and packet.method not in ("init", "reply")):
            self.ends = True
        elif packet.method != "reply":
            self.replies[packet.id] += 1


@asynccontextmanager
async def serve(credentials: Credentials, tmp_path: Path, store: Store) -> AsyncIterator[str]:
    """The wire on a port of its own, in this process; its URL."""
    settings = Settings(data_dir=tmp_path, connect_rate=100_000, ping_interval=1, ping_timeout=300)
    credentials = replace(credentials, master_key=make_master_key())
    app = create_app(settings, credentials, store.engine)
    config = uvicorn.Config(app.http, ws=app.socket, lifespan="off", log_config=None)
    config.load()
    http = http_protocol(LIMITS, app.timers.call_later, app.meters, app.audit)
    state = ServerState()
    make = partial(http, config=config, server_state=state, app_state={})

    async with app.http.router.lifespan_context(app.http):
        listening = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        try:
            yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}{PATH}"
            await eventually(lambda: not state.connections)
        finally:
            listening.close()


async def converse(url: str, frames: list[bytes]) -> int:
    """Send frames, see them answered; how many the server took."""
    expected = Expected()
    replies: Counter[str] = Counter()
    last = None
    async with asyncio.timeout(WAIT), connect(url, max_size=None) as connection:
        for frame in frames:
            expected.take(frame)
        try:
            for frame in frames:
                await connection.send(frame)
            while expected.ends or replies != expected.replies:
                packet = twilsock.decode(await connection.recv())  # type: ignore[arg-type]
                replies[packet.id] += packet.method == "reply"
                last = packet
            await connection.send(twilsock.encode({"method": "close", "id": "last"}))
            await connection.wait_closed()
        except ConnectionClosed:
            pass
        assert connection.close_code == 1000, (connection.close_code, frames)
    if replies != expected.replies:
        assert last is not None and last.header["status"]["code"] in (401, 406), frames
    return expected.taken


def living() -> Counter[str]:
    """Objects that belong to a connection."""
    gc.collect()
    kinds = (Session, Requests, Socket)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


async def test_nothing_stays_unanswered_and_nothing_stays(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = load_credentials(tmp_path, {})
    mutations = Mutations(mint_token(credentials, "alice", 3600))
    taken = 0

    async def client(url: str) -> None:
        nonlocal taken
        while taken < FRAMES:
            frames = [mutations.init(), *(mutations.frame() for _ in range(BURST))]
            answered = await converse(url, frames)
            taken += answered

    with caplog.at_level(logging.ERROR):
        async with serve(credentials, tmp_path, store) as url:
            await converse(url, [mutations.init()])
            tasks = len(asyncio.all_tasks())
            await asyncio.gather(*(client(url) for _ in range(CLIENTS)))
            await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
            await eventually(lambda: not living())
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
