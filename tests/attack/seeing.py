"""What a caller sees of a value or an error that came back, and whether anything of the caller was changed."""

from __future__ import annotations

import builtins
import inspect
import os
import resource
import signal
import sys
import traceback
from typing import Any

PLAIN_TYPES = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
ACCIDENTS = (
    "LookupError",
    "TypeError",
    "AttributeError",
    "NameError",
    "ImportError",
    "AssertionError",
    "struct.error",
    "ArithmeticError",
    "Warning",
)


def is_accident(outcome: dict[str, Any]) -> bool:
    """Whether the runner itself stumbled over what was forged."""
    return (
        outcome["kind"] == "error" and outcome["message"] != "m" and any(base in ACCIDENTS for base in outcome["bases"])
    )


def of_value(value: Any) -> dict[str, Any]:
    """What a caller sees of a value that came back, using it as callers do."""
    foreign, size, depth, count = [], 0, 0, 0
    waiting = [(value, 1)]
    while waiting and count < 2_100_000 and depth < 10_000:
        item, level = waiting.pop()
        count, depth = count + 1, max(depth, level)
        kind = type(item)
        if kind not in PLAIN_TYPES and not (kind.__module__ == "numpy" and item.dtype.char != "O"):
            foreign.append(f"{kind.__module__}.{kind.__qualname__}"[:100])
            repr(item), str(item), f"{item}", item == 1, bool(item)
            for method in ("items", "keys", "__iter__"):
                if hasattr(item, method):
                    list(getattr(item, method)())
            continue
        if kind in (str, bytes):
            size += len(item)
        elif kind is int:
            size += item.bit_length() // 8
        elif kind is dict:
            waiting += [(part, level + 1) for pair in item.items() for part in pair]
        elif kind in (list, tuple, set, frozenset):
            waiting += [(part, level + 1) for part in item]
        elif kind.__module__ == "numpy":
            size += item.nbytes
    big = size > 100_000_000 or count > 100_000 or depth > 500
    text = "" if big else (value[:200_000].__repr__() if type(value) in (str, bytes) else _shown(value))
    port = value if type(value) is int and value < 65536 else None
    return {
        "kind": "value",
        "foreign": foreign[:5],
        "size": size,
        "depth": depth,
        "count": count,
        "text": text,
        "port": port,
    }


def _shown(value: Any) -> str:
    try:
        return repr(value)[:200_000]
    except ValueError:  # a number of too many digits
        return "a large number"


def of_error(error: BaseException) -> dict[str, Any]:
    """What a caller sees of an error, printed as callers do."""
    kind = type(error)
    foreign = []
    if not isinstance(error, Exception):
        foreign.append(f"{kind.__name__} is no Exception")
    text = f"{kind.__name__}: {error}"
    chain, current = 0, error
    while current is not None and chain < 100_000:
        chain, current = chain + 1, current.__cause__ or current.__context__
    size = len(text) + sum(map(len, getattr(error, "__notes__", []))) + len(kind.__name__)
    size += sum(len(repr(item)) for item in error.args)
    full = text
    if chain < 1000:
        full = "".join(traceback.format_exception(error))
    for inner in getattr(error, "exceptions", ()):
        if not isinstance(inner, Exception):
            foreign.append(f"holds a {type(inner).__name__}")
    cause = error.__cause__
    errno = getattr(error, "errno", None) or getattr(cause, "errno", None)
    return {
        "kind": "error",
        "foreign": foreign,
        "size": max(size, len(full)),
        "depth": chain,
        "count": 1,
        "text": full[-200_000:],
        "type": kind.__name__[:200],
        "bases": [base.__name__[:100] for base in kind.__mro__],
        "module": kind.__module__,
        "message": str(error)[:400],
        "errno": errno,
        "limit": str(getattr(error, "limit", "")),
    }


def state_of_self() -> dict[str, Any]:
    """What a program inside must not be able to change in this process."""
    state: dict[str, Any] = {
        "working folder": os.getcwd(),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": sorted(os.sched_getaffinity(0)),
        "schedule": os.sched_getscheduler(0),
        "handler of SIGINT": repr(signal.getsignal(signal.SIGINT)),
        "handler of SIGTERM": repr(signal.getsignal(signal.SIGTERM)),
        "meta path": list(map(repr, sys.meta_path)),
        "path": list(sys.path),
        "tracer": repr((sys.gettrace(), sys.getprofile())),
    }
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            state[name] = resource.getrlimit(getattr(resource, name))
    for name, value in vars(builtins).items():
        state[f"builtins.{name}"] = id(value)
    import linecache

    state["linecache.getline"] = id(linecache.getline)
    for name in [name for name in sys.modules if name.startswith(("opto.sandbox", "opto.errors"))]:
        for key, value in vars(sys.modules[name]).items():
            if isinstance(value, type):
                for method, function in vars(value).items():
                    if inspect.isfunction(function):
                        state[f"{name}.{key}.{method}"] = id(function)
            elif inspect.isroutine(value):
                state[f"{name}.{key}"] = id(value)
    return state


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what is no longer as it was."""
    ignored = ("builtins._",)  # the interactive result
    return [name for name in before if name in after and before[name] != after[name] and name not in ignored]
