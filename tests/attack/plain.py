"""The runner of the control: a child process as one writes it in an afternoon, without a wall.

It inherits the environment and the open descriptors, serves all texts from one interpreter, and speaks pickle over its
standard input and output. Every program that aims at a process must win against it.
"""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

_CHILD = """
import asyncio, inspect, pickle, struct, sys
names = {"__name__": "candidate"}
requests, answers = sys.stdin.buffer, sys.stdout.buffer
while True:
    header = requests.read(4)
    if len(header) < 4:
        break
    source, name, arguments = pickle.loads(requests.read(struct.unpack("<I", header)[0]))
    try:
        exec(compile(source, f"<plain:{name}>", "exec"), names)
        value = names[name](*arguments)
        answer = True, asyncio.run(value) if inspect.iscoroutine(value) else value
    except BaseException as error:
        answer = False, error
    try:
        data = pickle.dumps(answer)
    except BaseException as error:
        data = pickle.dumps((False, RuntimeError(repr(error)[:1000])))
    answers.write(struct.pack("<I", len(data)) + data)
    answers.flush()
"""


class Plain:
    """A `CodeRunner` without walls, in a child process."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
        )

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """A function that sends the text with each call."""
        return lambda *arguments: self._call(source, name, arguments)

    def _call(self, source: str, name: str, arguments: tuple[Any, ...]) -> Any:
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None
        assert stdout is not None
        data = pickle.dumps((source, name, arguments))
        stdin.write(struct.pack("<I", len(data)) + data)
        stdin.flush()
        header = stdout.read(4)
        if len(header) < 4:
            raise EOFError("the child is gone")
        worked, value = pickle.loads(stdout.read(struct.unpack("<I", header)[0]))
        if not worked:
            raise value
        return value

    def close(self) -> None:
        """Let the child see the end of its input."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(0.3)
        except subprocess.TimeoutExpired:
            pass
