"""Every call to a teacher, once: a SQLite file that survives kill -9 and lets a build go on where it stood.

A reply is committed before anything is made of it. The key is the sha256 of all that decides the reply
(`Request.key`), so changing a recipe asks only what was never asked. Replies that failed are not kept.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from types import TracebackType

from mezzofanti.corpus.teachers.base import Reply, Request, Teacher
from mezzofanti.errors import StateError

__all__ = ["Desk", "Store"]

_TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, teacher TEXT NOT NULL, task TEXT NOT NULL, language TEXT NOT NULL,
    messages TEXT NOT NULL, reply TEXT NOT NULL
)
"""


class Store:
    """The calls of one build folder. One process at a time may hold it: `StateError` for the second."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.connection = sqlite3.connect(self.path, timeout=1.0)
        try:
            self._claim()
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise self._explained(error) from None

    def _claim(self) -> None:
        # the lock belongs to the process, so that kill -9 lets it go
        self.connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute(_TABLE)
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("PRAGMA user_version=1")
        self.connection.commit()

    def _explained(self, error: sqlite3.DatabaseError) -> StateError:
        if "locked" in str(error):
            return StateError(
                f"Another build is writing to {self.path}.", cure="Wait for it, or name another folder."
            )
        return StateError(f"{self.path} cannot be used ({error}).", cure="Remove it, or name another folder.")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def get(self, key: str) -> Reply | None:
        """Return the reply kept under `key`, or None."""
        row = self.connection.execute("SELECT reply FROM calls WHERE key = ?", (key,)).fetchone()
        return Reply.model_validate_json(row[0]) if row else None

    def put(self, key: str, teacher: str, request: Request, reply: Reply) -> None:
        """Keep a reply; it is on disk when this returns."""
        messages = json.dumps([message.model_dump() for message in request.messages], ensure_ascii=False)
        row = (key, teacher, request.task, request.language, messages, reply.model_dump_json())
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM calls").fetchone()[0])


class Desk:
    """A teacher behind its store: the same request is sent once, whoever asks and however often."""

    def __init__(self, teacher: Teacher, store: Store) -> None:
        self.teacher = teacher
        self.store = store
        self.sent = 0
        self.reused = 0
        self.steadfast = teacher.steadfast
        self._under_way: dict[str, asyncio.Task[Reply]] = {}

    async def ask(self, request: Request) -> Reply:
        """Return the reply from the store, or from the teacher and keep it."""
        key = request.key(self.teacher.identity)
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        if (kept := self.store.get(key)) is not None:
            self.reused += 1
            return kept
        self._under_way[key] = asyncio.ensure_future(self._send(key, request))
        try:
            return await self._under_way[key]
        finally:
            del self._under_way[key]

    async def _send(self, key: str, request: Request) -> Reply:
        self.sent += 1
        reply = await self.teacher.ask(request)
        if reply.finish != "failed":
            self.store.put(key, self.teacher.name, request, reply)
        return reply
