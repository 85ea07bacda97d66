"""OptoPrimeV2: values in tags."""

import json
import re

import pytest

from opto.errors import SuggestionWarning
from opto.optimizers.optoprime_v2 import (
    OptimizerPromptSymbolSet,
    OptimizerPromptSymbolSet2,
    OptimizerPromptSymbolSetJSON,
    OptoPrimeV2,
)
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def variable(name, value):
    """A new value, as the model writes it."""
    return f"<variable>\n<name>{name}</name>\n<value>\n{value}\n</value>\n</variable>"


def published_model(messages, **options):
    """Reads the request as the published tests do: names by a regular expression."""
    names = re.findall(r'<variable name="(.*?)" type=', messages[1]["content"])
    return "<reasoning>because</reasoning>" + "".join(variable(name, "5") for name in names)


def test_a_step_of_a_published_model():
    """It finds the names, and its text becomes a float."""
    w = node(1.5, trainable=True, name="w")
    optimizer = OptoPrimeV2([w], published_model)
    optimizer.backward(w + 1, "more")
    assert optimizer.step() == {w: 5.0}
    assert type(w.data) is float


def test_the_prompt():
    """Headings, blocks, and the end of the message."""
    x = node("some text", trainable=True, description="what to say")

    @bundle(trainable=True)
    def f(x):
        """Returns x."""
        return x

    optimizer = OptoPrimeV2([x, *f.parameters()])
    optimizer.backward(f(x) + "!", "louder")
    system, user = optimizer.construct_prompt(optimizer.summarize())
    block = (
        '<variable name="str0" type="str">\n<value>\nsome text\n</value>\n'
        "<constraint>\nwhat to say\n</constraint>\n</variable>"
    )
    assert block in user
    assert '<variable name="__code0" type="code">' in user
    assert '<node name="str1" type="str">\n<value>\n!\n</value>\n</node>' in user
    headings = re.findall(r"^# \w+$", user, flags=re.MULTILINE)
    titles = ["Instruction", "Code", "Documentation", "Variables", "Inputs", "Others", "Outputs", "Feedback"]
    assert headings == [f"# {title}" for title in titles]
    assert user.endswith("Your response:")
    assert all(f"# {title}" in system for title in titles)
    assert "$" not in system


def test_options():
    """The published defaults."""
    w = node(1, trainable=True)
    optimizer = OptoPrimeV2([w], Scripted(["<reasoning>fine</reasoning>"]))
    optimizer.backward(w + 1, "more")
    assert optimizer.step() == {}
    assert optimizer.llm.requests[0][1] == {"max_tokens": 8192}
    assert optimizer.initial_var_char_limit == 2000


def test_extract_llm_suggestion():
    """Reasoning and variables; code loses its fence."""
    optimizer = OptoPrimeV2([node(1, trainable=True)])
    text = "<reasoning>r</reasoning>" + variable("w0", "5") + variable("__code0", "```python\nx\n```")
    assert optimizer.extract_llm_suggestion(text) == {"reasoning": "r", "variables": {"w0": "5", "__code0": "x"}}


def test_long_values_are_cut_but_no_variable():
    """Inputs, intermediate results and outputs show head and tail; variables are whole."""
    x = node("v" * 5000, trainable=True)
    optimizer = OptoPrimeV2([x], initial_var_char_limit=100)
    optimizer.backward(x + "i" * 5000, "shorter")
    user = optimizer.construct_prompt(optimizer.summarize())[1]
    assert "v" * 5000 in user
    assert "i" * 101 not in user
    assert "4900 characters left out" in user


def test_a_truncation_of_ones_own():
    """The function that cuts is an argument."""
    x = node("v", trainable=True)
    optimizer = OptoPrimeV2([x], initial_var_char_limit=3, truncate_expression=lambda value, limit: value[:limit] + "~")
    optimizer.backward(x + "input", "shorter")
    assert "\ninp~\n" in optimizer.construct_prompt(optimizer.summarize())[1]


def test_highlight_variables():
    """The question stands before the end of the prompt."""
    x = node(1, trainable=True)
    optimizer = OptoPrimeV2([x], highlight_variables=True)
    optimizer.backward(x + 1, "more")
    user = optimizer.construct_prompt(optimizer.summarize())[1]
    assert user.endswith("What are your suggestions on variables int0?\n\nYour response:")


@pytest.mark.parametrize(
    ("symbols", "answer"),
    [
        (OptimizerPromptSymbolSet(), f"<reasoning>r</reasoning>{variable('int0', 5)}"),
        (
            OptimizerPromptSymbolSet2(),
            "<reason>r</reason><var><name>int0</name><data>5</data></var>",
        ),
        (OptimizerPromptSymbolSetJSON(), json.dumps({"reasoning": "r", "suggestion": {"int0": "5"}})),
    ],
)
def test_symbol_sets(symbols, answer):
    """Each set asks in its own tags, and reads the answer that it asks for, its own example included."""
    x = node(1, trainable=True)
    optimizer = OptoPrimeV2([x], Scripted([answer]), optimizer_prompt_symbol_set=symbols, include_example=True)
    optimizer.backward(x + 1, "more")
    assert optimizer.step() == {x: 5}
    user = optimizer.log[0]["user_prompt"]
    assert f'<{symbols.variable_tag} name="int0" type="int">\n<{symbols.value_tag}>' in user
    assert f'<{symbols.node_tag} name="int1"' in user
    example = symbols.example_output("why", {"a0": "1", "b0": "2"})
    assert symbols.output_response_extractor(example) == {"reasoning": "why", "variables": {"a0": "1", "b0": "2"}}
    assert ("response_format" in optimizer.llm.requests[0][1]) == symbols.expect_json


def test_a_symbol_set_of_ones_own():
    """Tags and headings are changed in a subclass."""

    class Own(OptimizerPromptSymbolSet):
        feedback_section_title = "# Review"
        improved_variable_tag = "new"

    x = node(1, trainable=True)
    optimizer = OptoPrimeV2(
        [x], Scripted(["<new><name>int0</name><value>5</value></new>"]), optimizer_prompt_symbol_set=Own()
    )
    optimizer.backward(x + 1, "more")
    assert optimizer.step() == {x: 5}
    assert "# Review\nmore" in optimizer.log[0]["user_prompt"]
    assert "# Feedback" not in optimizer.log[0]["system_prompt"] + optimizer.log[0]["user_prompt"]


def test_a_wrong_symbol_set():
    """The class instead of an object is a common slip."""
    with pytest.raises(TypeError, match="optimizer_prompt_symbol_set must be"):
        OptoPrimeV2([node(1, trainable=True)], optimizer_prompt_symbol_set=OptimizerPromptSymbolSet2)


@pytest.mark.parametrize(
    "answer",
    [
        "Dummy response",
        "",
        "<reasoning>never closed",
        f"<reasoning>r</reasoning>{variable('int0', 5)[:-20]}",
        f"<reasoning>r</reasoning>{variable('int0', 'many')}",
        f"<reasoning>r</reasoning>{variable('other', 5)}",
        "<think>only thoughts",
    ],
)
def test_bad_answers(answer):
    """Asked once more, then left: the parameter stays as it was."""
    x = node(1, trainable=True)
    optimizer = OptoPrimeV2([x], Scripted([answer, answer]))
    optimizer.backward(x + 1, "more")
    with pytest.warns(SuggestionWarning):
        assert optimizer.step() == {}
    assert x.data == 1
    assert len(optimizer.llm.requests) == 2


def test_memory():
    """Past attempts are shown in the same tags."""
    x = node(1, trainable=True)
    optimizer = OptoPrimeV2([x], published_model, memory_size=1)
    for feedback in ("first", "second"):
        optimizer.zero_feedback()
        optimizer.backward(x + 1, feedback)
        optimizer.step()
    user = optimizer.log[1]["user_prompt"]
    assert user.index("# Feedback\nfirst") < user.index("# Feedback\nsecond")
