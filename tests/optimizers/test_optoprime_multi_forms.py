"""OptoPrimeMulti in both forms, with typed suggestions: every way to make candidates with every way to choose one."""

import dataclasses
import enum
import itertools
import json
import re
from typing import Annotated, Literal

import pytest
from annotated_types import Interval
from pydantic import BaseModel

from opto.llm import Model
from opto.llm.tokens import count_tokens
from opto.optimizers import OptoPrimeMulti, OptoPrimeMultiV2, OptoPrimeV2
from opto.optimizers.optoprime_v2 import OptimizerPromptSymbolSet2, OptimizerPromptSymbolSetJSON
from opto.trace import GRAPH, bundle, node

GENERATIONS = ["temperature_variation", "self_refinement", "iterative_alternatives", "multi_experts", "multi_llm"]
SELECTIONS = ["score", "judge", "first", "moa", "majority", "selector"]
CLASSES = [OptoPrimeMulti, OptoPrimeMultiV2]


class Tone(enum.Enum):
    """An enum."""

    DRY = "dry"
    WARM = "warm"


class Layout(BaseModel):
    """A pydantic model."""

    width: int
    bullets: bool = False


@dataclasses.dataclass
class Size:
    """A dataclass."""

    height: int


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


@bundle()
def write(count, tone, layout, style, size):
    """Writes something."""
    return f"{count} {tone} {layout} {style} {size}"


def parameters():
    """One parameter of each kind of declaration."""
    return [
        node(1, trainable=True, name="count", constraint=Annotated[int, Interval(ge=0, le=9)]),
        node(Tone.DRY, trainable=True, name="tone", constraint=Tone),
        node(Layout(width=1), trainable=True, name="layout", constraint=Layout),
        node("plain", trainable=True, name="style", constraint=Literal["plain", "rich"]),
        node(Size(1), trainable=True, name="size", constraint=Size),
    ]


class Writer(Model):
    """Answers each request for values with the next count, in the form that the system message shows."""

    def __init__(self):
        self.requests, self.numbers = [], itertools.count(2)

    def complete(self, messages, **options):
        self.requests.append(messages)
        if "number of the best proposal" in messages[0]["content"]:
            return '{"reasoning": "the second", "best": 2}'
        count = next(self.numbers)
        values = {
            "count0": str(count),
            "tone0": "Warm",
            "layout0": json.dumps({"width": f"{10 * count}", "bullets": "yes"}),
            "style0": "Rich",
            "size0": json.dumps({"height": count}),
        }
        if '"suggestion"' in messages[0]["content"]:
            return json.dumps({"reasoning": "r", "answer": "", "suggestion": values})
        return "<reasoning>r</reasoning>" + "".join(
            f"<variable><name>{name}</name><value>\n{value}\n</value></variable>" for name, value in values.items()
        )


def options_of(selection, count):
    """The options that stand for a way to choose."""
    if selection in ("moa", "majority"):
        return {"selection_technique": selection}
    return {
        "score": {"score": lambda values: -abs(values[count] - 3)},
        "judge": {},
        "first": {"judge": False},
        "selector": {"selector": lambda candidates: max(candidates, key=lambda each: each[count])},
    }[selection]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_way_to_make_with_every_way_to_choose(kind, generation, selection):
    """The values that were chosen are set, each in the type that its parameter declares."""
    free = parameters()
    model = Writer()
    more = {"llm_profiles": [model, model]} if generation == "multi_llm" else {}
    optimizer = kind(
        free, model, generation_technique=generation, format_code=False, **options_of(selection, free[0]), **more
    )
    optimizer.backward(write(*free), "more of everything")
    optimizer.step()
    chosen = free[0].data
    expected = {"score": {3}, "selector": {4}, "moa": {5}, "first": {2, 3, 4}, "majority": {2, 3, 4}}
    assert chosen in expected.get(selection, {2, 3, 4})
    assert [each.data for each in free] == [
        chosen,
        Tone.WARM,
        Layout(width=10 * chosen, bullets=True),
        "rich",
        Size(chosen),
    ]
    assert all(type(message["content"]) is str for messages in model.requests for message in messages)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("generation", ["self_refinement", "iterative_alternatives"])
def test_candidates_are_shown_as_answers_are_written(kind, generation):
    """What a later request shows can be read back, and gives the same typed values."""
    free = parameters()
    model = Writer()
    optimizer = kind(free, model, generation_technique=generation, judge=False, num_responses=2)
    optimizer.backward(write(*free), "more")
    optimizer.step()
    shown = "\n".join(message["content"] for message in model.requests[1][2 - (generation != "self_refinement") :])
    text = shown.split("Proposal 1:")[-1].split("Propose values")[0].split("Now criticize")[0]
    values = optimizer._read(text, was_cut=False).values
    assert values == {each: each.data for each in free}


def test_the_tagged_form_is_that_of_optoprime_v2():
    """The first request is the same to the letter, with other symbol sets too."""
    for symbols in (None, OptimizerPromptSymbolSet2(), OptimizerPromptSymbolSetJSON()):
        prompts = []
        for kind, more in ((OptoPrimeV2, {}), (OptoPrimeMultiV2, {"num_responses": 1, "initial_var_char_limit": 2000})):
            GRAPH.clear()
            x = node("a" * 5000, trainable=True, name="x")
            optimizer = kind([x], optimizer_prompt_symbol_set=symbols, **more)
            optimizer.backward(x + "b" * 9000, "shorter")
            prompts.append(optimizer.construct_prompt(optimizer.summarize()))
        assert prompts[0] == prompts[1]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("selection", ["judge", "moa"])
def test_no_request_passes_the_limit(kind, generation, selection):
    """Also those that show long candidates; what is missing of them is said."""
    limit = 9000

    class Long(Model):
        """Long answers."""

        def __init__(self):
            self.requests = []

        def complete(self, messages, **options):
            self.requests.append(messages)
            if "number of the best proposal" in messages[0]["content"]:
                return '{"best": 2}'
            value = f"{len(self.requests)}: " + "word " * 1500
            if '"suggestion"' in messages[0]["content"]:
                return json.dumps({"suggestion": {"x0": value}})
            return f"<variable><name>x0</name><value>{value}</value></variable>"

    model = Long()
    x = node("short", trainable=True, name="x")
    more = {"llm_profiles": [model]} if generation == "multi_llm" else {}
    optimizer = kind(
        [x], model, generation_technique=generation, max_prompt_tokens=limit, **options_of(selection, x), **more
    )
    y = x + "!"
    for _ in range(300):
        y = y + "?"
    optimizer.backward(y, "longer " * 2000)
    optimizer.step()
    assert len(model.requests) == 4
    assert all(count_tokens(messages) <= limit for messages in model.requests)
    last = model.requests[-1][1]["content"]
    assert re.search(r"characters left out|proposals left out", last)
    assert "Proposal 3:" in last
