"""TextGrad: criticism is passed backward node by node, as gradients are, and each parameter is rewritten by its own.

The method of "TextGrad: Automatic 'Differentiation' via Text" (Yuksekgonul et al.; arXiv 2406.07496).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opto.errors import ModelResponseError
from opto.optimizers import prompts
from opto.optimizers.asking import ThroughCallLLM, conversation, is_replaced
from opto.optimizers.attempts import Attempt
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.cutting import cut, left_out
from opto.optimizers.drivers import Proposal, Request, together
from opto.optimizers.formats import strip_thinking
from opto.optimizers.forms import PromptForm
from opto.optimizers.limiting import LimitedOptimizer
from opto.optimizers.narrowing import LEAST, narrowed, values_within
from opto.optimizers.problem import FunctionFeedback, node_to_function_feedback, problem_names
from opto.optimizers.rendering import truncate_expression
from opto.optimizers.symbols import OptimizerPromptSymbolSet, TagsForm
from opto.optimizers.textual_gradients import Edge, Gradients, Path, joined, passes_on
from opto.optimizers.updates import warn_of_stale_values
from opto.trace.nodes import ExceptionNode, get_op_name

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Update
    from opto.optimizers.problem import Facts
    from opto.trace.nodes import Node, ParameterNode

__all__ = ["TextGrad"]

_Messages = list[dict[str, Any]]
_LONGEST = 1 << 20
_READABLE = 200
"""Values are cut to this many characters before other inputs are left out."""

_LABELS = re.compile(r"^[A-Z][^$\n]*:", re.MULTILINE)


@functools.cache
def _labels() -> tuple[str, ...]:
    """What begins a part of the prompts."""
    prompt = "\n".join(prompts.load(name) for name in ("textgrad_backward.txt", "textgrad_update.txt"))
    return tuple(_LABELS.findall(prompt))


@dataclass(frozen=True)
class _Run:
    """The traced run on its way back: its facts, and the criticism so far."""

    path: Path
    gradients: Gradients
    facts: FunctionFeedback
    names: Mapping[int, str]
    values: Facts


class TextGrad(LimitedOptimizer):
    """Passes criticism from the outputs to the parameters, one call of the program at a time, and rewrites each by it.

    The feedback is the criticism of the output. For each call between an output and a parameter, the model sees the
    call, its values and the criticism of its result, and criticizes an input; a node that went into several calls
    collects from all of them. All calls that are equally far from the outputs are asked about at once: a graph takes as
    many rounds as it has calls on its longest way, however wide it is. Calls that lead to no parameter are not asked
    about. Then every parameter with criticism is rewritten, all in one round, each by a request of its own. An error of
    the model anywhere is raised, and changes nothing.

        optimizer = TextGrad(program.parameters(), gradient_memory=3, constraints=["At most 100 words."])
        optimizer.zero_feedback()
        optimizer.backward(program(x), "The answer is right, but too long.")
        optimizer.step()

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        max_tokens: the longest answer.
        log: keep the last prompts and answers of updates in `log`.
        constraints: sentences that every new value must satisfy; a parameter's own description and constraint count
            anyway.
        in_context_examples: good values, to show what is wanted.
        gradient_memory: momentum: of how many past steps a parameter's criticism is shown again.
        value_limit: how many characters of a value are shown when an input is criticized.
        gradient_limit: how many characters of the criticism of one node are shown.
        max_prompt_tokens: the most tokens of a prompt, as in `OptoPrime`. When an input is criticized, the middles of
            values give way first, then documentation, other inputs, and the middles of criticism; when a parameter is
            rewritten, past criticism does, then the examples, and the middles of criticism and of the parameter, which
            is not cut otherwise. Wherever something is missing, the prompt says so.
        **kwargs: the other options of `SuggestingOptimizer`: `objective`, `retries`, `all_or_nothing`...

    Attributes:
        gradients: the criticism of each parameter in the last step, by `py_name`.
        memory: the same of past steps, for the momentum.
    """

    default_objective = "textgrad_objective.txt"

    def __init__(  # noqa: PLR0913  # the published options, and its own
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        max_tokens: int = 4096,
        log: bool = False,
        constraints: Iterable[str] = (),
        in_context_examples: Iterable[str] = (),
        gradient_memory: int = 0,
        value_limit: int = 2000,
        gradient_limit: int = 20_000,
        **kwargs: Any,
    ) -> None:
        options = {"use_json_object_format": False, **kwargs}
        super().__init__(parameters, llm, *args, max_tokens=max_tokens, log=log, **options)
        self.constraints = _checked_texts("constraints", constraints)
        self.in_context_examples = _checked_texts("in_context_examples", in_context_examples)
        self.value_limit = value_limit
        self.gradient_limit = gradient_limit
        self.gradients: dict[str, list[str]] = {}
        self.memory: FIFOBuffer[dict[str, list[str]]] = FIFOBuffer(gradient_memory)

    @property
    def form(self) -> PromptForm:
        """How the parameter is written and the answer is read."""
        return TagsForm(OptimizerPromptSymbolSet(), str, marks=_labels())

    # ---- stepping

    def _propose(self, verbose: bool | str = False, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Pass the feedback back, and rewrite the parameters.

        Args:
            verbose: print the prompts and the answers of the updates; `"output"` for the answers alone.
            *args: not used.
            **kwargs: not used.
        """
        graph = self.trace_graph
        path = Path(graph, self._free())
        if not path.free:
            return self._nothing_to_do()
        warn_of_stale_values(self.parameters, graph)
        names = problem_names([node for _, node in graph])
        facts = node_to_function_feedback(graph, names=names)
        values = {**facts.roots, **facts.others, **facts.output}
        run = _Run(path, Gradients(graph), facts, names, values)
        for nodes in path.rounds():
            yield from self._pass_back(run, nodes)
        collected = {parameter: run.gradients.of(parameter) for parameter in path.free}
        criticized = {parameter: texts for parameter, texts in collected.items() if texts}
        attempts = yield from together(
            [self._update(parameter, texts, facts, verbose) for parameter, texts in criticized.items()]
        )
        self.gradients = {parameter.py_name: texts for parameter, texts in criticized.items()}
        self.memory.add(self.gradients)
        return self._concluded(_one_of(attempts))

    def _pass_back(self, run: _Run, nodes: list[Node[Any]]) -> Proposal[None]:
        """One round: the criticism of the inputs of some nodes."""
        edges = []
        for node in nodes:
            texts = run.gradients.of(node)
            if not passes_on(node):
                edges += run.path.edges[node] if texts else []
                continue
            for edge in run.path.edges[node]:
                for text in texts:
                    run.gradients.add(edge.parent, text)
        if not edges:
            return
        system = prompts.load("textgrad_backward_system.txt")
        limits = self._limits()
        asked = [limits.first_fitting(self._about_edge(system, edge, run), spared=0) for edge in edges]
        answers = yield from together([self._criticism(messages) for messages in asked])
        for edge, text in zip(edges, answers, strict=True):
            run.gradients.add(edge.parent, text)

    def _criticism(self, messages: list[dict[str, Any]]) -> Proposal[str]:
        model = ThroughCallLLM(self, False) if is_replaced(self, "call_llm") else None
        options = {"max_tokens": self.max_tokens, **self._seed_option()}
        [reply] = yield [Request(messages, options, model=model, purpose="gradient")]
        text = strip_thinking(reply.text).strip()
        if not text:
            raise ModelResponseError("the model was asked for the criticism of an input, and gave an empty answer")
        return text

    def _update(
        self, parameter: ParameterNode[Any], texts: list[str], facts: FunctionFeedback, verbose: bool | str
    ) -> Proposal[Attempt]:
        messages = self._limits().first_fitting(self._about_parameter(parameter, texts, facts))
        return (yield from self._attempts(messages, verbose, purpose="update", only=[parameter]))

    # ---- prompts

    def _about_edge(self, system: str, edge: Edge, run: _Run) -> Iterator[_Messages]:
        """Drafts of the request for the criticism of an input."""
        child, names, values = edge.child, run.names, run.values
        name, target = names[id(child)], names[id(edge.parent)]
        arguments = {key: names[id(parent)] for key, parent in child._inputs.items()}
        given = dict.fromkeys([*arguments.values(), target])
        function = _function_name(child)
        said = run.facts.documentation.get(function) or "(nothing is said of it)"
        call = f"{name} = {function}({', '.join(f'{key}={value}' for key, value in arguments.items())})"
        criticism = run.gradients.of(child)

        def write(limits: dict[str, int]) -> _Messages:
            shown = [target, *[each for each in given if each != target][: limits["inputs"] - 1]]
            inputs = self._values({each: values[each] for each in given if each in set(shown)}, limits["values"])
            missing = [left_out(len(given) - len(shown), "values")] if len(shown) < len(given) else []
            user = prompts.fill(
                "textgrad_backward.txt",
                objective=self.objective,
                call=cut(call, limits["call"]),
                documentation=self._inert(cut(said, limits["documentation"])),
                inputs="\n\n".join([inputs, *missing]),
                output=self._values({name: values[name]}, limits["values"]),
                gradients=self._inert(joined(criticism, limits["gradients"])),
                target=target,
            )
            return conversation(system, user)

        return narrowed(
            write,
            ("values", self.value_limit if self.value_limit >= 0 else _LONGEST, _READABLE),
            ("documentation", len(said), LEAST),
            ("inputs", len(given), 1),
            ("values", 0, LEAST),
            ("call", len(call), LEAST),
            ("gradients", min(self.gradient_limit, max(sum(map(len, criticism)), 1)), LEAST),
        )

    def _inert(self, text: str) -> str:
        """A text that cannot pass for a part of the prompt."""
        return TagsForm(OptimizerPromptSymbolSet(), str, marks=_labels()).inert(text)

    def _values(self, facts: Facts, limit: int) -> str:
        """Values in about `limit` characters each; below `value_limit`, what is said of them too."""
        form = TagsForm(OptimizerPromptSymbolSet(), lambda text: truncate_expression(text, limit), marks=_labels())
        if limit == self.value_limit:
            return form.values(facts, "inputs")
        return values_within(form, facts, "inputs", limit)

    def _update_system(self, parameter: ParameterNode[Any]) -> str:
        example = self.form.answer(prompts.load("textgrad_reasoning.txt"), {parameter.py_name: "the new value"})
        return prompts.fill("textgrad_update_system.txt", format=example)

    def _about_parameter(
        self, parameter: ParameterNode[Any], texts: list[str], facts: FunctionFeedback
    ) -> Iterator[_Messages]:
        """Drafts of the request for a new value."""
        name = parameter.py_name
        system = self._update_system(parameter)
        value = {name: facts.roots[name]}
        past = [text for step in self.memory for text in step.get(name, ())]
        constraints = "\n".join(f"- {each}" for each in self.constraints)
        examples = "\n\n".join(self.in_context_examples)

        def write(limits: dict[str, int]) -> _Messages:
            user = prompts.fill(
                "textgrad_update.txt",
                objective=self.objective,
                variable=values_within(self.form, value, "variables", limits["variable"]),
                gradients=self._inert(joined(texts, limits["gradients"])),
                constraints=_part("textgrad_constraints.txt", constraints=constraints),
                examples=_part("textgrad_examples.txt", examples=cut(examples, limits["examples"])),
                past=_part("textgrad_past.txt", past=self._inert(joined(past, limits["past"], latest=True))),
            )
            return conversation(system, user)

        return narrowed(
            write,
            ("past", min(self.gradient_limit, sum(map(len, past))), 0),
            ("examples", len(examples), LEAST),
            ("gradients", min(self.gradient_limit, max(sum(map(len, texts)), 1)), LEAST),
            ("variable", len(self.form.values(value, "variables")), LEAST),
        )

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the criticism that the momentum is of."""
        return {**super().state_dict(), "memory": [dict(step) for step in self.memory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the memory keeps as much of it as its size allows."""
        super().load_state_dict(state)
        steps = [{name: [str(text) for text in texts] for name, texts in step.items()} for step in state["memory"]]
        self.memory = FIFOBuffer(self.memory.size, steps)


def _one_of(attempts: list[Attempt]) -> Attempt:
    """The attempts at different parameters as one."""
    whole = Attempt()
    failures = [attempt.failure for attempt in attempts if attempt.failure]
    for attempt in attempts:
        whole.values.update(attempt.values)
        whole.rejected.update(attempt.rejected)
    whole.failure = "; ".join(failures) or None
    return whole


def _part(prompt: str, **text: str) -> str:
    """A part of a prompt, on lines of its own; nothing if there is nothing to say."""
    return prompts.fill(prompt, **text) + "\n" if any(text.values()) else ""


def _function_name(node: Node[Any]) -> str:
    name = (node.info or {}).get("fun_name") if isinstance(node, ExceptionNode) else None
    return str(name or get_op_name(node._description))


def _checked_texts(argument: str, texts: Iterable[str]) -> list[str]:
    kept = [texts] if isinstance(texts, str) else list(texts)
    for each in kept:
        if not isinstance(each, str):
            raise TypeError(f"{argument} must be sentences, got {each!r}.")
    return kept
