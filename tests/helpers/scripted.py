"""A server whose answers are the test's, and the model behind its URL."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model.remote import RemoteModel

Answer = tuple[int, dict[str, str], Any]  # a status, headers, a value for JSON or the body's bytes
NO_ROUTE: Answer = (404, {"Content-Type": "text/plain"}, b"Not Found")


class Scripted(ThreadingHTTPServer):
    """Answers a path as the test says; notes connections, and requests with their bodies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answer: Callable[[str], Answer] = lambda path: (500, {}, {"error": "no script"})
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[Any] = []
        self.connections = 0


class _Handler(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.bodies.append(json.loads(body) if body else None)
        self.server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        status, headers, value = self.server.answer(self.path)
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def remote(url: str, **arguments: Any) -> Iterator[RemoteModel]:
    """The loaded model behind the URL."""
    made = RemoteModel(url, **arguments)
    made.load()
    try:
        yield made
    finally:
        made.close()


def sse(*values: Any, done: bool = True) -> Answer:
    """A stream of events, with OpenAI's last one if it is `done`."""
    events = [f"data: {json.dumps(value)}\n\n" for value in values]
    return (
        200,
        {"Content-Type": "text/event-stream"},
        "".join([*events, "data: [DONE]\n\n" if done else ""]).encode(),
    )


def answers(server: Scripted, answer: Callable[[Any], Answer], **routes: Answer) -> None:
    """Lets a POST be answered by its body, a GET by the last part of its path."""

    def answered(path: str) -> Answer:
        body = server.bodies[-1]
        return routes.get(path.rsplit("/", 1)[-1], NO_ROUTE) if body is None else answer(body)

    server.answer = answered
