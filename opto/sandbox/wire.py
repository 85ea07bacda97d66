"""The messages between a program and its worker: a length, a kind, and a value in the form of `crossing`.

    program to worker                         worker to program
                                              READY     it waits for settings
    SETTINGS   which walls to raise           WALLS     they stand, and how they were tried
    TEXT       the text, what it defines      NEED      names that the text reads
    BIND       what these names mean          DEFINED   the kind of function that it is
    REBIND     the same, where it changed     UNDEFINED why there is none
    CALL       the arguments                  RESULT    what it returned
    VALUE      what a host function returned  ERROR     what it raised
    RAISED     what a host function raised    HOST      calls of host functions, answered one by one

The worker's side of it is in the hands of whoever wrote the text, once that text runs.
"""

from __future__ import annotations

import struct

__all__ = [
    "BIND",
    "CALL",
    "DEFINED",
    "ERROR",
    "HEADER",
    "HOST",
    "NEED",
    "RAISED",
    "READY",
    "REBIND",
    "RESULT",
    "SETTINGS",
    "TEXT",
    "UNDEFINED",
    "VALUE",
    "WALLS",
    "frame",
]

HEADER = struct.Struct("<IB")

SETTINGS, TEXT, BIND, REBIND, CALL, VALUE, RAISED = range(1, 8)
WALLS, NEED, DEFINED, UNDEFINED, RESULT, ERROR, HOST, READY = range(101, 109)


def frame(kind: int, payload: bytes) -> bytes:
    """A message as it goes over the wire."""
    return HEADER.pack(len(payload), kind) + payload
