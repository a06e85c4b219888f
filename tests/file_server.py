"""A real HTTP server on loopback: bytes with ranges, faults on demand, and what of a hub's protocol its client uses."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class Loopback(ThreadingHTTPServer):
    """``files``: path -> content. ``script``: path -> what happens at each request to it, then as it should be.

    Happenings: "cut" (half of what was asked for, then the connection ends), a status such as 500, "ignore range",
    "other range", and "changed" (the content is another from now on).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.script: dict[str, list[Any]] = defaultdict(list)
        self.asked: list[tuple[str, str]] = []  # path and range of each GET
        self.tags = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the server."""

    def add_hub(self, repo: str, files: dict[str, bytes], kind: str = "datasets", commit: str = COMMIT) -> None:
        """Serve a hub repository: its info, its listing and its files."""
        prefix = "" if kind == "models" else f"{kind}/"
        siblings, tree = [], []
        for name, content in files.items():
            oid = hashlib.sha256(content).hexdigest()
            lfs = {"oid": oid, "sha256": oid, "size": len(content), "pointerSize": 100}
            siblings.append({"rfilename": name, "size": len(content), "blobId": oid[:40], "lfs": lfs})
            tree.append({"type": "file", "path": name, "size": len(content), "oid": oid[:40], "lfs": lfs})
            self.files[f"/{prefix}{repo}/resolve/{commit}/{name}"] = content
        info = {"id": repo, "sha": commit, "siblings": siblings, "private": False, "gated": False, "tags": [],
                "downloads": 0, "likes": 0, "disabled": False}  # fmt: skip
        for revision in ("main", commit):
            self.files[f"/api/{kind}/{repo}/revision/{revision}"] = json.dumps(info).encode()
            self.files[f"/api/{kind}/{repo}/tree/{revision}"] = json.dumps(tree).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self.server.asked.append((unquote(urlsplit(self.path).path), self.headers.get("Range", "")))
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        script = self.server.script[path] if body else []
        happening = script.pop(0) if script else "ok"
        if happening == "changed":
            self.server.files[path] = bytes(reversed(self.server.files[path]))
        content = self.server.files.get(path)
        if isinstance(happening, int) or content is None:
            self._plain(happening if isinstance(happening, int) else 404)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        start = self._start(etag) if happening != "ignore range" else None
        if start is not None and start >= len(content):
            self._plain(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        shown = (start or 0) + (1 if happening == "other range" else 0)
        sent = content[shown:]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        if self.server.tags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("Accept-Ranges", "bytes")
        if "/resolve/" in path:
            self.send_header("X-Repo-Commit", path.split("/resolve/")[1].split("/")[0])
        if path.startswith("/api/"):
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        if not body:
            return
        if happening == "cut":
            self.wfile.write(sent[: len(sent) // 2])
            self.close_connection = True
            return
        self.wfile.write(sent)

    def _start(self, etag: str) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag) != etag:
            return None
        return int(asked[1])

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Silent."""


@contextmanager
def serving() -> Iterator[Loopback]:
    with Loopback() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
