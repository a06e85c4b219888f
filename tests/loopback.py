"""A real HTTP server on loopback that speaks OpenAI's chat protocol, with replies given by a function.

It checks requests as strictly as the cloud does (key, form of the schema, images that can be read), counts what it was
asked and what it answered in full, and misbehaves on demand. In a test::

    with Loopback(lambda request: '{"answer": 1}') as server:
        server.address  # http://127.0.0.1:PORT/v1

As a process, whose first line is its address::

    python tests/loopback.py --port 0 --replies module:function
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import io
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
from PIL import Image

Body = dict[str, Any]
BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class Said:
    """A reply with more than its text."""

    text: str = ""
    finish: str = "stop"
    logprobs: Mapping[str, float] = field(default_factory=dict)  # of the first token
    refusal: str | None = None
    usage: bool = True


@dataclass(frozen=True)
class Slow:
    """Wait before the reply."""

    seconds: float


@dataclass(frozen=True)
class Error:
    """An HTTP status instead of a reply."""

    status: int
    message: str = "try later"
    code: str | int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Half of the body, then the connection is closed."""


@dataclass(frozen=True)
class Drip:
    """The body byte by byte, with so many seconds between two."""

    seconds: float


@dataclass(frozen=True)
class Garbage:
    """A body that is no reply."""

    body: bytes = b'{"id": "chatcmpl-1", "choi'


Replies = Callable[[Body], "str | Said | dict[str, Any]"]
Misbehaviour = Slow | Error | Cut | Drip | Garbage | Said | None
Misbehave = Callable[[Body, int], Misbehaviour]  # (request, how often it came before)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def prompt_of(request: Body) -> str:
    """Return the text of the last turn."""
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class Loopback:
    """The server, in a thread; close it by leaving the block."""

    def __init__(
        self, replies: Replies, misbehave: Misbehave | None = None, key: str | None = None, port: int = 0
    ) -> None:
        self.replies = replies
        self.misbehave = misbehave or (lambda request, times: None)
        self.key = key
        self.requests: list[Body] = []  # as they came
        self.answered: Counter[str] = Counter()  # last prompt -> replies sent in full
        self.at_once = self.most_at_once = 0
        self.times: list[float] = []
        self.lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def seen(self, body: bytes) -> int:
        """Count a request; return how often it came before."""
        digest = hashlib.sha256(body).hexdigest()
        with self.lock:
            self.requests.append(json.loads(body))
            self.times.append(time.monotonic())
            self._seen[digest] += 1
            return self._seen[digest] - 1


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with server.lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self._respond(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client gave up
            finally:
                with server.lock:
                    server.at_once -= 1

        def _respond(self, body: bytes) -> None:
            if self.path != "/v1/chat/completions":
                return self._error(Error(404, f"no such path: {self.path}"))
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if server.key is not None and given != server.key:
                return self._error(Error(401, f"Incorrect API key provided: {given}.", "invalid_api_key"))
            times = server.seen(body)
            request = json.loads(body)
            problem = check(request)
            if problem:
                return self._error(Error(400, problem, "invalid_request_error"))
            act = server.misbehave(request, times)
            if isinstance(act, Slow):
                time.sleep(act.seconds)
            if isinstance(act, Error):
                return self._error(act)
            if isinstance(act, Garbage):
                return self._send(200, act.body, {})
            said = act if isinstance(act, Said) else _said(server.replies(request))
            whole = json.dumps(completion(request, said)).encode()
            if isinstance(act, Cut):
                return self._send(200, whole, {}, upto=len(whole) // 2)
            if isinstance(act, Drip):
                return self._drip(whole, act.seconds)
            with server.lock:
                server.answered[prompt_of(request)] += 1
            return self._send(200, whole, {})

        def _error(self, error: Error) -> None:
            said = {"message": error.message, "type": "error", "param": None, "code": error.code}
            self._send(error.status, json.dumps({"error": said}).encode(), error.headers)

        def _send(
            self, status: int, body: bytes, headers: Mapping[str, str], upto: int | None = None, length: int = 0
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length or len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:upto])
            self.wfile.flush()
            if upto is not None:
                self.close_connection = True

        def _drip(self, body: bytes, seconds: float) -> None:
            self._send(200, b"", {}, length=len(body))
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(seconds)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _said(reply: str | Said | dict[str, Any]) -> Said:
    if isinstance(reply, Said):
        return reply
    return Said(reply if isinstance(reply, str) else json.dumps(reply))


def check(request: Body) -> str:
    """Return what is wrong with a request; "" if nothing is."""
    if not isinstance(request.get("model"), str) or not request.get("messages"):
        return "'model' and 'messages' are required"
    for message in request["messages"]:
        if message.get("role") not in ("system", "user", "assistant"):
            return f"unknown role {message.get('role')}"
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url" and not _is_image(part["image_url"]["url"]):
                return "an image cannot be read"
    if not isinstance(request.get("max_tokens", 1), int) or request.get("max_tokens", 1) < 1:
        return "max_tokens must be at least 1"
    if request.get("top_logprobs", 0) > 20:
        return "top_logprobs must be at most 20"
    form = request.get("response_format") or {}
    return _bad_schema(form["json_schema"]["schema"]) if form.get("type") == "json_schema" else ""


def _is_image(url: str) -> bool:
    head, _, data = url.partition(";base64,")
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            image.load()
            return head == f"data:{Image.MIME[image.format or '']}"
    except (OSError, ValueError, KeyError):
        return False


def _bad_schema(schema: Any) -> str:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"invalid schema: {error.message}"
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "object" and (
                node.get("additionalProperties") is not False
                or set(node.get("required", [])) != set(node.get("properties", {}))
            ):
                return "in strict mode every object lists all its properties as required, and allows no others"
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return ""


def completion(request: Body, said: Said) -> Body:
    """Return a chat completion; a text longer than max_tokens is cut."""
    data = said.text.encode()
    tokens, finish = math.ceil(len(data) / BYTES_A_TOKEN), said.finish
    if "max_tokens" in request and tokens > request["max_tokens"]:
        tokens, finish = request["max_tokens"], "length"
    text = data[: tokens * BYTES_A_TOKEN].decode(errors="ignore")
    choice: Body = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": None if said.refusal else text, "refusal": said.refusal},
        "logprobs": _logprobs(request, text, said) if request.get("logprobs") else None,
    }
    read = math.ceil(len(json.dumps(request["messages"])) / BYTES_A_TOKEN)
    whole: Body = {
        "id": "chatcmpl-loopback", "object": "chat.completion", "created": 0, "model": request["model"],
        "choices": [choice],
    }  # fmt: skip
    if said.usage:
        whole["usage"] = {"prompt_tokens": read, "completion_tokens": tokens, "total_tokens": read + tokens}
    return whole


def _logprobs(request: Body, text: str, said: Said) -> Body:
    first = text[:1]
    given = dict(said.logprobs) or {first: math.log(0.9), "!": math.log(0.1)}
    top = sorted(given.items(), key=lambda one: -one[1])[: request.get("top_logprobs", 0)]
    listed = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in top]
    value = given.get(first, -100.0)
    return {"content": [{"token": first, "logprob": value, "bytes": list(first.encode()), "top_logprobs": listed}]}


def _named(text: str) -> Any:
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)


def main() -> None:
    parser = argparse.ArgumentParser(description="OpenAI's chat protocol on loopback, with replies of a function.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--replies", required=True, help="MODULE:FUNCTION, from a request to a reply")
    parser.add_argument("--misbehave", help="MODULE:FUNCTION, from (request, times seen) to a misbehaviour or None")
    parser.add_argument("--key", help="the API key that it wants")
    a = parser.parse_args()
    sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]
    server = Loopback(_named(a.replies), _named(a.misbehave) if a.misbehave else None, a.key, a.port)
    print(server.address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
