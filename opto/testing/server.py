"""A real HTTP server on loopback that speaks the OpenAI chat protocol, and fails when it is told to."""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias

__all__ = ["FAILURES", "ModelServer", "ServedRequest"]

Answers: TypeAlias = Callable[[dict[str, Any]], str] | Sequence[str]

FAILURES = ("timeout", "cut", "malformed", "shape", "empty")
"""Failures beside the HTTP statuses: no answer until `release`, a body that ends before its stated length, a body that
is not JSON, JSON that is no chat completion, and no body at all."""


@dataclass(frozen=True)
class ServedRequest:
    """A request as the server received it, names of headers in small letters, and how it failed ("" if it did not)."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(repr=False)
    failure: str = ""


@dataclass(frozen=True)
class _Failure:
    kind: str
    retry_after: float | None = None
    message: str | None = None


class ModelServer:
    """A language model behind HTTP: `/v1/chat/completions` (whole or streamed) and `/v1/models`, on a port of its own.

        with ModelServer(["first answer", "second answer"]) as server:
            server.fail_next(429, times=2, retry_after=1)
            model = Retrying(LiteLLM("openai/any", api_base=server.url, api_key="none"))
            model([{"role": "user", "content": "hello"}]).text              # "first answer", at the third attempt

    Args:
        answers: a callable from the body of a request to the text of the answer, or the texts in order; when they run
            out the server answers with status 500. By default it repeats the last message.
        failure_rates: the share of requests that fail in each way, such as `{"429": 0.1, "cut": 0.1}`.
        seed: for drawing these failures.

    Attributes:
        url: what to give a client as `api_base`.
        requests: the requests received so far, in order.
    """

    def __init__(
        self, answers: Answers | None = None, *, failure_rates: Mapping[str | int, float] | None = None, seed: int = 0
    ) -> None:
        self._answer = _answering(answers)
        self._rates = {_checked_kind(kind): rate for kind, rate in (failure_rates or {}).items()}
        if any(not 0 <= rate <= 1 for rate in self._rates.values()) or sum(self._rates.values()) > 1:
            raise ValueError(f"failure_rates must be shares that add up to at most 1, got {failure_rates!r}")
        self._random = random.Random(seed)
        self._planned: deque[_Failure] = deque()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server: _Server | None = None
        self.requests: list[ServedRequest] = []

    @property
    def url(self) -> str:
        """The address of the API, to give to a client as `api_base`."""
        if self._server is None:
            raise RuntimeError("the server is not running: use it in a `with` statement")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def fail_next(
        self, kind: str | int, times: int = 1, *, retry_after: float | None = None, message: str | None = None
    ) -> None:
        """Let the next `times` requests that are not yet planned fail.

        Args:
            kind: an HTTP status of 400 or more, or one of `FAILURES`.
            times: how many requests.
            retry_after: seconds to name in a Retry-After header.
            message: the text of the error, for a status.
        """
        failure = _Failure(_checked_kind(kind), retry_after, message)
        with self._lock:
            self._planned.extend([failure] * times)

    def release(self) -> None:
        """Let the requests that hang in a "timeout" end, now and from now on."""
        self._released.set()

    def __enter__(self) -> ModelServer:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="opto-model-server", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    def _admit(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> _Failure | None:
        """Note a request down and decide whether it fails."""
        with self._lock:
            failure = self._planned.popleft() if self._planned else self._draw()
            self.requests.append(ServedRequest(path, body, headers, failure.kind if failure else ""))
            return failure

    def _draw(self) -> _Failure | None:
        point = self._random.random() if self._rates else 1.0
        for kind, rate in self._rates.items():
            if point < rate:
                return _Failure(kind)
            point -= rate
        return None

    def _text(self, body: dict[str, Any]) -> str:
        with self._lock:
            return self._answer(body)


def _answering(answers: Answers | None) -> Callable[[dict[str, Any]], str]:
    if answers is None:
        return lambda body: str(body["messages"][-1]["content"])
    if callable(answers):
        return answers
    waiting = iter(list(answers))
    return lambda body: next(waiting)


def _checked_kind(kind: str | int) -> str:
    name = str(kind)
    if name in FAILURES or (name.isdigit() and 400 <= int(name) <= 599):
        return name
    raise ValueError(f"a failure must be an HTTP status from 400 to 599 or one of {', '.join(FAILURES)}, got {kind!r}")


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the requests at work
    request_queue_size = 128
    owner: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client went away, which is what a client does that timed out."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is http.server's)
        """Keep the terminal clean."""

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/v1/models":
            model = {"id": "opto-test", "object": "model", "created": 0, "owned_by": "opto"}
            self._send_json(200, {"object": "list", "data": [model]})
        else:
            self._send_json(404, _error(f"no such path: {self.path}", 404))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._send_json(404, _error(f"no such path: {self.path}", 404))
            return
        owner = self.server.owner
        failure = owner._admit(self.path, body, {name.lower(): value for name, value in self.headers.items()})
        if failure is not None and failure.kind == "timeout":
            owner._released.wait()
            return
        if failure is not None and failure.kind.isdigit():
            self._send_status(failure)
            return
        try:
            completion = _completion(body, owner._text(body))
        except Exception as error:  # the callable is the test's; its error is the server's answer
            self._send_json(500, _error(f"{type(error).__name__}: {error}", 500))
            return
        if body.get("stream"):
            self._send_stream(body, completion, failure.kind if failure else "")
        else:
            self._send_completion(completion, failure.kind if failure else "")

    def _send_status(self, failure: _Failure) -> None:
        status = int(failure.kind)
        headers = {} if failure.retry_after is None else {"Retry-After": f"{failure.retry_after:g}"}
        self._send_json(status, _error(failure.message or f"told to fail with {status}", status), headers)

    def _send_completion(self, completion: dict[str, Any], failure: str) -> None:
        data = json.dumps(completion).encode()
        if failure == "malformed":
            data = data[: len(data) // 2] + b"<<<"
        elif failure == "shape":
            data = b'{"object": "list", "data": [1, 2, 3]}'
        elif failure == "empty":
            data = b""
        self._send(200, data if failure != "cut" else data[: len(data) // 2], length=len(data))

    def _send_stream(self, body: dict[str, Any], completion: dict[str, Any], failure: str) -> None:
        events = list(_stream_events(body, completion))
        if failure in ("cut", "empty"):
            events = events[: len(events) // 2] if failure == "cut" else []
        elif failure in ("malformed", "shape"):
            events = [b"{<<<" if failure == "malformed" else b'{"data": [1, 2, 3]}', *events[1:]]
        data = b"".join(b"data: " + event + b"\n\n" for event in events)
        # A stream says no length, so a cut is a chunked body without its end.
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if failure == "cut":
            self.send_header("Transfer-Encoding", "chunked")
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self.end_headers()
        self.wfile.write(data)

    def _send_json(self, status: int, data: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        text = json.dumps(data).encode()
        self._send(status, text, length=len(text), headers=headers)

    def _send(self, status: int, data: bytes, *, length: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(length),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _error(message: str, status: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "opto_testing", "param": None, "code": str(status)}}


def _completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    """A chat completion with the usage numbers of a tokenizer that splits at white space."""
    prompt = sum(len(str(message.get("content")).split()) for message in body.get("messages", ()))
    answer = len(text.split())
    return {
        "id": "chatcmpl-opto",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", "opto-test"),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
    }


def _stream_events(body: dict[str, Any], completion: dict[str, Any]) -> Iterator[bytes]:
    text = completion["choices"][0]["message"]["content"]
    shared = {**completion, "object": "chat.completion.chunk"}
    del shared["usage"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in text.splitlines(keepends=True) or [""]]
    for delta in deltas:
        yield json.dumps({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode()
    yield json.dumps({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
    if (body.get("stream_options") or {}).get("include_usage"):
        yield json.dumps({**shared, "choices": [], "usage": completion["usage"]}).encode()
    yield b"[DONE]"
