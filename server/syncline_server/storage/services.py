"""Services: each a namespace of documents. `default` is made at the first start."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass

import orjson

from . import keys
from .documents import now_ms
from .redis import Redis

__all__ = ["DEFAULT_NAME", "Service", "Services"]

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Service:
    """One service; `created_ms` is in milliseconds since the epoch."""

    sid: str
    unique_name: str | None
    created_ms: int


class Services:
    """All services. Every method raises `Refusal` with `UNAVAILABLE` while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # A service never changes, so one that was found need not be looked up again.
        self._known: dict[str, Service] = {}

    async def find(self, address: str) -> Service | None:
        """The service with that SID or unique name; None if there is none."""
        if address == DEFAULT_NAME and address not in self._known:
            await self._make_default()
        if address not in self._known:
            sid = await self._redis.execute("HGET", keys.SERVICE_NAMES, address) or address
            record = await self._redis.execute("HGET", keys.SERVICES, sid)
            if record is None:
                return None
            service = Service(**orjson.loads(record))
            self._known[service.sid] = service
            if service.unique_name is not None:
                self._known[service.unique_name] = service
        return self._known.get(address)

    async def _make_default(self) -> None:
        """Name first, record second, each only if missing: two servers that start at once agree."""
        made = f"IS{secrets.token_hex(16)}"
        await self._redis.execute("HSETNX", keys.SERVICE_NAMES, DEFAULT_NAME, made)
        sid = (await self._redis.execute("HGET", keys.SERVICE_NAMES, DEFAULT_NAME)).decode()
        record = orjson.dumps(asdict(Service(sid, DEFAULT_NAME, now_ms())))
        await self._redis.execute("HSETNX", keys.SERVICES, sid, record)
