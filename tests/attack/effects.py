"""What a run did, and how it was stopped: the judges, one rule per kind of effect.

Every effect is looked for in every run: a program that wins by another way than it aims at has won all the same.

    secret    a secret that was planted is in what came back to the parent, or in its output
    contact   a listener was reached
    canary    a file was changed
    dropped   a file was made
    proof     the program did what it aims at inside: it handed back the run's number, reversed
    parent    the parent died, was stopped or hung, or something of it was changed
    slow      the parent waited longer than the limit and a slack
    benign    harmless texts are answered wrongly afterwards
    limit     more came back than the limit on output allows
    foreign   something that is not plain data, or not an Exception, reached the parent
    left      processes were left behind
    busy      processor time is used after the answer
    bloat     the parent's memory grew beyond 400 MiB
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SLACK = 3.0
_SIZE = 17 << 20  # a little more than may cross at once
_LUCK = ("ImportError", "NameError", "AttributeError", "TypeError", "SyntaxError", "AssertionError", "IndexError")


@dataclass
class Run:
    """One program by one runner.

    Attributes:
        effects: each effect that was seen, and how it showed.
        stopped: by what the program was stopped, where it was.
        luck: whether only something accidental stopped it, such as a module that is missing.
        broken: why the run says nothing, if it does.
    """

    effects: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    luck: bool = False
    broken: str = ""
    seconds: float = 0.0
    outcome: dict[str, Any] = field(default_factory=dict)


def judged(lines: list[dict[str, Any]], planted: Any, captured: bytes, spec: dict[str, Any]) -> Run:
    """Judge a run by what the stage told, what became of what was planted, and what was printed."""
    told: dict[str, Any] = {}
    for line in lines:
        told.update(line)
    run = Run(planted.effects(), outcome=told.get("outcome", {}))
    if "ready" not in told:
        run.broken = f"the stage never began: {captured[-1500:].decode('utf-8', 'replace')}"
        return run
    outcome = run.outcome
    run.seconds = outcome.get("seconds", 0.0)
    _judge_parent(run, told, spec)
    walled = spec["runner"] in ("subprocess", "bubblewrap", "monty")
    _judge_what_is_left(run, told, planted.kept_in_scratch() if walled and "closed" in told else [])
    text = outcome.get("text", "") + captured.decode("utf-8", "replace")
    found = [kind for kind, secret in planted.secrets.items() if secret in text]
    if found:
        run.effects["secret"] = f"secrets read: {', '.join(found)}"
    if planted.targets["nonce"][::-1] in text:
        run.effects["proof"] = "it did what it aims at"
    if outcome.get("foreign"):
        run.effects["foreign"] = ", ".join(outcome["foreign"])
    if outcome and (outcome["size"] > _SIZE or outcome["count"] > 2_000_000 or outcome["depth"] > 500):
        run.effects["limit"] = (
            f"{outcome['size']:,} bytes, {outcome['count']:,} items, {outcome['depth']:,} deep came back"
        )
    if len(captured) > _SIZE // 8:
        run.effects["limit"] = f"{len(captured):,} bytes of output went to the parent's own"
    if told.get("benign"):
        run.effects["benign"] = "; ".join(told["benign"])
    if told.get("contact"):
        run.effects["contact"] = told["contact"]
    if told.get("burned", 0) > 0.2:
        run.effects["busy"] = f"{told['burned']:.1f} s of processor time after the answer"
    run.stopped, run.luck = _stopped_by(outcome, spec["runner"])
    return run


def _judge_parent(run: Run, told: dict[str, Any], spec: dict[str, Any]) -> None:
    """How the parent ended, how long it took, and whether it is still what it was."""
    end = told.get("end", "")
    told_to_die = spec["after"] == "die" and end == "killed by signal 9"
    if end == "hung":
        run.effects["slow"] = "the parent did not get to its end"
    elif end != "exit 0" and not told_to_die:
        run.effects["parent"] = f"its end: {end}"
    elif "closed" not in told and not told_to_die:
        run.effects["parent"] = "it left without finishing"
    if told.get("disturbed"):
        run.effects["parent"] = f"changed: {', '.join(told['disturbed'][:6])}"
    if run.seconds > spec["seconds"] + SLACK:
        run.effects["slow"] = f"a limit of {spec['seconds']:g} s, {run.seconds:.1f} s passed"
    if told.get("slow"):
        run.effects["slow"] = told["slow"]
    if told.get("closed", 0) > 8:
        run.effects["slow"] = f"closing the runner took {told['closed']:.1f} s"
    peak = run.outcome.get("peak", told.get("peak", 0))
    if peak > 400 << 10:
        run.effects["bloat"] = f"the parent took {peak >> 10} MiB"


def _judge_what_is_left(run: Run, told: dict[str, Any], kept: list[str]) -> None:
    """What the runner or the program keeps or leaves behind."""
    if told.get("left"):
        run.effects["left"] = f"{told['left']} processes"
    if told.get("processes", 0) > 24:
        run.effects["left"] = f"the parent keeps {told['processes']} processes"
    if told.get("descriptors", 0) > 8:
        run.effects["left"] = f"the parent keeps {told['descriptors']} descriptors more than before"
    if kept:
        run.effects["left"] = f"folders were left: {', '.join(kept[:3])}"


def _stopped_by(outcome: dict[str, Any], runner: str) -> tuple[str, bool]:
    """By what a program was stopped, and whether that is luck."""
    if outcome.get("kind") != "error":
        return ("it ran, without effect" if outcome else "the stage ended"), False
    bases, message = outcome["bases"], outcome["message"].replace("\n", " ")
    if "LimitExceededError" in bases:
        return f"limit: {outcome['limit'] or message[:60]}", False
    if "CrossingError" in bases:
        return f"crossing: {message[:60]}", False
    if "SandboxError" in bases:
        return f"sandbox: {message[:60]}", False
    if outcome["errno"]:
        import errno

        number = errno.errorcode.get(outcome["errno"], str(outcome["errno"]))
        return f"{number}: {message[:50]}", False
    name = outcome["type"]
    if runner == "monty":
        return f"Monty: {name}: {message[:60]}", False
    return f"{name}: {message[:60]}", any(base in _LUCK for base in bases)
