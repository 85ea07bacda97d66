"""The response is code, and has to pass tests."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from opto.errors import CodeError, SandboxError, SandboxUnavailableError
from opto.optimizers.loose_values import repaired_code
from opto.sandbox import CodeRunner, checked_runner
from opto.trainer.guides.assertions import Tests, parsed_tests
from opto.trainer.guides.base import Guide, Verdict, load_settings, shown

__all__ = ["UnitTests"]

_MOST_TOLD = 5


class UnitTests(Guide):
    r"""The share of tests that a response passes; the response is Python source, which runs in a sandbox.

    The feedback names each test that fails, with its message; an assertion without one tells both of its sides. Every
    test is a call of its own, so one that hangs fails alone, when the runner's time is up.

        guide = UnitTests()
        guide.get_feedback("Write add.", "def add(a, b): return a - b", ["assert add(1, 2) == 3"])
        # (0.0, "0 of 1 tests passed.\ntest_1 failed: AssertionError: add(1, 2) == 3 does not hold: the left side ...")

    The sandbox keeps the code from your files, keys and network. It does not keep it from the tests, which run beside
    it: code that is out to cheat can make them pass.

    Args:
        tests: source text with functions whose names begin with `test` and that take no arguments; or a list of
            statements such as `"assert add(1, 2) == 3"`, each a test. None takes the reference for them.
        runner: what runs the code, see `opto.sandbox`: an object, or a name.
        all_or_nothing: whether the score is 0.0 unless all tests pass.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: tests that do not parse, or that are none; an unknown runner.
    """

    def __init__(
        self,
        tests: str | Sequence[str] | None = None,
        *,
        runner: CodeRunner | str = "subprocess",
        all_or_nothing: bool = False,
    ) -> None:
        self.tests, self.runner, self.all_or_nothing = tests, runner, bool(all_or_nothing)
        checked_runner(runner)
        if tests is not None:
            parsed_tests(tests)

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Run the tests.

        Raises:
            SandboxUnavailableError: the runner cannot raise its walls on this system; nothing was run.
            TypeError: the reference is taken for tests, and is none.
            ValueError: likewise.
        """
        tests = parsed_tests(reference if self.tests is None else self.tests)
        code = repaired_code(response)
        problem = _no_code(code)
        if problem:
            return 0.0, problem
        try:
            run = checked_runner(self.runner).compile(f"{code}\n\n\n{tests.text}", tests.call, {})
        except SandboxUnavailableError:
            raise
        except (CodeError, SandboxError) as error:
            return 0.0, f"The code cannot be tested: {shown(str(error.__cause__ or error), 2000)}"
        failures = {name: failure for name in tests.names if (failure := _failure(run, name)) is not None}
        return self._verdict(tests, failures)

    def state(self) -> dict[str, Any]:
        """The options; the runner is not saved."""
        return {"tests": self.tests, "all_or_nothing": self.all_or_nothing}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)

    def _verdict(self, tests: Tests, failures: dict[str, str]) -> Verdict:
        total = len(tests.names)
        passed = total - len(failures)
        score = float(passed == total) if self.all_or_nothing else passed / total
        if not failures:
            return score, "Correct. All tests passed." if total > 1 else "Correct. The test passed."
        told = [f"{name} failed: {failure}" for name, failure in list(failures.items())[:_MOST_TOLD]]
        more = [f"... and {len(failures) - _MOST_TOLD} more failed."] if len(failures) > _MOST_TOLD else []
        return score, "\n".join([f"{passed} of {total} tests passed.", *told, *more])

    def __deepcopy__(self, memo: dict[int, Any]) -> UnitTests:
        return type(self)(self.tests, runner=self.runner, all_or_nothing=self.all_or_nothing)  # the runner is shared


def _no_code(code: Any) -> str | None:
    """Why a response cannot be run, if so. It is parsed alone, so that it cannot swallow the tests."""
    if not isinstance(code, str) or not code.strip():
        return f"The response must be Python source, got: {shown(code, 500)}"
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"The response is no valid Python: {error}"
    return None


def _failure(run: Any, name: str) -> str | None:
    try:
        run(name)
    except SandboxUnavailableError:
        raise
    except SandboxError as error:  # it went past a limit, or tried to leave
        return shown(str(error), 1000)
    except (Exception, SystemExit) as error:
        return shown(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 1000)
    return None
