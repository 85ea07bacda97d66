"""OPRO: a language model as a black-box optimizer, which sees the best values so far and their scores.

The method of "Large Language Models as Optimizers" (Yang et al.; arXiv 2309.03409): a meta-prompt shows past solutions
sorted by score in ascending order, and asks for new ones that score higher. It uses no graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opto.optimizers import prompts
from opto.optimizers.asking import conversation
from opto.optimizers.attempts import Attempt
from opto.optimizers.candidates import Candidate, ask_for_candidate, valid_ones
from opto.optimizers.canonical import canonical, canonical_repr
from opto.optimizers.cutting import cut, left_out
from opto.optimizers.drivers import Proposal, describe, together
from opto.optimizers.forms import JSONForm, PromptForm, replace_headings
from opto.optimizers.limiting import LimitedOptimizer
from opto.optimizers.narrowing import LEAST, narrowed, values_within
from opto.optimizers.options import checked_count
from opto.optimizers.problem import node_to_function_feedback
from opto.optimizers.prompt_limits import latest
from opto.optimizers.rendering import HEADINGS, constraint_lines
from opto.optimizers.scores import score_of
from opto.optimizers.scoring import Score, checked_score, completed, scored
from opto.optimizers.solutions import Solution, SolutionMemory
from opto.optimizers.symbols import OptimizerPromptSymbolSet, TagsForm
from opto.optimizers.updates import warn_of_stale_values
from opto.trace.propagators import TraceGraph

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Update
    from opto.optimizers.problem import Facts
    from opto.trace.nodes import ParameterNode

__all__ = ["OPRO", "OPROv2"]

_UNLIMITED = 1 << 62
_KEYS = {"reasoning": "reasoning", "answer": None, "suggestion": "suggestion"}


class OPRO(LimitedOptimizer):
    """Shows a language model the best values so far with their scores, and tries what it proposes.

    Scores come from one of two places. Given a function `score`, a step scores all proposals and sets the best values
    known. Without one, scores are what `backward` is given: a number, or a pair of number and remark; of several the
    mean. Words without a number are shown with the values as a remark. A step then tries one proposal; the others wait
    for the steps after it, which ask nothing until all are tried. Larger is better.

        optimizer = OPRO(program.parameters(), memory_size=20, num_proposals=8)
        for _ in range(50):
            optimizer.zero_feedback()
            optimizer.backward(program(x), accuracy)
            optimizer.step()
        optimizer.update(optimizer.best())

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        memory_size: how many solutions are kept and shown: the best. The paper has 20.
        num_proposals: how many proposals are asked for at once. The paper has 8.
        score: `score(values) -> float`: how good values of all trainable parameters are. Values on which it raises are
            remembered without a score, with the error as a remark.
        temperature: goes with each request; the paper has 1. None leaves it to the model.
        max_prompt_tokens: the most tokens of a prompt, as in `OptoPrime`. The worst solutions give way first, the best
            one last; then the middles of what was said, and of the variables. Whatever is missing is said.
        **kwargs: the other options of `SuggestingOptimizer`: `objective` (what the task is about), `max_tokens`,
            `retries`...

    Attributes:
        memory: the solutions, from the worst to the best.
        pending: proposals that were not yet tried, by `py_name`.
    """

    default_objective = "opro_objective.txt"

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        memory_size: int = 5,
        num_proposals: int = 1,
        score: Score | None = None,
        temperature: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, llm, *args, **kwargs)
        self.memory = SolutionMemory(memory_size)
        self.num_proposals = checked_count("num_proposals", num_proposals)
        self.score = checked_score("score", score)
        self.temperature = temperature
        self.pending: list[dict[str, Any]] = []

    @property
    def form(self) -> PromptForm:
        """How values are written and the answer is read."""
        return JSONForm(HEADINGS, _KEYS, ("Solution", "#Solutions"))

    def best(self) -> Update:
        """The values with the highest score known; {} without scores."""
        solution = self.memory.best
        return {} if solution is None else self._by_parameter(solution.values)

    def observe(self, values: Mapping[ParameterNode[Any], Any], score: float | None = None, remark: str = "") -> None:
        """Remember values that were tried elsewhere."""
        named = self._by_name(completed(self.parameters, values))
        self.memory.add(Solution(named, score, remark, 0 if score is None else 1))

    # ---- stepping

    def _propose(self, verbose: bool | str = False, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Remember what was said, and propose new values.

        Args:
            verbose: print the prompt and the answer; `"output"` for the answer alone.
            *args: not used.
            **kwargs: not used.
        """
        remembered = self.memory.copy()
        try:
            present = yield from self._present()
            if present is None:
                return self._nothing_to_do()
            waiting = self._next_pending()
            if waiting is not None:
                return waiting
            messages = conversation(*self.construct_prompt(present))
            options = {} if self.temperature is None else {"temperature": self.temperature}
            candidates = yield from together(
                [
                    ask_for_candidate(self, number, messages, verbose, options=options)
                    for number in range(self.num_proposals)
                ]
            )
            return (yield from self._tried(candidates))
        except BaseException:
            self.memory = remembered  # the step will be taken again, if at all
            raise

    def construct_prompt(self, present: Solution) -> tuple[str, str]:
        """The system message and the user message, within the tokens that a prompt may have.

        Raises:
            PromptTooLongError: not even the least that must be shown fits.
        """
        system, user = self._limits().first_fitting(self._drafts(present))
        return system["content"], user["content"]

    def _drafts(self, present: Solution) -> Iterator[list[dict[str, Any]]]:
        """Drafts of the request for proposals."""
        form = self.form
        headings = {name: form.headings[name] for name in ("instruction", "variables", "feedback")}
        headings["solutions"] = headings["variables"].replace("Variables", "Solutions")
        example = form.answer(prompts.load("opro_reasoning.txt"), {"name of a variable": "its new value"})
        system = prompts.fill("opro_system.txt", **headings, format=example)
        free = self._free()
        facts = node_to_function_feedback(TraceGraph([(each._level, each) for each in free])).roots
        solutions = [self._shown(number, each) for number, each in enumerate(self.memory, 1)]

        def write(limits: Mapping[str, int]) -> list[dict[str, Any]]:
            shown = [cut(text, limits["solution"]) for text in solutions[len(solutions) - limits["solutions"] :]]
            missing = len(solutions) - len(shown)
            sections = {
                "instruction": replace_headings(self.objective, form.headings),
                "variables": self._variables(facts, limits["variables"]),
                "solutions": "\n\n".join([*([left_out(missing, "worse solutions")] if missing else []), *shown]),
                "feedback": form.inert(cut(_verdict(present), limits["feedback"])),
            }
            user = "\n\n".join(f"{headings[name]}\n{text}".rstrip() for name, text in sections.items())
            return conversation(system, f"{user}\n\nYour response:")

        whole = {
            "solutions": len(solutions),
            "solution": max(map(len, solutions), default=0),
            "feedback": len(_verdict(present)),
            "variables": len(self._variables(facts, _UNLIMITED)),
        }
        yield write(whole)
        room = self._limits().left(*(each["content"] for each in write({**whole, "solutions": 0})))
        best = 0 if room is None else len(solutions) - latest(solutions, room, self._limits().count)
        yield from narrowed(
            write,
            ("solutions", max(best, min(1, len(solutions))), min(1, len(solutions))),
            ("solution", whole["solution"], LEAST),
            ("solutions", 0, 0),
            ("feedback", whole["feedback"], LEAST),
            ("variables", whole["variables"], LEAST),
        )

    def _variables(self, facts: Facts, limit: int) -> str:
        """The present values, and what is said of them."""
        variables = values_within(self.form, facts, "variables", limit)
        inert = self.form.inert
        cut_facts: Facts = {name: (value, said and inert(cut(said, limit))) for name, (value, said) in facts.items()}
        said = constraint_lines(cut_facts) if "constraints" in self.form.headings else ""
        return f"{variables}\n{said}" if said else variables

    def _shown(self, number: int, solution: Solution) -> str:
        facts: Facts = {name: (value, None) for name, value in solution.values.items()}
        return f"Solution {number}, {self.form.inert(_verdict(solution))}\n{self.form.values(facts, 'variables')}"

    # ---- learning

    def _present(self) -> Proposal[Solution | None]:
        """What is known of the present values; None if nothing is."""
        graph = self.trace_graph
        said = [_score_and_remark(feedback) for _, feedback in graph.feedback_by_output]
        free = self._free()
        if not said:
            return None if self.score is None or not free else (yield from self._scored({}))
        warn_of_stale_values(self.parameters, graph)
        scores = [score for score, _ in said if score is not None]
        remark = "\n".join(dict.fromkeys(text for _, text in said if text))
        mean = math.fsum(scores) / len(scores) if scores else None
        solution = Solution({each.py_name: graph.value(each) for each in free}, mean, remark, len(scores))
        if mean is None and self.score is not None:
            return (yield from self._scored({each: graph.value(each) for each in free}, remark))
        self.memory.add(solution)
        return solution

    def _scored(self, values: Mapping[ParameterNode[Any], Any], remark: str = "", **about: Any) -> Proposal[Solution]:
        """Score values, unless they are known, and remember them."""
        tried = completed(self.parameters, values)
        solution = Solution(self._by_name(tried))
        known = next((each for each in self.memory if each.key == solution.key and each.score is not None), None)
        if known is not None:
            return known
        try:
            score = yield from scored(self.score, tried)
        except Exception as error:  # values may break the program that the score runs
            solution = Solution(solution.values, None, describe(error))
            self._emit("attempt", purpose="score", outcome="failed", reason=describe(error), **about)
        else:
            solution = Solution(solution.values, score, remark, 1)
            self._emit("attempt", purpose="score", outcome="accepted", score=score, **about)
        self.memory.add(solution)
        return solution

    def _tried(self, candidates: list[Candidate]) -> Proposal[Update]:
        """The values to set, of those that were proposed."""
        valid = valid_ones(candidates, all_or_nothing=self.all_or_nothing)
        changes = {each.key(): each for each in reversed(valid) if each.attempt.values}
        distinct = list(changes.values())[::-1]
        if not distinct:
            return self._concluded(next(each.attempt for each in candidates if each.error is None))
        if self.score is None:
            first, *others = sorted(distinct, key=lambda each: self._solution(each.attempt) in self.memory)
            self.pending = [self._by_name(each.attempt.values) for each in others]
            return self._concluded(first.attempt)
        for each in distinct:
            yield from self._scored(self.project(each.attempt.values), candidate=each.number)
        now = {parameter: canonical_repr(parameter._data) for parameter in self.parameters}
        return {each: value for each, value in self.best().items() if canonical_repr(value) != now[each]}

    def _next_pending(self) -> Update | None:
        """A proposal that was not yet tried; None if there is none left."""
        if self.score is not None:
            return None
        while self.pending:
            attempt = Attempt.of(self._by_parameter(self.pending.pop(0)))
            if attempt.values and self._solution(attempt) not in self.memory:
                self._record(attempt, "pending")
                return self._concluded(attempt)
        return None

    def _solution(self, attempt: Attempt) -> Solution:
        return Solution(self._by_name(completed(self.parameters, attempt.values)))

    def _by_name(self, values: Mapping[ParameterNode[Any], Any]) -> dict[str, Any]:
        return {parameter.py_name: value for parameter, value in values.items()}

    def _by_parameter(self, values: Mapping[str, Any]) -> Update:
        return {each: values[each.py_name] for each in self.parameters if each.trainable and each.py_name in values}

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the memory, and what is still to be tried."""
        pending = [dict(values) for values in self.pending]
        return {**super().state_dict(), "memory": self.memory.state(), "pending": pending}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the memory keeps as much of it as its size allows."""
        super().load_state_dict(state)
        self.memory = SolutionMemory.of(self.memory.size, state["memory"])
        self.pending = [dict(values) for values in state["pending"]]


class OPROv2(OPRO):
    """`OPRO` with values in tags, in the prompt and in the answer, so that text and code need no escaping.

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        optimizer_prompt_symbol_set: the headings and tags, and the form of the answer.
        **kwargs: the options of `OPRO`.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        optimizer_prompt_symbol_set: OptimizerPromptSymbolSet | None = None,
        **kwargs: Any,
    ) -> None:
        symbols = OptimizerPromptSymbolSet() if optimizer_prompt_symbol_set is None else optimizer_prompt_symbol_set
        super().__init__(parameters, llm, *args, **{"use_json_object_format": symbols.expect_json, **kwargs})
        self.optimizer_prompt_symbol_set = symbols

    @property
    def form(self) -> PromptForm:
        """The symbol set at work."""
        return TagsForm(self.optimizer_prompt_symbol_set, str)


def _score_and_remark(feedback: Any) -> tuple[float | None, str]:
    """The number in a feedback, if there is one, and what is said beside it."""
    try:
        score = score_of(feedback)
    except TypeError:
        return None, canonical(feedback)
    if math.isnan(score):
        return None, canonical(feedback)
    if isinstance(feedback, (tuple, list)):
        return score, "\n".join(canonical(each) for each in feedback[1:])
    if isinstance(feedback, Mapping):
        return score, "\n".join(canonical(each) for name, each in feedback.items() if name != "score")
    return score, ""


def _verdict(solution: Solution) -> str:
    score = "no score" if solution.score is None else f"score {solution.score:.6g}"
    return f"{score}; {solution.remark}" if solution.remark else score
