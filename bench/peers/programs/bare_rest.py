"""Starlette on uvicorn: POST of a form, one EVALSHA that stores and publishes, reply in JSON.

python -m bench.peers.programs.bare_rest PORT REDIS_URL
"""

from __future__ import annotations

import json
import sys
from urllib.parse import parse_qs

import uvicorn
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SCRIPT = """
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[1], 'data', ARGV[1])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return revision
"""


def main() -> None:
    """Serve until the process is ended."""
    port, url = sys.argv[1:]
    redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    script = redis.register_script(SCRIPT)

    async def update(request: Request) -> JSONResponse:
        document = request.path_params["document"]
        data = parse_qs(await request.body())[b"Data"][0]
        value = json.loads(data)
        revision = await script(keys=[f"document:{document}"], args=[data])
        return JSONResponse({"unique_name": document, "revision": str(revision), "data": value})

    path = "/v1/Services/{service}/Documents/{document}"
    app = Starlette(routes=[Route(path, update, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
