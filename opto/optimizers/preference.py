"""Preference: the best of some values when all that a person says is which of two outputs they like better."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from opto.errors import SuggestionWarning
from opto.optimizers import prompts
from opto.optimizers.asking import conversation
from opto.optimizers.attempts import Attempt
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.canonical import canonical, plain
from opto.optimizers.declarations import domain_of
from opto.optimizers.domains import Choices, position
from opto.optimizers.drivers import Proposal, Reply, Request
from opto.optimizers.formats import strip_thinking
from opto.optimizers.markers import markers
from opto.optimizers.neural_utilities import NeuralUtilities
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.options import checked_count
from opto.optimizers.preferences import Utilities, reduced
from opto.optimizers.seeds import checked_seed
from opto.optimizers.text_features import hashed_ngrams
from opto.optimizers.updates import same_value
from opto.trace.dependencies import ancestors, values_read
from opto.trace.nodes import Node

if TYPE_CHECKING:
    from pathlib import Path

    from opto.runs import Recorder
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator

__all__ = ["Preference"]

_VERSION = re.compile(r"<version>\s*(.*?)\s*</version>", re.DOTALL | re.IGNORECASE)
_MOST_SHOWN = 20
_MARKERS = markers((), ("version",), ())


class Preference(Optimizer):
    """Learns from pairs which of some values a person prefers, and asks about the pairs that tell most.

    "Prompt Optimization with Human Feedback" (APOHF; arXiv 2405.17346). The first of a pair is the value that is
    believed best, the second the one whose utility may be the highest: its estimate plus `explore` standard errors of
    its distance from the first, by the gradients of a neural network over text embeddings.

    What differs from the paper: the network has one hidden layer (theirs two), and a normal prior around its first
    weights, at which all utilities are 0; it is fitted on all comparisons each time; the gradients are those by the
    first weights, not by the fitted ones; uncertainty counts a comparison by how open its outcome was, and keeps the
    whole covariance, where their program counts all alike and keeps the diagonal.

        tone = node("Answer.", trainable=True)
        optimizer = Preference([tone], ["Answer briefly.", "Answer like a pirate.", "Answer with a source."], seed=0)
        for _ in range(4):
            left, right = optimizer.pair()
            optimizer.backward((left, right), preferred=0 if len(left) > len(right) else 1)   # asks the person
            optimizer.step()                                                   # sets the value believed best

    With a model, `llm`, a step first asks it for `proposals` new candidates, until there are `most`.

    Args:
        parameters: one `ParameterNode`.
        candidates: the values to compare; None takes the declared ones (`Choices`, `Literal`... as the node's
            constraint), or the present value alone where there is a model to propose others.
        llm: a model that proposes candidates; None proposes none.
        embed: a function of a list of texts that returns one vector for each, all of one length; by default
            hashed n-grams (`opto.optimizers.text_features.hashed_ngrams`).
        utility: "neural" for a network (`opto.optimizers.neural_utilities.NeuralUtilities`), which learns any taste, or
            "linear" for utilities linear in the embeddings (`opto.optimizers.preferences.Utilities`), whose fit is
            exact and about ten times faster.
        explore: how many standard errors the second of a pair may hope for.
        spread: the standard deviation of utilities before anything is known, in units in which a difference of 1
            makes the better one preferred 73 times of 100; larger for a person who is sure.
        proposals: how many candidates the model is asked for at a time.
        most: how many candidates there may be before the model is asked for no more.
        max_tokens: the longest answer of the model.
        seed: makes the first pair and the network repeatable; None takes a new one.
        memory_size: how many comparisons are learned from, the last ones.
        propagator: see `Optimizer`.
        run_dir: likewise.

    Attributes:
        candidates: the values that are compared.
        memory: the comparisons: dicts of `pair`, two places in `candidates`, and `preferred`: 0, 1, or None for a tie.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: not exactly one parameter, too few candidates, an option out of its range.
    """

    def __init__(  # noqa: PLR0913  # options of three parts: the model of preferences, the language model, the memory
        self,
        parameters: Iterable[ParameterNode[Any]],
        candidates: Iterable[Any] | None = None,
        llm: Any = None,
        *,
        embed: Callable[[list[str]], Any] | None = None,
        utility: Literal["neural", "linear"] = "neural",
        explore: float = 2.0,
        spread: float = 3.0,
        proposals: int = 4,
        most: int = 30,
        max_tokens: int = 2048,
        seed: int | None = None,
        memory_size: int = 1000,
        propagator: Propagator | None = None,
        run_dir: str | Path | Recorder | None = None,
    ) -> None:
        super().__init__(parameters, propagator=propagator, run_dir=run_dir)
        if len(self.parameters) != 1:
            raise ValueError(f"parameters must hold exactly one parameter to compare, got {len(self.parameters)}.")
        if embed is not None and not callable(embed):
            raise TypeError(f"embed must be a function of a list of texts, got {embed!r}.")
        if utility not in ("neural", "linear"):
            raise ValueError(f"utility must be 'neural' or 'linear', got {utility!r}.")
        for name, number, least in (("explore", explore, 0.0), ("spread", spread, 1e-6)):
            if not number >= least:
                raise ValueError(f"{name} must be >= {least}, got {number!r}.")
        for name, count in (("proposals", proposals), ("most", most), ("memory_size", memory_size)):
            checked_count(name, count)
        self.llm = llm
        self.embed = embed
        self.utility = utility
        self.explore, self.spread = float(explore), float(spread)
        self.proposals, self.most, self.max_tokens = proposals, most, max_tokens
        self.seed = checked_seed(seed)
        self.memory: FIFOBuffer[dict[str, Any]] = FIFOBuffer(memory_size)
        self.candidates: list[Any] = self._given(candidates)
        self._vectors: list[Any] = []
        self._rows: Any = None
        self._fitted: tuple[Any, Utilities | NeuralUtilities] | None = None
        if len(self.candidates) < 2 and llm is None:
            raise ValueError("candidates must hold at least two values, or give llm=, a model that proposes them.")

    # ---- the interface of comparisons

    def pair(self) -> tuple[Any, Any]:
        """The two values to show next; the same again until `backward` has told of a preference.

        Raises:
            ValueError: there is only one candidate yet: `step()` asks the model for more.
        """
        if len(self.candidates) < 2:
            raise ValueError("there is only one candidate yet: call step(), which asks the model for more.")
        if not len(self.memory):
            first, second = random.Random(f"{self.seed}").sample(range(len(self.candidates)), 2)
        else:
            first, second = self._duel()
        return self.candidates[first], self.candidates[second]

    def backward(self, node: Any, feedback: Any = None, *, preferred: int | None = 0, **kwargs: Any) -> Any:
        """Tell which of two is better.

        Args:
            node: a pair: two values, as `pair` gives them (one that is no candidate becomes one), or two outputs of
                the program, each computed with one of the values. A single node is treated as in `Optimizer`.
            feedback: for a single node only.
            preferred: 0 or 1, the better of the pair; None for a tie.
            **kwargs: for a single node only.

        Raises:
            TypeError: `node` is neither a pair nor a node.
            ValueError: `preferred` is none of these, both of the pair are the same value, or an output was not computed
                from the parameter.
        """
        if isinstance(node, Node):
            return super().backward(node, feedback, **kwargs)
        if not isinstance(node, (tuple, list)) or len(node) != 2:
            raise TypeError(f"node must be a pair of values or of outputs, got {node!r}.")
        if preferred not in (0, 1, None):
            raise ValueError(f"preferred must be 0, 1, or None for a tie, got {preferred!r}.")
        left, right = map(self._value_behind, node)
        if same_value(left, right):
            raise ValueError(f"the pair must be of two different values, both are {left!r}.")
        places = [self._place(left), self._place(right)]
        chosen = None if preferred is None else int(preferred)
        self.memory.add({"pair": places, "preferred": chosen})
        self._emit("attempt", purpose="compare", outcome="scored", pair=[plain(left), plain(right)], preferred=chosen)
        return None

    def best(self) -> Update:
        """The value believed best; the present one before any comparison."""
        [parameter] = self.parameters
        if not len(self.memory):
            return {parameter: parameter._data}
        return {parameter: self.candidates[int(self._utilities().means.argmax())]}

    def utilities(self) -> list[float]:
        """The estimated utility of each candidate, relative to their average."""
        return [float(mean) for mean in self._utilities().means]

    # ---- the step

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Let the model propose candidates, where there is one, and take the value believed best."""
        if self.llm is not None and len(self.candidates) < self.most:
            replies = yield [self._request()]
            self._read(replies[0])
        return {parameter: value for parameter, value in self.best().items() if parameter.trainable}

    def _request(self) -> Request:
        [parameter] = self.parameters
        known = self.utilities() if len(self.memory) else [0.0] * len(self.candidates)
        ranked = sorted(zip(known, self.candidates, strict=True), key=lambda pair: -pair[0])[:_MOST_SHOWN]
        versions = "\n".join(
            f"[{mean:+.2f}] <version>{_MARKERS.inert(canonical(value))}</version>" for mean, value in ranked
        )
        number = min(self.proposals, self.most - len(self.candidates))
        user = prompts.fill(
            "preference_user.txt",
            description=parameter.description or parameter.py_name,
            versions=versions,
            number=number,
        )
        messages = conversation(prompts.load("preference_system.txt"), user)
        return Request(messages, {"max_tokens": self.max_tokens}, purpose="propose")

    def _read(self, reply: Reply) -> None:
        """The new candidates of an answer; an error of the model is raised."""
        [parameter] = self.parameters
        texts = list(dict.fromkeys(map(_MARKERS.restored, _VERSION.findall(strip_thinking(reply.text)))))
        reasons: list[str] = [] if texts else ["no version could be read from the answer"]
        fresh = []
        for text in texts:
            attempt = Attempt.of({parameter: text})
            reasons += attempt.reasons
            fresh += [value for value in attempt.values.values() if position(self.candidates, value) is None]
        self.candidates.extend(fresh[: self.most - len(self.candidates)])
        outcome = "accepted" if not reasons else "partly accepted" if fresh else "rejected"
        self._emit(
            "attempt",
            purpose="propose",
            outcome=outcome,
            reason="; ".join(reasons) or None,
            values=[plain(value) for value in fresh],
        )
        if reasons:
            warnings.warn("A suggestion was not applied: " + "; ".join(reasons), SuggestionWarning, stacklevel=2)

    # ---- the model of preferences

    def _duel(self) -> tuple[int, int]:
        """The candidate believed best, and the one that may be better than all."""
        known = self._utilities()
        first = int(known.means.argmax())
        hopes = known.means + self.explore * known.uncertainty(first)
        hopes[first] = -float("inf")
        return first, int(hopes.argmax())

    def _utilities(self) -> Utilities | NeuralUtilities:
        """The model of all comparisons; fitted once for each state of them."""
        comparisons: list[tuple[int, int, float]] = []
        for past in self.memory:
            left, right = past["pair"]
            if past["preferred"] is None:
                comparisons += [(left, right, 0.5), (right, left, 0.5)]
            else:
                comparisons.append((left, right, 1.0) if past["preferred"] == 0 else (right, left, 1.0))
        rows = self._features()
        state = (self.utility, self.spread, self.seed, comparisons)
        if self._fitted is None or self._fitted[0] != state:
            known: Utilities | NeuralUtilities
            if self.utility == "linear":
                known = Utilities(rows, comparisons, spread=self.spread)
            else:
                known = NeuralUtilities(rows, comparisons, spread=self.spread, seed=self.seed)
            self._fitted = state, known
        return self._fitted[1]

    def _features(self) -> Any:
        """The vectors of all candidates, reduced; only new ones are embedded."""
        import numpy as np

        texts = [canonical(value) for value in self.candidates[len(self._vectors) :]]
        if texts:
            made = np.asarray((self.embed or hashed_ngrams)(texts), dtype=float)
            width = len(self._vectors[0]) if self._vectors else made.shape[-1]
            if made.shape != (len(texts), width) or not np.isfinite(made).all():
                raise ValueError(
                    f"embed must return one finite vector of one length for each text: {len(texts)} of length {width}, "
                    f"got an array of shape {made.shape}."
                )
            self._vectors = [*self._vectors, *made]
            self._rows = reduced(np.array(self._vectors))
            self._fitted = None
        return self._rows

    # ---- candidates

    def _given(self, candidates: Iterable[Any] | None) -> list[Any]:
        [parameter] = self.parameters
        if candidates is not None:
            return list(Choices(candidates).values)
        declared = domain_of(parameter)
        return list(declared.values) if isinstance(declared, Choices) else [parameter._data]

    def _place(self, value: Any) -> int:
        place = position(self.candidates, value)
        if place is None:
            self.candidates.append(value)
            return len(self.candidates) - 1
        return place

    def _value_behind(self, shown: Any) -> Any:
        """The value itself, or the one that an output was computed with."""
        if not isinstance(shown, Node):
            return shown
        [parameter] = self.parameters
        read = values_read(ancestors([shown]))
        if parameter not in read:
            raise ValueError(
                f"{shown.name} was not computed from {parameter.py_name}, so it says nothing of its value."
            )
        return read[parameter]

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the candidates and the comparisons."""
        return {
            **super().state_dict(),
            "seed": self.seed,
            "candidates": list(self.candidates),
            "memory": [{**past, "pair": list(past["pair"])} for past in self.memory],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, with its candidates."""
        super().load_state_dict(state)
        self.candidates = list(state["candidates"])
        if not isinstance(state["seed"], int) or len(self.candidates) < 2:
            raise ValueError(f"state must have a seed and at least two candidates, got seed {state['seed']!r}.")
        self.seed = state["seed"]
        places = range(len(self.candidates))
        for past in state["memory"]:
            left, right = past["pair"]
            if left not in places or right not in places or past["preferred"] not in (0, 1, None):
                raise ValueError(f"state must compare two of its {len(places)} candidates, got {past!r}.")
        self.memory = FIFOBuffer(self.memory.size, [dict(past) for past in state["memory"]])
        self._vectors = []
