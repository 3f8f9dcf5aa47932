"""State file of an import: an interrupted run can continue, and nothing is copied twice."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from uuid import UUID, uuid4

import orjson

from syncline_server.config.validation import SettingError

from .collection_states import CollectionState

__all__ = ["Checkpoint", "open_checkpoint"]

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unnamed (source TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collections (
    source TEXT PRIMARY KEY, target TEXT, items TEXT NOT NULL, last_source INTEGER,
    last_target INTEGER
) WITHOUT ROWID;
"""


@contextmanager
def open_checkpoint(path: Path | None, about: Mapping[str, str]) -> Iterator[Checkpoint]:
    """Open the state in a file, or create the file.

    Args:
        path: path of the file; None keeps the state in memory for this run only.
        about: names of the source and of the target; a file belongs to one such pair.

    Raises:
        SettingError: the file cannot be used, is in use, or belongs to another import.
    """
    try:
        with closing(sqlite3.connect(path or ":memory:", timeout=0)) as database:
            yield Checkpoint(_prepared(database, path, about))
    except sqlite3.Error as error:
        raise SettingError(f"--state {path} cannot be used: {error}") from None


def _prepared(
    database: sqlite3.Connection, path: Path | None, about: Mapping[str, str]
) -> sqlite3.Connection:
    # Keep the lock from now on: two runs at once would copy documents twice.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    # A commit survives the death of this process. A crash of the machine may lose the last
    # commits but does not corrupt the file; then some documents are sent again.
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
                "use another file"
            )
    return database


class Checkpoint:
    """The state of one import; only one thread uses it, and every method is atomic."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @property
    def run(self) -> UUID:
        """Id of this import; it stays the same in all its runs."""
        run = self._read_value("run")
        assert run is not None
        return UUID(run)

    @property
    def position(self) -> str | None:
        """Position after the last batch of an interrupted run; None to start at the beginning."""
        return self._read_value("position")

    @property
    def counts(self) -> Counter[str]:
        """Number of records before `position` with each outcome."""
        counts = self._read_value("counts")
        return Counter() if counts is None else Counter(orjson.loads(counts))

    def find_copy(self, sid: str) -> str | None:
        """The SID in the target of a document without a name; None if it was not copied.

        Args:
            sid: SID of the document in the source.
        """
        row = self._database.execute("SELECT target FROM unnamed WHERE source = ?", (sid,))
        return next((target for (target,) in row), None)

    def record_copy(self, sid: str, target: str) -> None:
        """Record the SIDs, in source and target, of a document without a name that was copied."""
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO unnamed VALUES (?, ?)", (sid, target))

    def find_collection(self, sid: str) -> CollectionState | None:
        """The state of a list, map or stream; None if it is not known.

        Args:
            sid: SID in the source.
        """
        rows = self._database.execute("SELECT * FROM collections WHERE source = ?", (sid,))
        row = rows.fetchone()
        if row is None:
            return None
        source, target, items, last_source, last_target = row
        return CollectionState(
            source=source,
            target=target,
            items=items,
            last_source=last_source,
            last_target=last_target,
        )

    def save_collection(self, state: CollectionState) -> None:
        """Record the state of a list, map or stream."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?, ?)", astuple(state)
            )

    def advance(self, position: str | None, counts: Mapping[str, int]) -> None:
        """Record the position of this run, and the counts of all records before it."""
        with self._database:
            self._save_value("position", position)
            self._save_value("counts", orjson.dumps(counts).decode())

    def restart(self) -> None:
        """Forget position and counts, but not which documents without a name were copied."""
        with self._database:
            self._save_value("position", None)
            self._save_value("counts", None)

    def _read_value(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _save_value(self, name: str, value: str | None) -> None:
        if value is None:
            self._database.execute("DELETE FROM about WHERE name = ?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
