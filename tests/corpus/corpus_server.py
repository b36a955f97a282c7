"""A teacher's server on this machine that speaks the OpenAI protocol, and misbehaves on demand."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["TeacherServer", dict[str, Any]], "str | dict[str, Any] | int | None"]


class TeacherServer(ThreadingHTTPServer):
    """Answers by `behave`: a text, a whole completion, an HTTP status, or None to drop the connection."""

    daemon_threads = True

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.bodies: list[dict[str, Any]] = []
        self.served: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: TeacherServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet a reply: two wait 40 ms for each other

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
        answer = self.server.behave(self.server, body)
        if answer is None:
            self.close_connection = True
            return
        if isinstance(answer, int):
            self._send(answer, {"error": {"message": f"status {answer}"}})
            return
        self._send(200, answer if isinstance(answer, dict) else completion(answer))
        with self.server.lock:
            self.server.served.append(json.dumps(body, sort_keys=True))

    def _send(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def completion(text: str | None, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


_FACTS = (
    "Rivers carry water from the hills down to the sea and shape the land on their way.",
    "Many towns were founded on a bank because boats could bring grain and timber there.",
    "Fish wander against the current in spring, which people have watched for centuries.",
    "Floods leave fertile mud behind, and farmers have long planned their year around them.",
)


def good_teacher(server: TeacherServer, body: dict[str, Any]) -> str:
    """Ask and answer about the passage in the prompt, something else in every turn."""
    asked = body["messages"][1]["content"]
    title = re.search(r"<document-\w+>\n(.*)\n", asked).group(1)  # type: ignore[union-attr]
    told = sum(fact in asked for fact in _FACTS)
    if re.search(r"\nAnswer:\s*$", asked):
        return f"In short: {_FACTS[told % 4]} People tell this about {title} too."
    wonder = (
        "shape the land around",
        "bring people close to",
        "change each spring near",
        "serve farmers beside",
    )
    return f"How does water {wonder[told % 4]} the place called {title}?"
