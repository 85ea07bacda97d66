"""The guard against connections that are not loopback."""

import asyncio
import socket
import threading
import urllib.request

import pytest

from opto.testing import LoopbackOnly, ModelServer, NetworkForbiddenError

ELSEWHERE = ("192.0.2.1", 80)
"""An address for documentation, where nobody is."""


@pytest.fixture
def guard():
    """A guard inside the one of the session, so that the session does not fail for these attempts."""
    with LoopbackOnly() as guard:
        yield guard


def test_other_hosts_cannot_be_reached(guard):
    """Connecting, looking up a name and sending a datagram raise with host and port."""
    with socket.socket() as sock:
        with pytest.raises(NetworkForbiddenError, match=r"192\.0\.2\.1:80"):
            sock.connect(ELSEWHERE)
        with pytest.raises(NetworkForbiddenError):
            sock.connect_ex(ELSEWHERE)
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NetworkForbiddenError):
        sock.sendto(b"x", ELSEWHERE)
    with pytest.raises(NetworkForbiddenError, match="example.com:443"):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(NetworkForbiddenError, match="example.com"):
        socket.gethostbyname("example.com")
    with socket.socket(socket.AF_INET6) as sock, pytest.raises(NetworkForbiddenError, match="2001:db8::1"):
        sock.connect(("2001:db8::1", 80, 0, 0))


def test_attempts_are_kept_though_the_error_is_swallowed(guard):
    """A library that catches everything is found out."""
    with pytest.raises(Exception, match="example.com"):
        urllib.request.urlopen("http://example.com/x")
    assert guard.attempts == ["example.com:80"]


def test_loopback_can_be_reached(guard):
    """By number, by name, in IPv6, and over a real connection, also asynchronous."""
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo(None, 80)
    assert socket.getaddrinfo(b"127.0.0.1", 80)
    assert socket.getaddrinfo("::1", 80, flags=socket.AI_NUMERICHOST)

    async def connect(port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()

    with ModelServer() as server:
        urllib.request.urlopen(f"{server.url}/models").close()
        asyncio.run(connect(int(server.url.split(":")[2].split("/")[0])))
    assert guard.attempts == []


def test_every_thread_is_guarded(guard):
    """A thread that was there before is guarded too."""
    errors, go = [], threading.Event()

    def work():
        go.wait()
        with socket.socket() as sock:
            try:
                sock.connect(ELSEWHERE)
            except NetworkForbiddenError as error:
                errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    go.set()
    thread.join()
    assert len(errors) == 1


def test_guard_is_taken_down_again():
    """Everything is as before at the end, also after nesting and an error."""
    before = (socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto, socket.getaddrinfo)
    with pytest.raises(RuntimeError, match="inside"), LoopbackOnly(), LoopbackOnly():
        raise RuntimeError("inside")
    assert (socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto, socket.getaddrinfo) == before
