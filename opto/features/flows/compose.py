"""A language model as a traced program; the part itself is in `opto.trainer.traced_llm`."""

from __future__ import annotations

from opto.trainer.traced_llm import TracedLLM

__all__ = ["TracedLLM"]
