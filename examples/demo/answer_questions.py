"""A question-answering workflow: its prompt template and the code that reads the answer are both parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from examples.demo.display import Display
from examples.demo.training import attempt, train
from opto.llm import as_model
from opto.optimizers import OptoPrimeV2
from opto.trace import GRAPH, Node, TraceGraph, bundle, model, node

__all__ = ["HELD_OUT", "TRAINING", "QuestionAnswering", "run"]

_STEPS = 4

TRAINING = (
    ("A shelf holds 3 rows of 14 jars. Half of the jars in one row are removed. How many jars are left?", "35"),
    ("A train leaves at 22:40 and arrives at 01:15 the next day. How many minutes does the trip take?", "155"),
    (
        "Nine friends share 4 pizzas cut into 8 slices each, as evenly as whole slices allow. How many slices remain?",
        "5",
    ),
    ("A pump fills 250 litres in 4 minutes. How many litres does it fill in 18 minutes?", "1125"),
)

HELD_OUT = (
    ("A book has 312 pages. Mia reads 24 pages a day. How many days does she need?", "13"),
    ("A rope of 7 metres is cut into pieces of 35 centimetres. How many pieces are there?", "20"),
    ("A class of 27 is split into groups of 4. How many pupils are in no full group?", "3"),
    ("A shirt of 60 euros costs 15 percent less today. What does it cost, in euros?", "51"),
)


@bundle()
def fill(template: str, question: str) -> str:
    """The prompt: the template with {question} replaced by the question."""
    return template.replace("{question}", question)


@model
class QuestionAnswering:
    """Asks a language model a question, and reads its answer."""

    def __init__(self, llm: Any) -> None:
        self.llm = as_model(llm)
        self.prompt_template = node(
            "{question}",
            name="prompt_template",
            trainable=True,
            description="What the language model is asked. It must contain {question}.",
            constraint=lambda text: "{question}" in text,
        )

    # That a model cannot be reached says nothing about the program: such an error is raised, not made an outcome.
    @bundle("[ask] The language model's response to the prompt.", catch_execution_error=False)
    def ask(self, prompt: str) -> str:
        """The language model's response to the prompt."""
        return str(self.llm([{"role": "user", "content": prompt}], max_tokens=400).choices[0].message.content)

    @bundle(trainable=True)
    def extract_answer(self, response: str) -> str:
        """The answer in the model's response, as it is compared with the expected one."""
        return response.strip()

    def forward(self, question: str) -> Node[str]:
        """The answer to a question."""
        return self.extract_answer(self.ask(fill(self.prompt_template, question)))


def run(display: Display, answering: Callable[[str], Any]) -> TraceGraph:
    """Improve template and code on the training questions; returns the graph of the last step.

    Args:
        display: where to show it.
        answering: gives the model for a role: the program's own model, and the optimizer's, know nothing of each other.
    """
    GRAPH.clear()
    program = QuestionAnswering(answering("questions-program"))
    optimizer = OptoPrimeV2(program.parameters(), llm=answering("questions"), memory_size=2, format_code=False)
    display.say("The answer must equal the expected one exactly; the feedback says what was expected.\n")
    before = _correct(program, HELD_OUT)
    outcomes = train(
        display,
        optimizer,
        lambda: [attempt(_asked(program, question), _judge(expected)) for question, expected in TRAINING],
        what="improving prompt and code",
        steps=_STEPS,
    )
    after = _correct(program, HELD_OUT)
    solved = sum(each.solved for each in outcomes)
    display.say(f"training questions answered: {solved} of {len(TRAINING)}")
    display.gain("held-out questions answered", f"{before} of {len(HELD_OUT)}", f"{after} of {len(HELD_OUT)}")
    return optimizer.trace_graph


def _asked(program: Any, question: str) -> Callable[[], Node[Any]]:
    return lambda: program(question)


def _judge(expected: str) -> Callable[[Any], tuple[bool, str]]:
    def judge(value: Any) -> tuple[bool, str]:
        if value == expected:
            return True, "Correct."
        return False, f"Wrong: the answer should be exactly {expected!r}."

    return judge


def _correct(program: Any, questions: tuple[tuple[str, str], ...]) -> int:
    outcomes = [attempt(_asked(program, question), _judge(expected)) for question, expected in questions]
    return sum(each.solved for each in outcomes)
