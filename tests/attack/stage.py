"""Plays the person's program: holds secrets, runs one hostile program by a runner, and tells what came of it.

Started by `harness.py` as a script, with a description of the run on its standard input. The first process only
watches: it forks the stage proper, so that a stage that is killed, stopped or hung is still told of, and collects
processes that were left behind. Both write lines of JSON to what was the standard output.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

from kernel_objects import plant
from seeing import differences, is_accident, of_error, of_value, state_of_self
from watching import descendants, ticks, watch

BENIGN = """
benign_constant = 3
def benign(n):
    numbers = [i * i for i in range(n)]
    return {"sum": sum(numbers), "length": len(numbers), "text": "abc".upper(), "sorted": sorted([3, 1, 2]),
            "seven": 3 + 4, "constant": benign_constant, "nested": [(1, "x"), None, 2.5]}
"""
EXPECTED = {
    "sum": 285,
    "length": 10,
    "text": "ABC",
    "sorted": [1, 2, 3],
    "seven": 7,
    "constant": 3,
    "nested": [(1, "x"), None, 2.5],
}
BENIGN_WITH_IMPORTS = """
import colorsys, decimal, json, random
class Benign:
    def value(self):
        return random.Random(1).random()
def down(n):
    return 0 if n == 0 else 1 + down(n - 1)
def benign_too(n):
    return [json.dumps([1, "x"]), colorsys.rgb_to_hsv(0, 0, 0), str(decimal.Decimal(1) / 8), round(Benign().value(), 6),
            down(100), "\\u00e9\\u4e00".encode("utf-8"), json.loads("[7]")]
"""
EXPECTED_TOO = ['[1, "x"]', (0.0, 0.0, 0), "0.125", 0.134364, 100, b"\xc3\xa9\xe4\xb8\x80", [7]]
VAULT = ""  # planted by `main`


class Settings:
    """A class of the person's program."""

    command = "none"


class Acting(Exception):
    """An exception of the person's program whose constructor does something."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with open(path, "w") as file:
            file.write("constructed")


class Client:
    """An object with a key, as people's programs have them."""

    def __init__(self, key: str) -> None:
        self.api_key = key


def helper(text: object) -> str:
    """A function that the host offers."""
    return str(text).upper()


def slow_helper(value: object) -> object:
    """A function that the host offers, which takes its time, as a model does."""
    time.sleep(0.02)
    return value


def read_vault() -> str:
    """A function of the host that it does not offer."""
    return VAULT


def _helper_of(vault: str) -> Any:
    def helper_of_a_vault(text: object) -> str:
        return str(text)[:100] + vault[:0]

    return helper_of_a_vault


def main() -> None:
    """Fork the stage and watch it."""
    spec = json.load(sys.stdin)
    report = os.dup(1)
    capture = os.open(spec["capture"], os.O_WRONLY | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(capture, 1)
    os.dup2(capture, 2)
    os.close(capture)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans come to this process
    watcher = os.getpid()
    stage = os.fork()
    if stage == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        if os.getppid() == watcher:
            Stage(spec, report).play()
        return
    watch(stage, spec, report)
    os._exit(0)


class Stage:
    """The person's program, in one run."""

    def __init__(self, spec: dict[str, Any], report: int) -> None:
        global VAULT
        self.spec = spec
        self.report = report
        secrets = spec["secrets"]
        VAULT = secrets["vault"]
        self.memory = ctypes.create_string_buffer(secrets["memory"].encode())
        self.buffer = ctypes.create_string_buffer(b"untouched")
        targets = dict(spec["targets"], parent=os.getpid())
        targets["fd"] = os.open(spec["fd_file"], os.O_RDONLY)
        os.unlink(spec["fd_file"])
        os.set_inheritable(targets["fd"], True)
        targets["secret_address"], targets["secret_size"] = ctypes.addressof(self.memory), len(self.memory) - 1
        targets["buffer_address"] = ctypes.addressof(self.buffer)
        self.targets = targets
        self.offered = {"helper": helper, "slow_helper": slow_helper, "helper_of_a_vault": _helper_of(secrets["vault"])}
        self.namespace = {
            **self.offered,
            "read_vault": read_vault,
            "system": os,
            "client": Client(secrets["vault"]),
            "Settings": Settings,
            "Acting": Acting,
        }

    def tell(self, **what: Any) -> None:
        """Write one line of the report."""
        os.write(self.report, (json.dumps(what, default=repr) + "\n").encode("utf-8", "replace"))

    def runner(self) -> Any:
        """The runner of this run."""
        limits = {**self.spec["limits"], "seconds": self.spec["seconds"]}
        if "memory" in limits:
            limits["memory"] *= 1 << 20
        kind = self.spec["runner"]
        if kind == "plain":
            from plain import Plain

            return Plain()
        import opto.sandbox
        import opto.sandbox.crossing

        if kind == "in-process":
            return opto.sandbox.InProcess()
        if kind == "monty":
            from opto.sandbox.monty import Monty

            return Monty(host=self.offered, **limits)
        walls = "bubblewrap" if kind == "bubblewrap" else None
        return opto.sandbox.Subprocess(host=self.offered, walls=walls, **limits)

    def play(self) -> None:
        """The whole run."""
        plant(self.spec["targets"], self.spec["secrets"])
        self.tell(stage=os.getpid())
        runner = self.runner()
        warm = runner.compile(BENIGN, "benign", {})
        assert warm(10) == EXPECTED, "the runner fails before any attack"
        before = state_of_self()
        descriptors = len(os.listdir("/proc/self/fd"))
        time_limit = self.spec["seconds"]
        self.tell(ready=True)
        if self.spec["after"] == "die":
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
        function: Any = None
        outcome: dict[str, Any] = {}
        for variant in range(self.spec["variants"]):
            function, outcome = self.attacked(runner, self.spec["source"].replace("VARIANT", str(variant)))
            if outcome["foreign"] or self.spec["variants"] > 1:
                self.tell(variant=variant, outcome=outcome)
            if outcome["foreign"] or is_accident(outcome):
                break
        self.tell(outcome=outcome)
        self.afterwards(function, outcome, time_limit)
        self.parents_next_temporary_file()
        self.tell(disturbed=differences(before, state_of_self()) + self.touched())
        self.tell(benign=self.benign(runner, warm))
        self.tell(processes=len(descendants(os.getpid())))
        started = time.monotonic()
        if hasattr(runner, "close"):
            runner.close()
        self.tell(closed=time.monotonic() - started, descriptors=len(os.listdir("/proc/self/fd")) - descriptors)

    def attacked(self, runner: Any, source: str) -> tuple[Any, dict[str, Any]]:
        """The function of the program, and what came of calling it."""
        started = time.monotonic()
        function = None
        try:
            function = runner.compile(source, "attack", self.namespace)
            arguments = self.targets if self.spec["runner"] == "in-process" else dict(self.targets)
            value = self.settled(function(arguments))
            seconds, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcome = of_value(value)
            del value
            if outcome["foreign"]:  # its methods have run; to look at much plain data takes the stage's own time
                seconds = time.monotonic() - started
        except BaseException as error:
            outcome = of_error(error)
            seconds, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return function, {**outcome, "seconds": seconds, "peak": peak}

    def settled(self, value: Any) -> Any:
        """The value, awaited or exhausted where it has to be."""
        if inspect.isasyncgen(value):
            generator = value

            async def items() -> Any:
                return [item async for item in generator]

            value = items()
        if inspect.isawaitable(value):
            import asyncio

            async def wait() -> Any:
                return await value

            value = asyncio.run(wait())
        if self.spec["after"] == "exhaust":
            for _ in value:
                pass
        elif inspect.isgenerator(value):  # the runner's own, which any text gets; what it yields is what came back
            value = list(value)
        return value

    def afterwards(self, function: Any, outcome: dict[str, Any], time_limit: float) -> None:
        """What the caller does after the call, where the program waits for it."""
        after = self.spec["after"]
        started = time.monotonic()
        try:
            if after == "again" and function:
                function(dict(self.targets))
            elif after == "again-large" and function:
                time.sleep(0.2)
                function(dict(self.targets, filler="x" * 3_000_000))
            elif after == "connect" and isinstance(outcome.get("port"), int):
                import socket

                socket.create_connection(("127.0.0.1", outcome["port"]), timeout=1).close()
                self.tell(contact="the port that it opened answers")
            elif after == "wait":
                time.sleep(0.3)
            elif after == "cpu":
                used, patience = ticks(os.getpid()), time.monotonic() + 3
                while (burned := ticks(os.getpid()) - used) < 0.25 and time.monotonic() < patience:
                    time.sleep(0.1)
                self.tell(burned=burned)
                return
        except Exception as error:
            self.tell(afterwards=repr(error)[:300])
        if time.monotonic() - started > time_limit + self.spec["slack"]:
            self.tell(slow=f"a second call took {time.monotonic() - started:.1f} s")

    def parents_next_temporary_file(self) -> None:
        """Write the temporary file that the program knows the name of."""
        try:
            with open(self.spec["targets"]["next_temp"], "w") as file:
                file.write("the parent's own data")
        except OSError:
            pass

    def touched(self) -> list[str]:
        """What was changed in this process by writing to its memory."""
        found = [] if self.buffer.value == b"untouched" else ["a buffer was overwritten"]
        return [*found, "an argument was changed"] if "poisoned" in self.targets else found

    def benign(self, runner: Any, warm: Any) -> list[str]:
        """What is wrong with the answers of harmless texts, after the attack."""
        wrong = []
        texts = [("warm", BENIGN, "benign", EXPECTED)]
        if self.spec["runner"] == "monty":
            texts.append(("new", BENIGN.replace("= 3", "= 3 "), "benign", EXPECTED))
        else:
            texts.append(("with imports", BENIGN_WITH_IMPORTS, "benign_too", EXPECTED_TOO))
        for label, source, name, expected in texts:
            started = time.monotonic()
            try:
                function = warm if label == "warm" else runner.compile(source, name, {})
                answer = function(10)
                if repr(answer) != repr(expected):
                    wrong.append(f"{label}: {answer!r}"[:300])
            except BaseException as error:
                wrong.append(f"{label}: {type(error).__name__}: {error}"[:300])
            if time.monotonic() - started > 5:
                wrong.append(f"{label}: took {time.monotonic() - started:.1f} s")
        return wrong


if __name__ == "__main__":
    main()
