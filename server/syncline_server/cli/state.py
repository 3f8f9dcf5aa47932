"""What an import remembers, so that a broken run goes on and a second one carries nothing twice."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import orjson

from syncline_server.config.validation import SettingError

__all__ = ["State", "opened"]

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unnamed (source TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;
"""


@contextmanager
def opened(path: Path | None, about: Mapping[str, str]) -> Iterator[State]:
    """The state in a file, which is made where there is none.

    Args:
        path: None remembers nothing beyond this run.
        about: which documents are carried, and where to; a file belongs to one such pair.

    Raises:
        SettingError: the file cannot be used, is in use, or belongs to another import.
    """
    try:
        with closing(sqlite3.connect(path or ":memory:", timeout=0)) as database:
            yield State(_prepared(database, path, about))
    except sqlite3.Error as error:
        raise SettingError(f"--state {path} cannot be used: {error}") from None


def _prepared(
    database: sqlite3.Connection, path: Path | None, about: Mapping[str, str]
) -> sqlite3.Connection:
    # Held from now on: two runs at once would carry documents twice.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    # Survives the death of this process at once, and that of the machine without harm.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_TABLES)
    with database:
        first = {**about, "run": str(uuid4())}
        database.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", first.items())
    for name, value in about.items():
        [kept] = database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        if kept != value:
            raise SettingError(
                f"--state {path} belongs to another import, whose {name} is {kept}: "
                "name another file"
            )
    return database


class State:
    """Used by one thread; every method is atomic."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @property
    def run(self) -> UUID:
        """Names this import, however many runs it takes."""
        run = self._get("run")
        assert run is not None
        return UUID(run)

    @property
    def position(self) -> str | None:
        """Where a broken run had come to, in the words of its source; None at the beginning."""
        return self._get("position")

    @property
    def counts(self) -> Counter[str]:
        """What had become of the documents before `position`."""
        counts = self._get("counts")
        return Counter() if counts is None else Counter(orjson.loads(counts))

    def target_of(self, sid: str) -> str | None:
        """The SID that a document without a name was given in the target; None if it is not there.

        Args:
            sid: of the document where it comes from.
        """
        row = self._database.execute("SELECT target FROM unnamed WHERE source = ?", (sid,))
        return next((target for (target,) in row), None)

    def arrived(self, sid: str, target: str) -> None:
        """Take note that a document without a name has arrived; arguments as in `target_of`."""
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO unnamed VALUES (?, ?)", (sid, target))

    def advance(self, position: str | None, counts: Mapping[str, int]) -> None:
        """Take note how far this run has come, and of what has become of all before."""
        with self._database:
            self._put("position", position)
            self._put("counts", orjson.dumps(counts).decode())

    def begin(self) -> None:
        """Begin at the beginning; which unnamed documents have arrived is not forgotten."""
        with self._database:
            self._put("position", None)
            self._put("counts", None)

    def _get(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _put(self, name: str, value: str | None) -> None:
        if value is None:
            self._database.execute("DELETE FROM about WHERE name = ?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
