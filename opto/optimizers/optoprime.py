"""OptoPrime: a language model debugs the traced run, and answers in JSON.

The optimizer of "Trace is the Next AutoDiff" (Cheng, Nie, Swaminathan; arXiv 2406.16218, section 4): the minimal
subgraph is shown as a pseudo-algorithm with its values and its feedback, and the answer names new values.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import ReplayError, SuggestionError, SuggestionWarning, UnreachedFeedbackWarning
from opto.optimizers import prompts
from opto.optimizers.asking import ThroughCallLLM, conversation, is_replaced, may_refuse_format, user_text
from opto.optimizers.attempts import Attempt
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.canonical import plain
from opto.optimizers.drivers import Proposal, Reply, Request, describe, run
from opto.optimizers.formats import strip_thinking
from opto.optimizers.forms import JSON_KEYS, JSONForm, PromptForm, checked_names, replace_headings
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.problem import FunctionFeedback, node_to_function_feedback, problem_names
from opto.optimizers.rendering import HEADINGS, ProblemInstance
from opto.optimizers.suggestions import convert, find_suggestion, format_code
from opto.optimizers.utils import print_color

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator

__all__ = ["FunctionFeedback", "OptoPrime", "ProblemInstance", "node_to_function_feedback"]

_TERMINATE = "TERMINATE"


class OptoPrime(Optimizer):
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
        **kwargs: not used, with a warning.

    Attributes:
        objective: the objective; may be changed between steps.
        memory: the past attempts that the model is shown.
        log: the last exchanges: dicts of `system_prompt`, `user_prompt` and `response`; None without logging.
        summary_log: the last problems: dicts of `problem_instance` and `summary`; None without logging.
    """

    def __init__(  # noqa: PLR0913  # the published signature
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        propagator: Propagator | None = None,
        objective: str | None = None,
        ignore_extraction_error: bool = True,
        include_example: bool = False,
        memory_size: int = 0,
        max_tokens: int = 4096,
        log: bool = True,
        prompt_symbols: Mapping[str, str] | None = None,
        json_keys: Mapping[str, str | None] | None = None,
        use_json_object_format: bool = True,
        highlight_variables: bool = False,
        retries: int = 1,
        all_or_nothing: bool = False,
        format_code: bool = True,
        log_size: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, *args, propagator=propagator, **kwargs)
        self.llm = llm
        self.objective = prompts.load("objective.txt") if objective is None else objective
        self.ignore_extraction_error = ignore_extraction_error
        self.include_example = include_example
        self.memory: FIFOBuffer[dict[str, str]] = FIFOBuffer(memory_size)
        self.max_tokens = max_tokens
        self.log: list[dict[str, Any]] | None = [] if log else None
        self.summary_log: list[dict[str, Any]] | None = [] if log else None
        self.log_size = log_size
        self.prompt_symbols: dict[str, str] = checked_names("prompt_symbols", prompt_symbols, HEADINGS)
        self.json_keys: dict[str, str | None] = checked_names("json_keys", json_keys, JSON_KEYS, "reasoning", "answer")
        self.use_json_object_format = use_json_object_format
        self.highlight_variables = highlight_variables
        self.retries = retries
        self.all_or_nothing = all_or_nothing
        self.format_code = format_code

    @property
    def form(self) -> PromptForm:
        """How the problem is written and the answer is read."""
        return JSONForm(self.prompt_symbols, self.json_keys)

    # ---- the problem

    def summarize(self) -> FunctionFeedback:
        """The facts of all feedback that the parameters have, with the roots parted into `variables` and `inputs`.

        Nodes are named for a prompt: numbered within this problem, except that parameters keep their `py_name`.

        Warns:
            StaleValueWarning: a parameter has changed since the forward pass.
        """
        graph = self.trace_graph
        self._warn_of_stale_values(graph)
        nodes = [node for _, node in graph]
        names = problem_names(nodes)
        summary = node_to_function_feedback(graph, names=names)
        mine = {id(parameter) for parameter in self.parameters if parameter.trainable}
        variables = {names[id(node)] for node in nodes if id(node) in mine}
        for name, fact in summary.roots.items():
            (summary.variables if name in variables else summary.inputs)[name] = fact
        return summary

    def problem_instance(self, summary: FunctionFeedback, mask: Iterable[str] | None = None) -> ProblemInstance:
        """The problem in words.

        Args:
            summary: from `summarize`.
            mask: headings of sections to leave blank, such as `["#Code", "#Others"]`.
        """
        return self.form.problem(summary, self.objective).masked(mask)

    def construct_prompt(
        self, summary: FunctionFeedback, mask: Iterable[str] | None = None, *args: Any, **kwargs: Any
    ) -> tuple[str, str]:
        """The system message and the user message; the problem goes into the logs and the memory."""
        problem = self.problem_instance(summary, mask)
        example = self.form.example(self.objective) if self.include_example else ""
        user = f"{example}{self._past()}{problem}\n\n{self._question(summary)}"
        if self.summary_log is not None:
            self._keep(self.summary_log, {"problem_instance": problem, "summary": summary})
        self.memory.add({"variables": problem.variables, "feedback": problem.feedback})
        return self.form.instructions(), user

    def replace_symbols(self, text: str, symbols: Mapping[str, str]) -> str:
        """The text with the published headings replaced, by section."""
        return replace_headings(text, symbols)

    def _question(self, summary: FunctionFeedback) -> str:
        if self.highlight_variables:
            return f"What are your suggestions on variables {', '.join(summary.variables)}?"
        return "Your response:"

    def _past(self) -> str:
        if not len(self.memory):
            return ""
        variables, feedback = self.form.headings["variables"], self.form.headings["feedback"]
        attempts = "\n\n".join(
            f"{variables}\n{past['variables']}\n{feedback}\n{past['feedback']}" for past in self.memory
        )
        return prompts.fill("memory.txt", attempts=attempts) + "\n\n"

    # ---- asking

    def call_llm(
        self, system_prompt: str, user_prompt: str, verbose: bool | str = False, max_tokens: int = 4096
    ) -> str:
        """Ask the model now, and return the text of its answer. Override it to answer in the model's place.

        Asks for a JSON object first if `use_json_object_format`, and again without when that is refused.
        """
        messages = conversation(system_prompt, user_prompt)
        self._show(messages, verbose)
        asked = self._ask(messages, "propose", max_tokens=max_tokens)
        text = run(asked, self._answering_model, self._about()).text
        self._show_answer(text, verbose)
        return text

    def _ask(
        self, messages: list[dict[str, Any]], purpose: str, *, max_tokens: int, model: Any = None
    ) -> Generator[list[Request], list[Reply], Reply]:
        options: dict[str, Any] = {"max_tokens": max_tokens}
        if self.use_json_object_format and model is None:
            with_format = {**options, "response_format": {"type": "json_object"}}
            [first] = yield [Request(messages, with_format, purpose=purpose)]
            if first.error is None or not may_refuse_format(first.error):
                return first
            [reply] = yield [Request(messages, options, purpose=purpose)]
            # A recording that lacks both requests should tell of the one that was meant.
            return first if reply.error and isinstance(first.error, ReplayError) else reply
        [reply] = yield [Request(messages, options, model=model, purpose=purpose)]
        return reply

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
            warnings.warn(
                f"{type(self).__name__} has nothing to do: none of its trainable parameters has feedback. "
                "Call optimizer.backward(output, feedback) before step().",
                UnreachedFeedbackWarning,
                stacklevel=2,
            )
            return {}
        remembered = list(self.memory)
        try:
            messages = conversation(*self.construct_prompt(summary, mask=mask))
            attempt = yield from self._attempts(messages, verbose)
            return self._concluded(attempt)
        except BaseException:
            self.memory = FIFOBuffer(self.memory.size, remembered)  # the step will be taken again, if at all
            raise

    def _attempts(
        self, messages: list[dict[str, Any]], verbose: bool | str
    ) -> Generator[list[Request], list[Reply], Attempt]:
        """Ask, and let the model put right what cannot be used."""
        attempt, text = yield from self._attempt(messages, "propose", verbose)
        for _ in range(self.retries):
            if not attempt.reasons:
                break
            repair = prompts.fill("repair.txt", reasons="\n".join(f"- {reason}" for reason in attempt.reasons))
            messages = [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": repair}]
            try:
                later, text = yield from self._attempt(messages, "repair", verbose)
            except ReplayError:  # a replay must not go another way than the run that was recorded
                raise
            except Exception:  # on record; the first answer stands, as far as it could be used
                break
            attempt = attempt.then(later)
        return attempt

    def _attempt(
        self, messages: list[dict[str, Any]], purpose: str, verbose: bool | str
    ) -> Generator[list[Request], list[Reply], tuple[Attempt, str]]:
        """Ask once, and read the answer."""
        model = ThroughCallLLM(self, verbose) if is_replaced(self, "call_llm") else None
        if model is None:
            self._show(messages, verbose)
        reply = yield from self._ask(messages, purpose, max_tokens=self.max_tokens, model=model)
        try:
            text = reply.text
        except Exception as error:
            self._emit("attempt", purpose=purpose, outcome="failed", reason=describe(error))
            raise
        if model is None:
            self._show_answer(text, verbose)
        if self.log is not None:
            entry = {"system_prompt": messages[0]["content"], "user_prompt": user_text(messages), "response": text}
            self._keep(self.log, entry)
        attempt = self._read(text, was_cut=reply.was_cut)
        self._record(attempt, purpose)
        return attempt, text

    # ---- reading the answer

    def extract_llm_suggestion(self, response: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The suggestion in an answer: new values by name, {} when there is none.

        Takes the object under the suggestion key, or the whole object when there is no such key or no object under it.
        """
        return self.form.suggestion(strip_thinking(response))

    def construct_update_dict(self, suggestion: Mapping[str, Any]) -> Update:
        """The suggested values by parameter, in the type of the present value.

        Names that are no trainable parameter's are ignored. A value that cannot be converted stays as it is; `step`
        does not apply it.
        """
        update: Update = {}
        for parameter, raw in find_suggestion(self.parameters, suggestion).items():
            try:
                value = convert(parameter, raw)
            except SuggestionError:
                value = raw
            if self.format_code and isinstance(value, str) and "def " in value:
                value = format_code(value)
            update[parameter] = value
        return update

    def _suggested(self, text: str) -> Mapping[str, Any]:
        """New values by name."""
        return self.extract_llm_suggestion(text)

    def _read(self, text: str, *, was_cut: bool) -> Attempt:
        answer = strip_thinking(text)
        if _TERMINATE in answer:
            return Attempt()
        if was_cut or (not is_replaced(self, "extract_llm_suggestion") and not self.form.is_complete(answer)):
            return Attempt(failure=f"the answer breaks off; it may have {self.max_tokens} tokens at most")
        suggestion = self._suggested(text)
        update = self.construct_update_dict(suggestion)
        if update:
            return Attempt.of(update)
        if self.form.suggests_nothing(answer):
            return Attempt()
        if suggestion:
            known = ", ".join(parameter.py_name for parameter in self.parameters[:20] if parameter.trainable)
            named = ", ".join(map(str, suggestion))
            return Attempt(failure=f"it suggests values for {named[:200]}, but the variables are {known}")
        return Attempt(failure="no suggestion could be read from the answer; it does not have the form asked for")

    # ---- concluding

    def _accept(self, update_dict: Update) -> Update:
        """Only values that their parameters can take, whoever proposed them."""
        attempt = Attempt.of(update_dict)
        if attempt.reasons:
            self._record(attempt, "apply")
            return self._concluded(attempt)
        return attempt.values

    def _concluded(self, attempt: Attempt) -> Update:
        if not attempt.reasons:
            return attempt.values
        kept = {} if self.all_or_nothing else attempt.values
        message = "A suggestion was not applied: " + "; ".join(attempt.reasons)
        if not self.ignore_extraction_error:
            raise SuggestionError(message)
        warnings.warn(message, SuggestionWarning, stacklevel=2)
        return kept

    def _record(self, attempt: Attempt, purpose: str) -> None:
        self._emit(
            "attempt",
            purpose=purpose,
            outcome=attempt.outcome,
            reason="; ".join(attempt.reasons) or None,
            values={parameter.py_name: plain(value) for parameter, value in attempt.values.items()},
            rejected=dict(attempt.rejected),
        )

    def _keep(self, log: list[dict[str, Any]], entry: dict[str, Any]) -> None:
        log.append(entry)
        del log[: -self.log_size or None]

    def _show(self, messages: list[dict[str, Any]], verbose: bool | str) -> None:
        if verbose and verbose != "output":
            print_color(f"Prompt\n{messages[0]['content']}\n\n{user_text(messages)}\n")

    def _show_answer(self, text: str, verbose: bool | str) -> None:
        if verbose:
            print_color(f"Response\n{text}\n")

    # ---- keeping

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimizer:
        """As in `Optimizer`; the logged problems, which hold the program's own values, are shared."""
        memo.update({id(entry): entry for entry in self.summary_log or ()})
        return super().__deepcopy__(memo)

    def state_dict(self) -> dict[str, Any]:
        """Also the objective and the memory."""
        return {**super().state_dict(), "objective": self.objective, "memory": [dict(past) for past in self.memory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the memory keeps as much of it as its size allows."""
        super().load_state_dict(state)
        self.objective = state["objective"]
        self.memory = FIFOBuffer(self.memory.size, [dict(past) for past in state["memory"]])
