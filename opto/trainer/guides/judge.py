"""A language model judges responses by a rubric."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opto.errors import ModelResponseError
from opto.optimizers.canonical import canonical
from opto.optimizers.cutting import cut
from opto.optimizers.markers import markers
from opto.optimizers.options import checked_count
from opto.trainer import prompts
from opto.trainer.guides.base import Guide, Verdict, load_settings
from opto.trainer.guides.human import checked_scale
from opto.trainer.guides.judgements import Judgement, Opinion, UnreadableOpinionError, read_opinion, summed_up
from opto.trainer.objectives import finite_number

if TYPE_CHECKING:
    from opto.llm import Model, Response

__all__ = ["LLMJudge"]

_MARKERS = markers(
    ("Your judgement, as a JSON object:",),
    ("rubric", "query", "reference", "response"),
    ("reasoning", "feedback", "score"),
)
_Asking = Generator["list[dict[str, Any]]", "Response", Opinion]


class LLMJudge(Guide):
    """A language model judges each response by a rubric; scores are from 0 to 1.

        judge = LLMJudge("gpt-4o", rubric="Polite, and in one sentence.", samples=3, cache="judgements")
        score, feedback = judge.get_feedback("Greet me.", "What do you want?")

    What the program was given and answered cannot pass for the structure of the judge's prompt: tags and keys in it are
    broken by a `~`. It can still try to talk the judge over, as with any judge that reads.

    An answer that cannot be read is given back once with the reason. If the second one cannot be read either, a
    `ModelResponseError` is raised: there is no score then.

    Args:
        model: the model, by a name that `opto.llm.LLM` takes; None takes what the environment configures.
        llm: a model, or a callable that answers `(messages, **options)`, in its place.
        rubric: what to judge by; None asks for correct and complete answers that agree with the reference.
        samples: how often each response is judged; the score is the mean. A judge with temperature 0 says the same.
        disagreement: from which spread of scores (0 to 1) on the feedback tells that the judge disagrees with itself.
        cache: a folder to keep answers in (`opto.llm.Cached`); the same response is then judged once, in all runs.
        scale: the least and the greatest score that the model is asked for.
        max_tokens: of each answer.
        max_characters: of the query, the response and the reference; the middle of longer ones is left out.
        options: further options of the requests, such as `{"temperature": 0}`.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `model` and `llm` both; an option out of its range.
    """

    def __init__(  # noqa: PLR0913  # who judges, by what, how often; the rest has defaults
        self,
        model: str | None = None,
        llm: Any = None,
        *,
        rubric: str | None = None,
        samples: int = 1,
        disagreement: float = 0.2,
        cache: str | os.PathLike[str] | None = None,
        scale: tuple[float, float] = (0, 10),
        max_tokens: int = 1024,
        max_characters: int = 20_000,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if rubric is not None and not (isinstance(rubric, str) and rubric.strip()):
            raise ValueError(f"rubric must be a text that is not empty, or None, got {rubric!r}.")
        self.rubric = prompts.load("judge_rubric.txt") if rubric is None else rubric
        self.samples = checked_count("samples", samples)
        self.disagreement = finite_number("disagreement", disagreement)
        self.scale = checked_scale(scale)
        self.max_tokens = checked_count("max_tokens", max_tokens)
        self.max_characters = checked_count("max_characters", max_characters)
        self.options = dict(options or {})
        self._model = _judging(model, llm)
        self._cached = cache is not None
        if cache is not None:
            from opto.llm import Cached

            self._model = Cached(self._model, cache)

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The score, and the words of the judge.

        Raises:
            ModelResponseError: two answers in a row could not be read.
            ModelError: the model could not answer.
        """
        judgement = self.judge(query, response, reference)
        return judgement.score, judgement.feedback

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The same without blocking the event loop."""
        import asyncio

        messages = self.messages(query, response, reference)
        reserved = self._reserved(messages)
        opinions = await asyncio.gather(*[self._aopinion(messages, options) for options in reserved])
        judgement = summed_up(opinions, self.disagreement)
        return judgement.score, judgement.feedback

    def judge(self, query: Any, response: Any, reference: Any = None) -> Judgement:
        """The judgement, with each of the scores that it is made of."""
        messages = self.messages(query, response, reference)
        reserved = self._reserved(messages)
        if self.samples == 1:
            return summed_up([self._opinion(messages, reserved[0])], self.disagreement)
        import contextvars
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(self.samples, 16), thread_name_prefix="opto-judge") as pool:
            asked = [pool.submit(contextvars.copy_context().run, self._opinion, messages, each) for each in reserved]
            return summed_up([each.result() for each in asked], self.disagreement)

    def messages(self, query: Any, response: Any, reference: Any = None) -> list[dict[str, Any]]:
        """The request to the judge."""
        said = "" if reference is None else prompts.fill("judge_reference.txt", reference=self._inert(reference))
        user = prompts.fill(
            "judge.txt",
            rubric=_inert(self.rubric),
            query=self._inert(query),
            response=self._inert(response),
            reference=f"{said}\n" if said else "",
        )
        return [{"role": "system", "content": self._filled("judge_system.txt")}, {"role": "user", "content": user}]

    def state(self) -> dict[str, Any]:
        """The options; the model and its cache are not saved."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)

    def __deepcopy__(self, memo: dict[int, Any]) -> LLMJudge:
        twin = object.__new__(type(self))
        # The model is shared: its budget and its limits hold for all copies together.
        vars(twin).update({**vars(self), "options": dict(self.options)})
        return twin

    def _inert(self, value: Any) -> str:
        return _inert(cut(canonical(value), self.max_characters))

    def _filled(self, name: str, **values: str) -> str:
        low, high = self.scale
        return prompts.fill(name, low=f"{low:g}", high=f"{high:g}", **values)

    def _asking(self, messages: list[dict[str, Any]]) -> _Asking:
        """Yields the requests for one opinion, and is sent the responses."""
        prompt = messages[-1]["content"]
        shown = f"{prompt}\n{_MARKERS.restored(prompt)}"  # a judge may quote a text as it was
        read = partial(self._read, shown=shown)
        text = _text((yield messages))
        try:
            return read(text)
        except UnreadableOpinionError as error:
            repair = self._filled("judge_repair.txt", reason=str(error))
        again = [*messages, {"role": "assistant", "content": text or "(nothing)"}, {"role": "user", "content": repair}]
        text = _text((yield again))
        try:
            return read(text)
        except UnreadableOpinionError as error:
            said = f"{error} It said: {text:.300}"
            raise ModelResponseError(f"the judge's answer could not be read, twice: {said}") from None

    def _read(self, text: str, shown: str) -> Opinion:
        opinion = read_opinion(text, self.scale[0], self.scale[1], shown)
        return Opinion(opinion.score, _MARKERS.restored(opinion.feedback))

    def _opinion(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> Opinion:
        asking = self._asking(messages)
        request = next(asking)
        while True:
            response = self._model(messages=request, **options)
            try:
                request, options = asking.send(response), self._again(options)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]

    async def _aopinion(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> Opinion:
        asking = self._asking(messages)
        request = next(asking)
        while True:
            response = await self._model.acall(messages=request, **options)
            try:
                request, options = asking.send(response), self._again(options)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]

    def _reserved(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The options of the samples, in whose order a recording of equal requests is replayed."""
        options = {"max_tokens": self.max_tokens, **self.options}
        if self._cached:  # the n-th sample of a response is the n-th answer that the cache has, in whichever run
            return [{**options, "occurrence": number} for number in range(1, self.samples + 1)]
        return [{**options, **self._model.reserve(messages, **options)} for _ in range(self.samples)]

    def _again(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a second request: a place that was reserved for the first one is not its own."""
        return options if self._cached else {"max_tokens": self.max_tokens, **self.options}


def _judging(model: str | None, llm: Any) -> Model:
    from opto.llm import LLM, as_model

    if model is not None and llm is not None:
        raise ValueError("give model=, a name, or llm=, a model, and not both.")
    if model is not None and not isinstance(model, str):
        raise TypeError(f"model must be the name of a model, got {model!r}: give a model as llm=.")
    return LLM(model) if llm is None else as_model(llm)


def _inert(text: str) -> str:
    """The text with each mark in it broken, also one that the line end after it would complete."""
    return _MARKERS.inert(f"{text}\n")[:-1]


def _text(response: Response) -> str:
    return response.choices[0].message.content or ""
