"""Clients of the Python package that add 1 to one number of one document by `mutate`.

    python -m bench.harness.programs.contend_python URL TOKEN DOCUMENT CLIENTS SECONDS

A program of `bench.harness.contending`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop

import syncline
from syncline import JsonObject


@dataclass
class Contention:
    """Counts of the run; times are in seconds."""

    end: float
    attempts: int = 0
    waits: list[float] = field(default_factory=list)

    async def contend(self, document: syncline.Document) -> None:
        """Change the document repeatedly until the end of the run."""
        while (began := time.monotonic()) < self.end:
            await document.mutate(self._add)
            self.waits.append(time.monotonic() - began)

    def _add(self, data: JsonObject) -> JsonObject:
        self.attempts += 1
        return {**data, "count": data.get("count", 0) + 1}


async def run(url: str, token: str, name: str, count: int, seconds: float) -> None:
    """Connect all clients, let them contend, and print the figures."""
    async with AsyncExitStack() as stack:
        documents = []
        for _ in range(count):
            client = await stack.enter_async_context(syncline.connect(url, token=token))
            documents.append(await client.document(name))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began, cpu = time.monotonic(), time.process_time()
        contention = Contention(began + seconds)
        await asyncio.gather(*map(contention.contend, documents))
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        # This change waits until the client has seen all others, so `data` is the final state.
        await documents[0].patch(increment={"/count": 0})
        figures = {
            "commits": len(contention.waits),
            "attempts": contention.attempts,
            "seconds": took,
            "cpu": cpu,
            "mean_wait": sum(contention.waits) / len(contention.waits),
            "longest_wait": max(contention.waits),
            "value": documents[0].data["count"],
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    url, token, name, count, seconds = sys.argv[1:]
    uvloop.run(run(url, token, name, int(count), float(seconds)))
