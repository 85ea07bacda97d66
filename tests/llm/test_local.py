"""What the local model checks before it is started; tests/local tests it started."""

from __future__ import annotations

import sys

import pytest

from opto.errors import MissingExtraError
from opto.llm.local import LocalModel, grammar_of


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the runtime the start says which extra brings it."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[local\]"):
        LocalModel().start()


def test_arguments() -> None:
    """Weights that are not known and numbers out of range are refused; reading it before the start too."""
    with pytest.raises(ValueError, match="smollm2, gemma3"):
        LocalModel("llama")
    with pytest.raises(ValueError, match="context"):
        LocalModel(context=0)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        LocalModel("nowhere.gguf")
    with pytest.raises(RuntimeError, match="has not been started"):
        LocalModel().complete("hello")
    with pytest.raises(ValueError, match="prompt"):
        LocalModel().complete("")


def test_grammar() -> None:
    """A grammar quotes its labels."""
    assert grammar_of([" a", ' "b"']) == 'root ::= " a" | " \\"b\\""'
    with pytest.raises(ValueError, match="labels"):
        grammar_of([])
