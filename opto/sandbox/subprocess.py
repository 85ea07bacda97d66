"""The runner for code that is not trusted: processes behind walls of the operating system."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import CodeError
from opto.sandbox.crossing import CrossingLimits

if TYPE_CHECKING:
    from opto.sandbox.limits import Settings
    from opto.sandbox.pool import Pool

__all__ = ["Subprocess"]

_MiB = 2**20


class Subprocess:
    """A `CodeRunner` for code that a language model wrote: it runs in a process of its own, behind walls.

    The code can compute, import the standard library and installed packages, use files in a folder of its own, and
    call the functions that are offered to it. It cannot read or write other files, reach a network, start processes,
    signal or trace others, see the environment, or take more time, memory or output than it may. The walls are
    Landlock and seccomp, on Linux 6.7 and newer, for root and other users alike. Where Landlock is missing, namespaces
    of bubblewrap take its place; where there is neither, or another wall is missing, nothing is run.

    Data crosses by value (see `opto.sandbox.crossing`). Names of the namespace that the code reads are looked up at
    each call; what it changes stays inside. Each text has worker processes to itself, reused from call to call.

    Args:
        seconds: of wall-clock time that a call, or the definition of the text, may take; what functions in `host` take
            does not count.
        cpu_seconds: of CPU time of all threads; by default as many as `seconds`.
        memory: bytes, beyond what the interpreter takes.
        output: bytes that a call may print.
        open_files: file descriptors.
        scratch: bytes that its folder may hold; 0 for no place to write to.
        size: bytes that arguments or results may have.
        host: functions of the program that the code may call, in a list or by name. They run in the thread and context
            of the call. Coroutine functions are awaited by calls of coroutine functions.
        host_calls: how often a call may call them.
        names: the names of the namespace that the code may see; None for all that it reads.
        readable: further files and folders that it may read. Those on `sys.path` can be imported from.
        idle: how many workers are kept waiting.
        walls: "landlock" or "bubblewrap", to have this one or none; by default what the system has, in this order.
        on_output: called with what a call printed, as text, if it printed anything; by default it is dropped.

    Raises:
        SandboxUnavailableError: by the first `compile`: a wall cannot be raised on this system.
    """

    def __init__(  # noqa: PLR0913 - a person writes the few that matter
        self,
        *,
        seconds: float = 5.0,
        cpu_seconds: float | None = None,
        memory: int = 512 * _MiB,
        output: int = _MiB,
        open_files: int = 64,
        scratch: int = 16 * _MiB,
        size: int = 16 * _MiB,
        host: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
        host_calls: int = 10_000,
        names: Iterable[str] | None = None,
        readable: Iterable[str | os.PathLike[str]] = (),
        idle: int = 4,
        walls: str | None = None,
        on_output: Callable[[str], Any] | None = None,
    ) -> None:
        from opto.sandbox.bindings import host_functions

        least = {"seconds": seconds, "memory": memory, "size": size}
        for name, value in least.items():
            if not value > 0:
                raise ValueError(f"{name} must be > 0, got {value!r}.")
        least = {"output": output, "scratch": scratch, "host_calls": host_calls, "idle": idle}
        for name, value in least.items():
            if not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value!r}.")
        if cpu_seconds is not None and not cpu_seconds > 0:
            raise ValueError(f"cpu_seconds must be > 0, got {cpu_seconds!r}.")
        if open_files < 16:
            raise ValueError(f"open_files must be >= 16, got {open_files!r}: the interpreter needs some itself.")
        if walls not in (None, "landlock", "bubblewrap"):
            raise ValueError(f"walls must be 'landlock', 'bubblewrap' or None, got {walls!r}.")
        if isinstance(readable, (str, bytes, os.PathLike)):
            raise TypeError(f"readable must be a list of paths, got {readable!r}.")
        if isinstance(names, (str, bytes)):
            raise TypeError(f"names must be a list of names, got {names!r}.")
        self.options: dict[str, Any] = {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "memory": memory,
            "output": output,
            "open_files": open_files,
            "scratch": scratch,
            "size": size,
            "host": host_functions(host),
            "host_calls": host_calls,
            "names": None if names is None else tuple(names),
            "readable": tuple(os.fspath(each) for each in readable),
            "idle": idle,
            "walls": walls,
            "on_output": on_output,
        }
        self._pool_in_use: Pool | None = None

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """The callable that `source` defines as `name`; each call of it runs behind the walls.

        Calls raise what the code raises, as the same type where that is built in or known to the program;
        `LimitExceededError` when a limit is hit; `CrossingError` for arguments and results that are not plain data.
        It is a coroutine function if the code defines one. What a generator yields is collected first.

        Raises:
            CodeError: the text does not parse, fails while it is being defined, or does not define `name` as a
                callable. Its `__cause__` is the original exception, where there is one.
            SandboxUnavailableError: a wall cannot be raised on this system. Nothing was run.
        """
        if not isinstance(source, str):
            raise CodeError(f"The code of {name!r} must be a string, got {type(source).__name__}.")
        if not source.strip():
            raise CodeError(f"The code of {name!r} is empty.")
        from opto.sandbox.calls import Program, callable_of

        program = Program(self.pool, source, name, namespace, self.options)
        return callable_of(program, *program.prepare())

    def close(self) -> None:
        """Do away with all workers now. The next call starts new ones."""
        pool, self._pool_in_use = self._pool_in_use, None
        if pool is not None:
            if pool.pid == os.getpid():
                pool.close()
            else:
                pool.forget()

    def settings(self) -> Settings:
        """The walls of its workers.

        Raises:
            SandboxUnavailableError: there can be none on this system, or a package is missing.
        """
        from opto.sandbox.checking import check_system
        from opto.sandbox.limits import Settings
        from opto.sandbox.reach import Reach

        check_system()
        given = self.options
        needed = ("msgpack",) if given["walls"] == "bubblewrap" else ("msgpack", "sandlock")
        return Settings(
            reach=Reach(given["readable"], needed=needed),
            seconds=given["seconds"],
            cpu_seconds=given["cpu_seconds"] or given["seconds"],
            memory=given["memory"],
            output=given["output"],
            open_files=given["open_files"],
            scratch=given["scratch"],
            walls=given["walls"],
            crossing=CrossingLimits(size=given["size"]),
        )

    def pool(self) -> Pool:
        """The workers of this process."""
        pool = self._pool_in_use
        if pool is not None and pool.pid == os.getpid():
            return pool
        from opto.sandbox.pool import Pool

        if pool is not None:  # this is a forked child
            pool.forget()
        self._pool_in_use = pool = Pool(self.settings(), idle=self.options["idle"])
        return pool

    def __enter__(self) -> Subprocess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        defaults = inspect.signature(Subprocess).parameters
        shown = {**self.options, "host": list(self.options["host"]) or ()}
        changed = [f"{name}={value!r}" for name, value in shown.items() if value != defaults[name].default]
        return f"Subprocess({', '.join(changed)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self.options,)


def _make(configuration: dict[str, Any]) -> Subprocess:
    return Subprocess(**configuration)
