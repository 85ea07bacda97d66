"""Who answers: the model that the environment configures, or the record of one that did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opto.llm import LLM, Manual, Recorded, configured

__all__ = ["RECORDINGS", "answering", "described"]

RECORDINGS = Path(__file__).parent / "recordings"

_ANSWERED_BY = (
    "Claude, a language model by Anthropic; each request was answered from its text alone, through opto.llm.Manual"
)


def answering(role: str, record_in: str | None = None) -> Any:
    """The model for a role in the demonstration.

    Args:
        role: its name, which the record's file has too.
        record_in: a folder in which `Manual` puts each request, for whoever acts as the model; answers are recorded.
    """
    file = RECORDINGS / f"{role}.json"
    if record_in is not None:
        manual = Manual(Path(record_in) / role, poll=0.5)
        return Recorded(file, manual, mode="record", answered_by=_ANSWERED_BY)
    return LLM() if configured() else Recorded(file)


def described(record_in: str | None = None) -> str:
    """Where the answers of this run come from, in words."""
    if record_in is not None:
        return f"from whoever answers the requests in {record_in}; they are recorded"
    model = configured()
    if model:
        return f"live, from {model}"
    return "replayed: recorded exchanges with a language model. Set OPTO_MODEL to a LiteLLM model name to run live"
