"""A guard that forbids every connection that is not loopback, for tests that must not depend on a network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["LoopbackOnly", "NetworkForbiddenError"]

_METHODS = ("connect", "connect_ex", "sendto")
_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class NetworkForbiddenError(RuntimeError):
    """Code under `LoopbackOnly` tried to reach another machine."""


class LoopbackOnly:
    """A context in which only loopback addresses and local sockets can be reached, from any thread of the process.

        with LoopbackOnly() as guard:
            ...
        assert not guard.attempts

    It nests. Other processes, and libraries that open sockets without Python's `socket` module, are not covered.

    Attributes:
        attempts: every forbidden address that was asked for, as "host:port", also where the error was swallowed.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._originals: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> LoopbackOnly:
        for method in _METHODS:
            self._replace(socket.socket, method, self._guarded_method(getattr(socket.socket, method)))
        for lookup in _LOOKUPS:
            self._replace(socket, lookup, self._guarded_lookup(getattr(socket, lookup)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._originals:
            owner, name, original = self._originals.pop()
            setattr(owner, name, original)

    def _replace(self, owner: Any, name: str, guarded: Callable[..., Any]) -> None:
        self._originals.append((owner, name, getattr(owner, name)))
        setattr(owner, name, guarded)

    def _guarded_method(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(sock: socket.socket, *args: Any) -> Any:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and args:
                host, port = args[-1][:2]
                self._check(host, port)
            return original(sock, *args)

        return method

    def _guarded_lookup(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
            self._check(host, args[0] if args else kwargs.get("port"))
            return original(host, *args, **kwargs)

        return lookup

    def _check(self, host: Any, port: Any) -> None:
        if _is_loopback(host):
            return
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        place = f"{name}:{port}" if port is not None else f"{name}"
        self.attempts.append(place)
        raise NetworkForbiddenError(
            f"a connection to {place} was tried, and only loopback is allowed here: "
            f"give the code under test a server on 127.0.0.1, such as opto.testing.ModelServer"
        )


def _is_loopback(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
