"""A simulated language model, whose competence is a parameter."""

from __future__ import annotations

from typing import Any

from opto.llm import Messages, Model
from opto.llm.response import Choice, Message, Response, Usage
from opto.testing.simulation import Answer, Simulation, estimated_tokens

__all__ = ["Simulated"]


class Simulated(Model):
    """A simulation of a language model, not a model: it reads requests of optimizers by rules, and answers well with a
    given probability.

    It knows no problem, only what a request shows: the variables with their types, values and constraints, the run, the
    feedback, what was tried before, and the form of answer that is asked for. A good answer follows the feedback:
    numbers by bracketing what was tried, code by small edits of the shown code that pass the test cases which the
    feedback states (it executes them in this process: give it no code that you would not run), texts by doing what is
    demanded in words. The other answers are wrong or malformed in the ways real models show: of no use, or, in the
    share `competence / 2` of them, a good value in a malformed answer.

        model = Simulated(0.6, seed=1)
        optimizer = OptoPrime(program.parameters(), llm=model)

    It compares optimizers under the same answers, and shows whether they stand bad ones. What it measures says nothing
    about how well a real model would do. An answer depends on the seed, the request, and on how many equal requests
    came before.

    Args:
        competence: the probability of a good answer, from 0 to 1.
        seed: for what is left to chance.

    Attributes:
        simulation: the counts: `prompt_tokens`, `completion_tokens` (estimates) and `seconds`.
    """

    def __init__(self, competence: float, seed: int = 0) -> None:
        if isinstance(competence, bool) or not isinstance(competence, (int, float)) or not 0 <= competence <= 1:
            raise ValueError(f"competence must be a probability, from 0 to 1, got {competence!r}.")
        self.simulation = Simulation(float(competence), seed)

    @property
    def name(self) -> str:
        """What it is, its competence and its seed: "simulated-0.6-1"."""
        return f"simulated-{self.simulation.competence:g}-{self.simulation.seed}"

    @property
    def answers(self) -> list[Answer]:
        """What it said so far, each with whether it was good; in the order in which they were finished."""
        return self.simulation.answers

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """The number of this request among equal ones, so that concurrent requests are answered as if one by one."""
        return {} if "occurrence" in options else {"occurrence": self.simulation.occurrence(messages, options)}

    def complete(self, messages: Messages, **options: Any) -> Response:
        """The answer. Its `usage` holds estimates, four characters a token, and its `id` says so."""
        occurrence = options.pop("occurrence", None)
        said = self.simulation.answer(messages, options, occurrence)
        asked = sum(estimated_tokens(str(message.get("content"))) for message in messages)
        given = estimated_tokens(said.text)
        usage = Usage(asked, given, asked + given)
        choice = Choice(Message(said.text))
        return Response((choice,), model=self.name, usage=usage, id="simulated, usage estimated")
