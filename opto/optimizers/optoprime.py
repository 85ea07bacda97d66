"""OptoPrime: a language model debugs the traced run, and answers in JSON.

The optimizer of "Trace is the Next AutoDiff" (Cheng, Nie, Swaminathan; arXiv 2406.16218, section 4): the minimal
subgraph is shown as a pseudo-algorithm with its values and its feedback, and the answer names new values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.llm.tokens import accepts_images
from opto.optimizers.asking import conversation, is_replaced
from opto.optimizers.attempts import Attempt
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.drivers import Proposal
from opto.optimizers.forms import JSON_KEYS, JSONForm, PromptForm, checked_names, replace_headings
from opto.optimizers.images import images_of, with_images
from opto.optimizers.limiting import LimitedOptimizer
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.problem import Facts, FunctionFeedback, node_to_function_feedback, problem_names
from opto.optimizers.prompt_limits import SHORT, PromptLimits, note_on_past, past_attempts
from opto.optimizers.rendering import HEADINGS, ProblemInstance
from opto.optimizers.telling import told_later
from opto.optimizers.updates import warn_of_stale_values
from opto.runs import heard

if TYPE_CHECKING:
    from opto.trace.images import Image
    from opto.trace.nodes import ParameterNode

__all__ = ["FunctionFeedback", "OptoPrime", "ProblemInstance", "node_to_function_feedback"]


class OptoPrime(LimitedOptimizer):
    """Shows a language model the traced run and its feedback, and applies what it suggests.

    A step asks once. An answer that cannot be read, and values that do not suit their parameter (the wrong type, a
    broken constraint, code that does not compile), go back to the model once with the reasons; what is still wrong then
    leaves its parameter as it was, with a `SuggestionWarning` and an "attempt" event. An error of the model is raised,
    and changes nothing. A step without feedback asks nothing, warns, and returns {}.

        optimizer = OptoPrime(program.parameters(), memory_size=5)
        optimizer.zero_feedback()
        optimizer.backward(program(x), "The answer should be a number.")
        optimizer.step()

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: an `opto.llm.Model`, or any callable `(messages=[...], **options)` that answers with a text or in the shape
            of an OpenAI chat completion; by default `opto.llm.LLM()`, made when first needed.
        *args: not used.
        propagator: see `Optimizer`.
        objective: what to strive for, in words; by default, to follow the feedback.
        ignore_extraction_error: warn of suggestions that cannot be used; else raise a `SuggestionError`.
        include_example: show the model a solved problem first.
        memory_size: how many past values and feedbacks the model is shown.
        max_prompt_tokens: the most tokens of a prompt, instructions included. Past attempts are left out first, the
            oldest before the others; then the problem gives way, see `opto.optimizers.fitting`. By default the model's
            window without `max_tokens`, where LiteLLM knows it, and no limit for other models.
        images: send images among the values to the model, not only their descriptions; by default if LiteLLM knows the
            model as one that sees. See `opto.trace.Image`.
        max_tokens: the longest answer.
        log: keep the last prompts and answers in `log`, the last problems in `summary_log`.
        prompt_symbols: other headings, by section, such as `{"variables": "#Parameters"}`.
        json_keys: other names of the answer's keys `reasoning`, `answer` and `suggestion`; None drops one of the first
            two.
        use_json_object_format: ask the model's interface for a JSON object; and again without it where it refuses.
        highlight_variables: end the prompt by naming the variables.
        retries: how often an answer that cannot be used goes back to the model.
        all_or_nothing: drop all values of a step when one of them cannot be used.
        format_code: lay out suggested code with black, where black is installed. Turn it off for runs that are replayed
            on machines with another black, or none.
        log_size: how many entries the logs keep.
        seed: goes with each request as its `seed` option, for models that can repeat themselves.
        **kwargs: not used, with a warning.

    Attributes:
        objective: the objective; may be changed between steps.
        memory: the past attempts that the model is shown.
        log: the last exchanges: dicts of `system_prompt`, `user_prompt` and `response`; None without logging.
        summary_log: the last problems: dicts of `problem_instance` and `summary`; None without logging.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        include_example: bool = False,
        memory_size: int = 0,
        images: bool | None = None,
        prompt_symbols: Mapping[str, str] | None = None,
        json_keys: Mapping[str, str | None] | None = None,
        highlight_variables: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, llm, *args, **kwargs)
        self.include_example = include_example
        self.memory: FIFOBuffer[dict[str, str]] = FIFOBuffer(memory_size)
        self.images = images
        self.summary_log: list[dict[str, Any]] | None = None if self.log is None else []
        self.prompt_symbols: dict[str, str] = checked_names("prompt_symbols", prompt_symbols, HEADINGS)
        self.json_keys: dict[str, str | None] = checked_names("json_keys", json_keys, JSON_KEYS, "reasoning", "answer")
        self.highlight_variables = highlight_variables

    @property
    def form(self) -> PromptForm:
        """How the problem is written and the answer is read."""
        return JSONForm(self.prompt_symbols, self.json_keys)

    # ---- the problem

    _words_problem = True

    def summarize(self) -> FunctionFeedback:
        """The facts of all feedback that the parameters have, with the roots parted into `variables` and `inputs`.

        Nodes are named for a prompt: numbered within this problem, except that parameters keep their `py_name`.

        Warns:
            StaleValueWarning: a parameter has changed since the forward pass.
        """
        graph = self.trace_graph
        warn_of_stale_values(self.parameters, graph)
        nodes = [node for _, node in graph]
        names = problem_names(nodes)
        summary = node_to_function_feedback(graph, names=names)
        mine = set(map(id, self._free()))
        variables = {names[id(node)] for node in nodes if id(node) in mine}
        for name, fact in summary.roots.items():
            (summary.variables if name in variables else summary.inputs)[name] = fact
        return summary

    def problem_instance(self, summary: FunctionFeedback, mask: Iterable[str] | None = None) -> ProblemInstance:
        """The problem in words, within the tokens that a prompt may have.

        Args:
            summary: from `summarize`.
            mask: headings of sections to leave blank, such as `["#Code", "#Others"]`.

        Raises:
            PromptTooLongError: not even the least that must be shown fits.
        """
        draft = self.form.draft(summary, self.objective, mask)
        return self._limits(summary).fitted(draft, *self._around(summary), note_on_past(self.memory))

    def construct_prompt(
        self, summary: FunctionFeedback, mask: Iterable[str] | None = None, *args: Any, **kwargs: Any
    ) -> tuple[str, str]:
        """The system message and the user message; the problem goes into the logs and the memory."""
        problem = self.problem_instance(summary, mask)
        system, example, question = self._around(summary)
        text = str(problem)
        user = f"{example}{self._past(summary, system, example, text, question)}{text}\n\n{question}"
        if heard():
            self._tell_problem(told_later(summary), user, text)
        if self.summary_log is not None:
            self._keep(self.summary_log, {"problem_instance": problem, "summary": summary})
        self.memory.add({"variables": problem.variables, "feedback": problem.feedback})
        return system, user

    def replace_symbols(self, text: str, symbols: Mapping[str, str]) -> str:
        """The text with the published headings replaced, by section."""
        return replace_headings(text, symbols)

    def _question(self, summary: FunctionFeedback) -> str:
        if self.highlight_variables:
            return f"What are your suggestions on variables {', '.join(summary.variables)}?"
        return "Your response:"

    def _around(self, summary: FunctionFeedback) -> tuple[str, str, str]:
        """What a prompt has besides the problem and the past: the instructions, the example, the question."""
        example = self.form.example(self.objective) if self.include_example else ""
        return self.form.instructions(), example, self._question(summary)

    def _past(self, summary: FunctionFeedback, *around: str) -> str:
        """The past attempts, as many as there is room for beside the rest of the prompt."""
        if not len(self.memory):
            return ""
        variables, feedback = self.form.headings["variables"], self.form.headings["feedback"]
        attempts = [f"{variables}\n{past['variables']}\n{feedback}\n{past['feedback']}" for past in self.memory]
        limits = self._limits(summary)
        short = self.max_prompt_tokens is None and sum(map(len, (*attempts, *around))) <= SHORT
        return past_attempts(attempts, None if short or not attempts else limits.left(*around), limits)

    def _limits(self, summary: FunctionFeedback | None = None) -> PromptLimits:
        limits = super()._limits()
        limits.images = len(self._images(summary)) if summary is not None else 0
        return limits

    def _images(self, summary: FunctionFeedback) -> list[tuple[str, Image]]:
        """The images that go with the prompt."""
        if self.images is False or is_replaced(self, "call_llm"):
            return []
        found = images_of(summary, self.max_prompt_tokens)
        return found if found and (self.images or accepts_images(self._answering_model())) else []

    # ---- stepping

    def _propose(
        self, verbose: bool | str = False, mask: Iterable[str] | None = None, *args: Any, **kwargs: Any
    ) -> Proposal[Update]:
        """Ask the model for new values.

        Args:
            verbose: print the prompt and the answer; `"output"` for the answer alone.
            mask: headings of sections to leave blank.
            *args: not used.
            **kwargs: not used.
        """
        summary = self.summarize()
        if not summary.variables:
            return self._nothing_to_do()
        remembered = list(self.memory)
        try:
            messages = conversation(*self.construct_prompt(summary, mask=mask))
            if images := self._images(summary):
                messages[1]["content"] = with_images(messages[1]["content"], images)
            return self._concluded((yield from self._answer(messages, verbose)))
        except BaseException:
            self.memory = FIFOBuffer(self.memory.size, remembered)  # the step will be taken again, if at all
            raise

    def _answer(self, messages: list[dict[str, Any]], verbose: bool | str) -> Proposal[Attempt]:
        """What the model makes of the problem; a subclass may ask more than once."""
        return (yield from self._attempts(messages, verbose))

    # ---- keeping

    def remember(self, values: Mapping[ParameterNode[Any], Any], remarks: Iterable[Any]) -> None:
        """Take what was said of other values into the memory, as if the model had been asked about them.

        Args:
            values: of the parameters; those of others are left out.
            remarks: on outputs that came of them; equal ones count once.
        """
        mine = set(map(id, self.parameters))
        facts: Facts = {each.py_name: (value, None) for each, value in values.items() if id(each) in mine}
        said = "\n".join(dict.fromkeys(map(str, remarks)))
        if facts and said:
            self.memory.add({"variables": self.form.values(facts, "variables"), "feedback": self.form.inert(said)})

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimizer:
        """As in `Optimizer`; the logged problems, which hold the program's own values, are shared."""
        memo.update({id(entry): entry for entry in self.summary_log or ()})
        return super().__deepcopy__(memo)

    def state_dict(self) -> dict[str, Any]:
        """Also the memory."""
        return {**super().state_dict(), "memory": [dict(past) for past in self.memory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the memory keeps as much of it as its size allows."""
        super().load_state_dict(state)
        texts = ("variables", "feedback")
        remembered = [{**past, **{name: str(past[name]) for name in texts}} for past in state["memory"]]
        self.memory = FIFOBuffer(self.memory.size, remembered)
