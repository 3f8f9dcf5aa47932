"""Questions of one worker process to all others; each answers on a Unix socket.

The worker that asks does so concurrently, with a timeout. One that does not answer is left out of
the reply, and named.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

__all__ = ["ANSWER_TIMEOUT", "WorkerQueries"]

logger = logging.getLogger("syncline.workers")

ANSWER_TIMEOUT = 1.0
"""Seconds for the other workers to answer; scrapes usually time out after ten."""

QUESTION_LIMIT = 4096
"""Maximum bytes in a question."""

Answer = Callable[[bytes], Awaitable[bytes]]


class WorkerQueries:
    """Questions of one kind, which this process asks the others, and answers itself."""

    def __init__(
        self, answer: Answer, worker: int, count: int, directory: Path | None, *, kind: str = "sock"
    ) -> None:
        """
        Args:
            answer: returns the answer of this process to a question.
            worker: number of this process, from 0 to `count` - 1.
            count: number of workers.
            directory: directory of the workers' sockets, accessible only to this user; None for a
                single process.
            kind: end of the sockets' names; every kind has sockets of its own. At most four
                letters: the path of a socket may have 107 bytes only.
        """
        everybody = range(0 if directory is None else count)
        self.others = [number for number in everybody if number != worker]
        self._answer = answer
        self._worker = worker
        self._directory = directory
        self._suffix = f".{kind}"
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer the others, replacing an earlier process with the same number."""
        if self._directory is not None:
            listener = _listen(self._socket_of(self._worker))
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listener, limit=QUESTION_LIMIT
            )

    async def stop(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def ask(self, question: bytes = b"") -> Mapping[int, bytes | None]:
        """The answers of the other workers by their numbers; None for one that does not answer in
        time."""
        answers = await asyncio.gather(*(self._ask(number, question) for number in self.others))
        return dict(zip(self.others, answers, strict=True))

    async def _ask(self, number: int, question: bytes) -> bytes | None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(self._socket_of(number))
                try:
                    writer.write(question)
                    writer.write_eof()
                    return await reader.read()
                finally:
                    writer.close()
        except OSError:
            return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                question = await reader.read(QUESTION_LIMIT)
            writer.write(await self._answer(question))
        except OSError:
            pass  # the worker that asks has ended, or was too slow
        except Exception:
            logger.exception("a question of another worker could not be answered")
        finally:
            writer.close()

    def _socket_of(self, number: int) -> str:
        return str((self._directory or Path()) / f"{number}{self._suffix}")


def _listen(path: str) -> socket.socket:
    """Listen at `path`. The rename replaces an existing socket atomically, so that a query always
    finds a listener."""
    listener = socket.socket(socket.AF_UNIX)
    beside = f"{path}.new"
    Path(beside).unlink(missing_ok=True)
    listener.bind(beside)
    listener.listen()
    listener.setblocking(False)
    os.replace(beside, path)
    return listener
