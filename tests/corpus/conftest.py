"""What the corpus tests share: servers, eight short articles, recipes over them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from corpus_server import Behaviour, TeacherServer


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], TeacherServer]]:
    """Start servers; they end with the test."""
    servers: list[TeacherServer] = []

    def start(behave: Behaviour) -> TeacherServer:
        server = TeacherServer(behave)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


TITLES = ("Altona", "Brenta", "Corvara", "Durance", "Elster", "Fulda", "Garonne", "Havel")


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """Eight short English articles as JSONL."""
    path = tmp_path / "articles.jsonl"
    rows = [
        {
            "title": title,
            "text": f"{title} lies by a river. The water comes from the hills in the north. "
            f"People of {title} have built boats and mills since 1{number}50, and still do so today.",
            "description": "town by a river",
            "topic": "Geography",
            "language": "en",
            "url": f"https://example.org/{title}",
        }
        for number, title in enumerate(TITLES, 1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def settings(articles: Path) -> Callable[..., dict[str, Any]]:
    """A recipe over the articles, as a mapping; keyword arguments replace its keys."""

    def make(server: TeacherServer | None = None, **changes: Any) -> dict[str, Any]:
        recipe: dict[str, Any] = {
            "name": "rivers",
            "languages": ["en"],
            "sources": [
                {
                    "type": "documents",
                    "path": str(articles),
                    "source": "Rivers",
                    "license": "CC BY-SA 4.0",
                    "least_characters": 50,
                }
            ],
            "dialogues": {"least_turns": 3, "most_turns": 3, "attempts": 2},
        }
        if server:
            recipe["teacher"] = {
                "type": "openai",
                "base_url": server.url,
                "model": "tiny",
                "concurrency": 2,
                "timeout": 5,
                "retries": 2,
            }
        return recipe | changes

    return make
