"""Where rollouts run: any `concurrent.futures.Executor`, and those that the standard library lacks.

Threads are the default. Coroutine functions run on an event loop (`LoopExecutor`), other processes are a
`ProcessPoolExecutor` (`process_pool`), Dask has an executor of its own (`client.get_executor()`), and Ray gets one
here (`RayExecutor`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from opto.errors import MissingExtraError

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "LoopExecutor",
    "RayExecutor",
    "default_workers",
    "process_pool",
    "shares_memory",
    "thread_pool",
    "workers_of",
]

T = TypeVar("T")

_FEWEST = 6
_MOST = 32


def default_workers() -> int:
    """How many threads rollouts get unless told: more than processors, for they wait for models most of the time."""
    return max(_FEWEST, min(_MOST, (os.cpu_count() or 1) + 4))


def thread_pool(workers: int | None = None, *, name: str | None = None) -> ThreadPoolExecutor:
    """Threads of this process, by default `default_workers()`; the name is for debuggers."""
    return ThreadPoolExecutor(workers or default_workers(), thread_name_prefix=name or "opto-rollout")


def process_pool(workers: int | None = None) -> ProcessPoolExecutor:
    """Other processes of this machine, by default one for each processor.

    They are started afresh and not forked from this one, which may have threads; so the main module of the program is
    imported in them, and needs the usual `if __name__ == "__main__":` around what it does.
    """
    import multiprocessing

    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    return ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=context)


def shares_memory(executor: Executor) -> bool:
    """Whether what runs there sees the objects of this process; others are sent copies.

    An executor of your own says so by an attribute `shares_memory = True`.
    """
    return bool(getattr(executor, "shares_memory", isinstance(executor, ThreadPoolExecutor)))


def workers_of(executor: Executor) -> int | None:
    """How many calls an executor makes at once, None where it does not say."""
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else None


class LoopExecutor(Executor):
    """Runs coroutine functions on an event loop in a thread of its own; so also for callers that run on a loop.

        with LoopExecutor(max_workers=100) as executor:
            answers = list(executor.map(ask, questions))        # `async def ask(question)`

    What is submitted runs in a copy of the caller's context. A plain function is called on the loop and must not block.

    Args:
        max_workers: how many calls are under way at once; the others wait their turn.
    """

    shares_memory = True

    def __init__(self, max_workers: int = 64) -> None:
        if isinstance(max_workers, bool) or not isinstance(max_workers, int) or max_workers < 1:
            raise ValueError(f"max_workers must be an integer >= 1, got {max_workers!r}.")
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._free: asyncio.Semaphore | None = None
        self._pending: set[Future[Any]] = set()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule a call; the future has what its coroutine returns."""
        import asyncio
        import inspect

        async def limited() -> Any:
            assert self._free is not None
            async with self._free:
                value = fn(*args, **kwargs)
                return (await value) if inspect.isawaitable(value) else value

        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new calls after shutdown")
            loop = self._running_loop()
            # The task is made in the context of the callback, which is a copy of the caller's.
            future: Future[Any] = asyncio.run_coroutine_threadsafe(limited(), loop)
            self._pending.add(future)
        future.add_done_callback(self._forget)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that are scheduled, or cancel them."""
        from concurrent.futures import wait as wait_for

        with self._lock:
            self._closed = True
            pending, loop, thread = list(self._pending), self._loop, self._thread
        if loop is None or thread is None:
            return
        if cancel_futures:
            for each in pending:
                each.cancel()
        if wait and thread is not threading.current_thread():
            wait_for(pending)
            _stop(loop)
            thread.join()
        elif not pending or cancel_futures:
            _stop(loop)
        else:
            threading.Thread(target=_stop_after, args=(pending, loop), daemon=True).start()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            import asyncio

            self._loop = loop = asyncio.new_event_loop()
            self._free = asyncio.Semaphore(self._max_workers)
            self._thread = threading.Thread(target=_serve, args=(loop,), daemon=True, name="opto-loop")
            self._thread.start()
            weakref.finalize(self, _stop, loop)
        return self._loop

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._pending.discard(future)


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # stopped and closed already
        loop.call_soon_threadsafe(loop.stop)


def _stop_after(pending: list[Future[Any]], loop: asyncio.AbstractEventLoop) -> None:
    from concurrent.futures import wait

    wait(pending)
    _stop(loop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, then end its tasks and close it."""
    import asyncio

    asyncio.set_event_loop(loop)
    blocking = ThreadPoolExecutor(_MOST, thread_name_prefix="opto-blocking-call")
    loop.set_default_executor(blocking)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        blocking.shutdown(wait=False, cancel_futures=True)  # something in it may hang
        loop.close()


class RayExecutor(Executor):
    """Runs calls as tasks of Ray, on this machine or a cluster. `pip install 'opto-trace[ray]'`.

        with RayExecutor() as executor:                 # ray.init() was called, or is called now
            executor.submit(pow, 2, 10).result()        # 1024

    A worker that dies takes the call that it was making with it, and no other; that future gets Ray's error.

    Args:
        **options: of `ray.remote`, such as `num_cpus=0.5`, `resources={"gpu": 1}` or `runtime_env={...}`. Ray itself
            tries a call again only if `max_retries` is given; whoever uses the executor decides about that.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    shares_memory = False

    def __init__(self, **options: Any) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "ray", "RayExecutor") from error
        self._ray: Any = ray
        if not ray.is_initialized():
            ray.init()
        self._options = {"max_retries": 0, **options}
        self._remote: Any = ray.remote(**self._options)(_call)
        self._references: dict[Future[Any], Any] = {}
        self._closed = False
        self._lock = threading.Lock()

    @property
    def _max_workers(self) -> int:
        share = self._options.get("num_cpus", 1) or 1
        return max(1, int(self._ray.cluster_resources().get("CPU", 1) / share))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a task; its future can be cancelled, also while it runs."""
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new calls after shutdown")
            reference = self._remote.remote(fn, args, kwargs)
            future = _RayFuture(self._ray, reference)
            self._references[future] = reference
        reference.future().add_done_callback(lambda done: self._finish(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that are scheduled, or cancel them. Ray itself stays up."""
        from concurrent.futures import wait as wait_for

        with self._lock:
            self._closed = True
            pending = list(self._references)
        if cancel_futures:
            for each in pending:
                each.cancel()
        if wait:
            wait_for(pending)

    def _finish(self, future: Future[Any], done: Future[Any]) -> None:
        with self._lock:
            self._references.pop(future, None)
        error = done.exception()
        with contextlib.suppress(InvalidStateError):  # it was cancelled meanwhile
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(getattr(error, "cause", None) or error)


class _RayFuture(Future[Any]):
    """A future whose cancellation ends the task, with its worker if need be."""

    def __init__(self, ray: Any, reference: Any) -> None:
        super().__init__()
        self._ray, self._reference = ray, reference

    def cancel(self) -> bool:
        cancelled = super().cancel()
        if cancelled:
            self._ray.cancel(self._reference, force=True)
        return cancelled


def _call(fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    return fn(*args, **kwargs)
