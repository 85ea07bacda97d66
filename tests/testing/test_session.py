"""The tests themselves reach loopback only."""

import socket

from opto.testing import LoopbackOnly


def test_session_is_guarded(pytestconfig):
    """The guard of the session is up, and the real calls of `socket` are behind it."""
    guards = [getattr(module, "_guard", None) for module in pytestconfig.pluginmanager.get_plugins()]
    assert any(isinstance(guard, LoopbackOnly) for guard in guards)
    assert socket.socket.connect.__module__ == "opto.testing.network"
    assert socket.getaddrinfo.__module__ == "opto.testing.network"
