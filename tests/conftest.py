"""The whole test session may reach loopback addresses, and no other."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

from opto.testing import LoopbackOnly

_guard = LoopbackOnly()

# How long an example takes says more of the machine and of what else it does than of opto.
settings.register_profile("opto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("opto")


def pytest_configure(config: pytest.Config) -> None:
    """Put the guard up before any test module is imported; and let Ctrl-C be heard.

    A shell starts what runs in the background with the signal ignored, and then the children of tests ignore it too.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _guard.__enter__()
    config.add_cleanup(lambda: _guard.__exit__(None, None, None))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session for an attempt whose error was swallowed."""
    if _guard.attempts:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which addresses were tried."""
    for place in dict.fromkeys(_guard.attempts):
        terminalreporter.line(f"FORBIDDEN connection tried: {place}", red=True)


@pytest.fixture
def no_model_configured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that configures no model and holds no key; returns the monkeypatch to set variables with."""
    import os

    for name in list(os.environ):
        if name.startswith(("OPTO_", "TRACE_", "DEFAULT_LITELLM", "LITELLM_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    return monkeypatch
