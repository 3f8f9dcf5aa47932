"""FastAPI on uvicorn: POST of JSON, checked by a model; a Basic login; one EVALSHA that stores and
publishes.

python -m bench.peers.programs.fast_api_rest PORT REDIS_URL
"""

from __future__ import annotations

import json
import secrets
import sys
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .bare_rest import SCRIPT

USER, PASSWORD = b"user", b"password"


class Update(BaseModel):
    """The body of a request."""

    data: dict[str, Any]
    ttl: int | None = None


class Document(BaseModel):
    """The body of a reply."""

    unique_name: str
    revision: str
    data: dict[str, Any]


def login(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """The user, if the password is right."""
    is_right = secrets.compare_digest(given.username.encode(), USER)
    if not (secrets.compare_digest(given.password.encode(), PASSWORD) and is_right):
        raise HTTPException(401)
    return given.username


def main() -> None:
    """Serve until the process is ended."""
    port, url = sys.argv[1:]
    redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    script = redis.register_script(SCRIPT)
    app = FastAPI()

    @app.post("/v1/Services/{service}/Documents/{document}")
    async def update(
        service: str, document: str, body: Update, user: Annotated[str, Depends(login)]
    ) -> Document:
        stored = json.dumps(body.data)
        revision = await script(keys=[f"document:{service}:{document}"], args=[stored])
        return Document(unique_name=document, revision=str(revision), data=body.data)

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
