"""A Hub on 127.0.0.1 that has one model: the routes of huggingface.co that fetching one uses.

For want of the real one, which tests cannot reach. Private and gated repositories answer as
huggingface.co does, with the status and the X-Error-Code that huggingface_hub looks for.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secretSECRETsecret"


class Hub(ThreadingHTTPServer):
    """Serves `folder` as the model owner/name, to everybody or to those who have a token."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.error = ""  # what X-Error-Code says to those who come without TOKEN
        self.fetched: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        if self.server.error and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = {"GatedRepo": 403, "Down": 503}.get(self.server.error, 401)
            self._answer(status, {}, error=self.server.error)
        elif path == "api/models/owner/name/revision/main":
            self._answer(200, {"id": "owner/name", "sha": COMMIT, "siblings": []})
        elif path.startswith("api/models/owner/name/revision/"):
            self._answer(404, {}, error="RevisionNotFound")
        elif path == f"api/models/owner/name/tree/{COMMIT}":
            files = sorted(p for p in self.server.folder.iterdir() if p.is_file())
            self._answer(200, [_entry(p) for p in files])
        elif path.startswith(f"owner/name/resolve/{COMMIT}/"):
            self._file(path.rsplit("/", 1)[-1])
        else:
            self._answer(404, {}, error="RepoNotFound")

    do_HEAD = do_GET

    def _file(self, name: str) -> None:
        content = (self.server.folder / name).read_bytes()
        if self.command == "GET":
            self.server.fetched.append(name)
        self._send(
            200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{sha1(content).hexdigest()}"'}
        )

    def _answer(self, status: int, value: Any, *, error: str = "") -> None:
        headers = {"Content-Type": "application/json"} | ({"X-Error-Code": error} if error else {})
        self._send(status, json.dumps(value).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def _entry(path: Path) -> dict[str, Any]:
    oid = sha1(path.read_bytes()).hexdigest()
    return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": oid}


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    hub = Hub(folder)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
