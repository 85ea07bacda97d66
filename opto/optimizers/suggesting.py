"""What optimizers share that ask a model for new values: asking, reading the answer, repair, and what is applied."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import ReplayError, SuggestionError, SuggestionWarning, UnreachedFeedbackWarning
from opto.optimizers import prompts
from opto.optimizers.asking import (
    ThroughCallLLM,
    content_text,
    conversation,
    is_replaced,
    may_refuse_format,
    repair_turn,
    user_text,
)
from opto.optimizers.attempts import Attempt
from opto.optimizers.drivers import Reply, Request, describe, run
from opto.optimizers.formats import strip_thinking
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.reading import read_attempt
from opto.optimizers.schema import is_typed, keeps_to_schemas, response_format, suggestion_schema
from opto.optimizers.suggestions import convert, find_suggestion, format_code
from opto.optimizers.utils import print_color
from opto.runs import Deferred, heard, tell

if TYPE_CHECKING:
    from opto.optimizers.forms import PromptForm
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator

__all__ = ["SuggestingOptimizer"]


class SuggestingOptimizer(Optimizer):
    """An optimizer whose new values are read out of a model's answer.

    A subclass says in `form` how answers are read, and in `_propose` what is asked. `_attempts` asks, reads the answer,
    and lets the model put right once what cannot be used; `_concluded` gives the values of what came of it:

        class Polite(SuggestingOptimizer):
            '''Asks for more polite texts, in the JSON form.'''

            form = JSONForm(HEADINGS, JSON_KEYS)

            def _propose(self, verbose=False):
                texts = "; ".join(f"{each.py_name}: {each.data}" for each in self.parameters)
                messages = conversation("Make texts polite.", f'{texts}. Answer {{"suggestion": {{name: text}}}}.')
                return self._concluded((yield from self._attempts(messages, verbose)))

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: an `opto.llm.Model`, or any callable `(messages=[...], **options)` that answers with a text or in the shape
            of an OpenAI chat completion; by default `opto.llm.LLM()`, made when first needed.
        *args: not used.
        propagator: see `Optimizer`.
        objective: what to strive for, in words; by default the text of the prompt file that the class names.
        ignore_extraction_error: warn of suggestions that cannot be used; else raise a `SuggestionError`.
        max_tokens: the longest answer.
        log: keep the last prompts and answers in `log`.
        use_json_object_format: ask the model's interface for a JSON object; and again without it where it refuses.
        structured_output: give the model's interface a JSON schema of the answer, where the form of the answer is JSON;
            and where it is refused, go on as without. By default for typed parameters (see `opto.optimizers.schema`),
            if LiteLLM knows the model as one that keeps to schemas.
        retries: how often an answer that cannot be used goes back to the model.
        all_or_nothing: drop all values of a step when one of them cannot be used.
        format_code: lay out suggested code with black, where black is installed. Turn it off for runs that are replayed
            on machines with another black, or none.
        log_size: how many entries the logs keep.
        seed: goes with each request as its `seed` option, another one for each, for models that can repeat themselves.
        **kwargs: `budget` and `run_dir`, see `Optimizer`; others are not used, with a warning.

    Attributes:
        objective: the objective; may be changed between steps.
        log: the last exchanges: dicts of `system_prompt`, `user_prompt` and `response`; None without logging.
    """

    default_objective = "objective.txt"
    """The prompt file with the objective to use when none is given."""

    def __init__(  # noqa: PLR0913  # the options of all that ask
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        propagator: Propagator | None = None,
        objective: str | None = None,
        ignore_extraction_error: bool = True,
        max_tokens: int = 4096,
        log: bool = True,
        use_json_object_format: bool = True,
        structured_output: bool | None = None,
        retries: int = 1,
        all_or_nothing: bool = False,
        format_code: bool = True,
        log_size: int = 100,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, *args, propagator=propagator, **kwargs)
        self.llm = llm
        self.objective = prompts.load(self.default_objective) if objective is None else objective
        self.ignore_extraction_error = ignore_extraction_error
        self.max_tokens = max_tokens
        self.log: list[dict[str, Any]] | None = [] if log else None
        self.log_size = log_size
        self.use_json_object_format = use_json_object_format
        self.structured_output = structured_output
        self.retries = retries
        self.all_or_nothing = all_or_nothing
        self.format_code = format_code
        self.seed = seed
        self._seeded = (0, 0)

    @property
    @abstractmethod
    def form(self) -> PromptForm:
        """How the problem is written and the answer is read."""

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
        self,
        messages: list[dict[str, Any]],
        purpose: str,
        *,
        max_tokens: int,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
        only: Iterable[ParameterNode[Any]] | None = None,
    ) -> Generator[list[Request], list[Reply], Reply]:
        options = {"max_tokens": max_tokens, **self._seed_option(), **(options or {})}
        formats: list[dict[str, Any]] = []
        if not isinstance(model, ThroughCallLLM):
            formats = [*self._schema_format(model, only), *([{"type": "json_object"}] * self.use_json_object_format)]
        first: Reply | None = None
        for wanted in formats:
            with_format = {**options, "response_format": wanted}
            [reply] = yield [Request(messages, with_format, model=model, purpose=purpose)]
            first = first or reply
            if reply.error is None or not may_refuse_format(reply.error):
                return reply
        [reply] = yield [Request(messages, options, model=model, purpose=purpose)]
        # A recording that lacks all of these requests should tell of the one that was meant.
        return first if first and reply.error and isinstance(first.error, ReplayError) else reply

    def _schema_format(self, model: Any, only: Iterable[ParameterNode[Any]] | None) -> list[dict[str, Any]]:
        """The `response_format` with the schema of the answer, if that is wanted; else nothing."""
        if self.structured_output is False:
            return []
        asked = [each for each in self.parameters if each._feedback] or self.parameters  # whatever it is, unread
        free = [each for each in (asked if only is None else only) if each.trainable]
        if self.structured_output is None:
            if not any(map(is_typed, free)):
                return []
            from opto.llm import as_model

            if not keeps_to_schemas(self._answering_model() if model is None else as_model(model)):
                return []
        schema = self.form.schema(suggestion_schema(free))
        return [] if schema is None else [response_format(schema)]

    def _seed_option(self) -> dict[str, int]:
        if self.seed is None:
            return {}
        step, number = self._seeded if self._seeded[0] == self.steps else (self.steps, 0)
        self._seeded = (step, number + 1)
        return {"seed": (self.seed + 10_007 * step + number) % 2**31}

    def _attempts(
        self,
        messages: list[dict[str, Any]],
        verbose: bool | str = False,
        *,
        purpose: str = "propose",
        only: Iterable[ParameterNode[Any]] | None = None,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> Generator[list[Request], list[Reply], Attempt]:
        """Ask, and let the model put right what cannot be used.

        Args:
            messages: the conversation.
            verbose: print it, and the answer.
            purpose: a word for the record.
            only: the parameters that the answer may change; by default all that this step may.
            model: whom to ask instead of the optimizer's own model.
            options: go with the request: `temperature`...
            **about: goes into the "attempt" event.
        """
        how: dict[str, Any] = {"verbose": verbose, "only": only, "model": model, "options": options, **about}
        attempt, text = yield from self._attempt(messages, purpose, **how)
        for _ in range(self.retries):
            if not attempt.reasons:
                break
            fitting = self._fit_repair(messages, text, "\n".join(f"- {reason}" for reason in attempt.reasons))
            if fitting is None:
                break
            messages = [*messages, *repair_turn(*fitting)]
            try:
                later, text = yield from self._attempt(messages, "repair", **how)
            except ReplayError:  # a replay must not go another way than the run that was recorded
                raise
            except Exception:  # on record; the first answer stands, as far as it could be used
                break
            attempt = attempt.then(later)
        return attempt

    def _fit_repair(self, messages: list[dict[str, Any]], answer: str, reasons: str) -> tuple[str, str] | None:
        """An answer and the reasons why it cannot be used, as long as the model can read them; None where it cannot."""
        return answer, reasons

    def _attempt(
        self,
        messages: list[dict[str, Any]],
        purpose: str,
        *,
        verbose: bool | str = False,
        only: Iterable[ParameterNode[Any]] | None = None,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> Generator[list[Request], list[Reply], tuple[Attempt, str]]:
        """Ask once, and read the answer."""
        replaced = is_replaced(self, "call_llm")
        if replaced:
            model = ThroughCallLLM(self, verbose)
        else:
            self._show(messages, verbose)
        asked = self._ask(messages, purpose, max_tokens=self.max_tokens, model=model, options=options, only=only)
        reply = yield from asked
        try:
            text = reply.text
        except Exception as error:
            self._emit("attempt", purpose=purpose, outcome="failed", reason=describe(error), **about)
            raise
        if not replaced:
            self._show_answer(text, verbose)
        if self.log is not None:
            entry = {"system_prompt": messages[0]["content"], "user_prompt": user_text(messages), "response": text}
            self._keep(self.log, entry)
        by_schema = (reply.request.options.get("response_format") or {}).get("type") == "json_schema"
        shown = "\n".join(content_text(each["content"]) for each in messages if each["role"] == "user")
        attempt = self._read(text, was_cut=reply.was_cut, only=only, null_keeps=by_schema, shown=shown)
        self._record(attempt, purpose, **about)
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

    def _read(
        self,
        text: str,
        *,
        was_cut: bool,
        only: Iterable[ParameterNode[Any]] | None = None,
        null_keeps: bool = False,
        shown: str = "",
    ) -> Attempt:
        """What an answer comes to: tolerant parsing, conversion, and the checks of each value.

        Args:
            text: the answer.
            was_cut: whether the model was stopped at `max_tokens`.
            only: the parameters that the answer may change; by default all that this step may.
            null_keeps: whether null stands for a value that is to stay as it is.
            shown: the request, in words.
        """
        free = self._free() if only is None else [each for each in only if each.trainable]
        return read_attempt(self, text, free, was_cut=was_cut, null_keeps=null_keeps, shown=shown)

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

    def _nothing_to_do(self) -> Update:
        warnings.warn(
            f"{type(self).__name__} has nothing to do: none of its trainable parameters has feedback. "
            "Call optimizer.backward(output, feedback) before step().",
            UnreachedFeedbackWarning,
            stacklevel=3,
        )
        return {}

    def _record(self, attempt: Attempt, purpose: str, **about: Any) -> None:
        if not heard():
            return
        first = {**self._about(), "purpose": purpose}
        tell("attempt", Deferred(lambda: {**first, **attempt.told(), **about}, attempt.is_fixed))

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

    def state_dict(self) -> dict[str, Any]:
        """Also the objective."""
        return {**super().state_dict(), "objective": self.objective}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        super().load_state_dict(state)
        self.objective = state["objective"]
