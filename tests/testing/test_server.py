"""The model server, driven over plain HTTP."""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from opto.testing import ModelServer


def post(server, content="hello there", timeout=10, **options):
    """Send one chat request; returns status, headers and body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **options}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def text(body):
    """The text of a completion."""
    return json.loads(body)["choices"][0]["message"]["content"]


def events(body):
    """The data of server-sent events."""
    return [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]


def test_completion_has_the_protocols_shape():
    """The answer is a chat completion with usage numbers; by default it repeats the last message."""
    with ModelServer() as server:
        status, headers, body = post(server)
    completion = json.loads(body)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"] == {"role": "assistant", "content": "hello there"}
    assert completion["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_answers_come_from_a_list_or_a_callable():
    """A list is read in order and ends in status 500; a callable sees the body."""
    with ModelServer(["one", "two"]) as server:
        assert [text(post(server)[2]) for _ in range(2)] == ["one", "two"]
        assert post(server)[0] == 500
    with ModelServer(lambda body: f"{body['messages'][-1]['content']} {body['temperature']}") as server:
        assert text(post(server, "at", temperature=0.5)[2]) == "at 0.5"


def test_streamed_completion():
    """With stream=True the same answer comes as events, with usage when it is asked for, up to [DONE]."""
    with ModelServer(["first line\nsecond line"]) as server:
        status, headers, body = post(server, stream=True, stream_options={"include_usage": True})
    *chunks, done = events(body)
    chunks = [json.loads(chunk) for chunk in chunks]
    assert (status, headers["Content-Type"], done) == (200, "text/event-stream", "[DONE]")
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]]
    assert deltas == ["", "first line\n", "second line", ""]
    assert chunks[-1]["usage"]["completion_tokens"] == 4
    assert all("usage" not in chunk for chunk in chunks[:-1])


def test_list_of_models_and_other_paths():
    """/v1/models lists one model; other paths are 404."""
    with ModelServer() as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        connection.request("GET", "/v1/models")
        assert json.loads(connection.getresponse().read())["data"][0]["id"] == "opto-test"
        for method, path in (("GET", "/other"), ("POST", "/v1/embeddings")):
            connection.close()
            connection.request(method, path)
            assert connection.getresponse().status == 404
        connection.close()


def test_requests_are_kept():
    """Body, headers and the failure of each request are there to be looked at; headers stay out of the repr."""
    with ModelServer() as server:
        server.fail_next(503)
        post(server, "a")
        post(server, "b")
    assert [request.body["messages"][0]["content"] for request in server.requests] == ["a", "b"]
    assert [request.failure for request in server.requests] == ["503", ""]
    assert server.requests[0].headers["content-type"] == "application/json"
    assert "content-type" not in repr(server.requests[0])


@pytest.mark.parametrize("status", [400, 401, 429, "500", 599])
def test_status_failures(status):
    """A status is answered with an error in the protocol's shape, as many times as asked, then all is well."""
    with ModelServer() as server:
        server.fail_next(status, times=2, retry_after=1.5, message="because")
        for _ in range(2):
            got, headers, body = post(server)
            assert got == int(status)
            assert headers["Retry-After"] == "1.5"
            assert json.loads(body)["error"]["message"] == "because"
        assert post(server)[0] == 200


def test_cut_body_ends_before_its_length():
    """The connection closes in the middle of the body; a stream has no end."""
    with ModelServer() as server:
        server.fail_next("cut", times=2)
        with pytest.raises(http.client.IncompleteRead):
            post(server)
        with pytest.raises(http.client.IncompleteRead):
            post(server, stream=True)


def test_malformed_wrong_and_empty_bodies():
    """Bodies that come whole and are of no use."""
    with ModelServer() as server:
        for kind in ("malformed", "shape", "empty"):
            server.fail_next(kind)
        with pytest.raises(ValueError, match="Unterminated|delimiter|value"):
            json.loads(post(server)[2])
        assert "choices" not in json.loads(post(server)[2])
        assert post(server)[2] == b""
        for kind in ("malformed", "shape", "empty"):
            server.fail_next(kind)
        assert events(post(server, stream=True)[2])[0] == "{<<<"
        assert "choices" not in json.loads(events(post(server, stream=True)[2])[0])
        assert events(post(server, stream=True)[2]) == []


def test_time_out_lasts_until_it_is_released():
    """A hanging request is answered by nothing; when it is released the connection closes; others are served."""
    with ModelServer() as server, ThreadPoolExecutor(1) as pool:
        server.fail_next("timeout")
        with pytest.raises(TimeoutError):
            post(server, timeout=0.05)
        server.fail_next("timeout")
        hanging = pool.submit(post, server)
        while len(server.requests) < 2:
            threading.Event().wait(0.001)
        assert post(server)[0] == 200
        assert not hanging.done()
        server.release()
        with pytest.raises(http.client.RemoteDisconnected):
            hanging.result()


def test_leaving_the_server_releases_what_hangs():
    """No thread is left behind."""
    before = threading.active_count()
    with ModelServer() as server:
        server.fail_next("timeout", times=3)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                post(server, timeout=0.02)
    assert threading.active_count() == before


def test_failure_rates_are_drawn_from_the_seed():
    """The same seed gives the same failures, in about the shares asked for."""

    def failures(seed):
        with ModelServer(failure_rates={"429": 0.2, 500: 0.3}, seed=seed) as server:
            for _ in range(100):
                post(server)
        return [request.failure for request in server.requests]

    first = failures(1)
    assert first == failures(1)
    assert 10 <= first.count("429") <= 30
    assert 20 <= first.count("500") <= 40


def test_many_clients_at_once():
    """Each of many concurrent clients gets its own answer."""
    with ModelServer() as server, ThreadPoolExecutor(32) as pool:
        texts = list(pool.map(lambda number: text(post(server, f"q {number}")[2]), range(100)))
    assert texts == [f"q {number}" for number in range(100)]


def test_wrong_plans_are_refused():
    """A failure or a rate that does not exist is named."""
    with ModelServer() as server, pytest.raises(ValueError, match="got 'explode'"):
        server.fail_next("explode")
    with pytest.raises(ValueError, match="got 200"):
        ModelServer(failure_rates={200: 0.1})
    with pytest.raises(ValueError, match="at most 1"):
        ModelServer(failure_rates={"429": 0.7, "500": 0.7})


def test_address_needs_a_running_server():
    """Outside of its context the server has no address."""
    with pytest.raises(RuntimeError, match="with"):
        _ = ModelServer().url
