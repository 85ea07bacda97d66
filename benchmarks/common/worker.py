"""A process that measures one system: it reads one JSON request a line and answers each with one JSON line.

It runs in the environment of the system that it measures, so it imports nothing of the benchmark but the file that it
is given, and that file's neighbours.

Usage: python worker.py FILE, where FILE holds `WORKLOADS`, a dictionary of functions that return plain data.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
import warnings


def serve(path: str) -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    warnings.simplefilter("ignore")
    folder, name = os.path.split(path)
    sys.path[0] = folder  # where the module's neighbours are, instead of this file's
    workloads = importlib.import_module(os.path.splitext(name)[0]).WORKLOADS
    answers.write(json.dumps({"ready": sys.version.split()[0]}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        gc.collect()
        gc.freeze()  # what was imported and what is kept, or every collection would walk all of it
        try:
            answer = {"result": workloads[request["workload"]](**request["arguments"])}
        except Exception as error:  # a peer may fail in any way; the report says how
            last = traceback.extract_tb(error.__traceback__)[-1]
            answer = {"error": f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1])
