"""What `client.document(…)` and its like return: to be awaited or entered, once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

from .errors import NotAwaited, UsageError

__all__ = ["H", "Opening"]


class Closable(Protocol):
    """A handle."""

    async def close(self) -> None:
        """Close the handle."""


H = TypeVar("H", bound=Closable)


class Opening(Coroutine[Any, Any, H], Generic[H]):
    """An object that is to be opened. Either of::

        lobby = await client.document("lobby")

        async with client.document("lobby") as lobby: ...

    The second closes the handle at the end of the block. An `Opening` is a coroutine, so a task can
    run it too. Anything else raises `NotAwaited`.
    """

    def __init__(self, start: Callable[[], Coroutine[Any, Any, H]], call: str) -> None:
        """Applications call `Client.document` and its like instead.

        Args:
            start: begins to open the object.
            call: the call of the application, for error messages.
        """
        self._start = start
        self._call = call
        self._opening: Coroutine[Any, Any, H] | None = None
        self._handle: H | None = None
        self._is_settled = False  # True if there is no reason to warn that nothing was awaited

    def __repr__(self) -> str:
        return f"<{self._call}: not open yet; await it>"

    def __await__(self) -> Generator[Any, None, H]:
        return self._begin().__await__()

    async def __aenter__(self) -> H:
        self._handle = await self._begin()
        return self._handle

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            await self._handle.close()

    def send(self, value: Any) -> Any:
        """Go on; called by a task."""
        return self._running().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error within; called by a task."""
        return self._running().throw(*error)

    def close(self) -> None:
        """Open nothing. A handle that is open has its own `close`, which is async."""
        self._is_settled = True
        if self._opening is not None:
            self._opening.close()

    def __del__(self) -> None:
        if not getattr(self, "_is_settled", True):
            warnings.warn(
                f"{self._call} was never awaited: it has opened nothing",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            raise self._not_awaited(f"it has no {name!r}")

        def __getitem__(self, key: object) -> NoReturn:
            raise self._not_awaited("it has no keys")

        def __aiter__(self) -> NoReturn:
            raise self._not_awaited("nothing can be iterated")

        def __enter__(self) -> NoReturn:
            raise self._not_awaited("`with` must be `async with`")

        def __exit__(self, *error: object) -> None:
            """Never called: `__enter__` raises."""

    def _begin(self) -> Coroutine[Any, Any, H]:
        if self._opening is not None:
            raise UsageError(f"{self._call} was awaited already: call it again for another handle")
        return self._running()

    def _running(self) -> Coroutine[Any, Any, H]:
        self._is_settled = True
        if self._opening is None:
            self._opening = self._start()
        return self._opening

    def _not_awaited(self, consequence: str) -> NotAwaited:
        self._is_settled = True
        if self._opening is not None:
            return NotAwaited(
                f"{self._call} was awaited already, but {consequence} itself: use the handle that "
                "`await` or `async with` has given"
            )
        return NotAwaited(
            f"{self._call} is not open yet, so {consequence}: await it first, as in "
            f"`handle = await {self._call}` or `async with {self._call} as handle`"
        )
