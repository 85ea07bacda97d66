"""Answers are read in whatever state they arrive."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.optimizers.formats import parse_json_answer, strip_thinking, unfence
from opto.optimizers.tagged import extract_xml_like_data

WHOLE = {"reasoning": "r", "suggestion": {"int0": 5, "str0": 'say "hi"\n{x}'}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WHOLE),
        json.dumps(WHOLE, indent=2),
        f"```json\n{json.dumps(WHOLE)}\n```",
        f"```\n{json.dumps(WHOLE)}\n```\nHope it helps!",
        f"Sure, here it is:\n\n{json.dumps(WHOLE)}\n\nGood luck.",
        str(WHOLE),
        f"Answer: {WHOLE!s}.",
        json.dumps(WHOLE).replace("5,", "5"),
        json.dumps(WHOLE)[:-1] + ",}",
        json.dumps(WHOLE).replace("\\n", "\n"),
        json.dumps(WHOLE) + "}}",
    ],
)
def test_whole_answers_are_recovered(text):
    """Fences, prose, single quotes, stray and missing commas, raw line ends and extra braces do not lose a value."""
    assert parse_json_answer(text) == (WHOLE, True)


@pytest.mark.parametrize("text", ["", "no braces", "Dummy response", "[1, 2]", "{", "}{", "{{{{", '"text"'])
def test_answers_without_an_object(text):
    """Nothing that can be read is an empty object."""
    assert parse_json_answer(text)[0] == {}


def test_a_value_that_was_cut_is_dropped():
    """Of an answer that breaks off, what is whole stays, and the answer says that it is not complete."""
    text = '{"reasoning": "r", "suggestion": {"a": 1, "b": "def f():\\n  return {}'
    assert parse_json_answer(text) == ({"reasoning": "r", "suggestion": {"a": 1}}, False)
    assert parse_json_answer('{"suggestion": {"a": 1, "b": 23') == ({"suggestion": {"a": 1}}, False)


def test_only_closing_braces_are_missing():
    """An answer that lacks just the last brace has all its values."""
    assert parse_json_answer('{"suggestion": {"a": 1}') == ({"suggestion": {"a": 1}}, True)


@given(st.integers(0, 200))
def test_every_beginning_of_an_answer_is_read_without_error(length):
    """Cut at any place, no value is made up: each one that is read is the whole value, or was not closed."""
    text = json.dumps({"reasoning": "because", "suggestion": {"a": "first value", "b": "second value"}})[:length]
    found, complete = parse_json_answer(text)
    suggestion = found.get("suggestion")
    values = suggestion if isinstance(suggestion, dict) else {}
    assert set(values.values()) <= {"first value", "second value"}
    if length < len('{"reasoning": "because", "suggestion": {"a": "first value", "b": "second value"}'):
        assert not complete or values == {}


@given(st.text(max_size=200))
def test_any_text_is_read_without_error(text):
    """No text raises."""
    found, complete = parse_json_answer(text)
    assert isinstance(found, dict)
    assert isinstance(complete, bool)
    assert set(extract_xml_like_data(text)) == {"reasoning", "variables"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>hm {x}</think>{}", "{}"),
        ("\n<thinking>a</thinking><think>b</think> rest", " rest"),
        ("<think>never ends {", ""),
        ("thoughts whose tag was hidden</think>{}", "{}"),
        ("value: use <think>x</think> tags", "value: use <think>x</think> tags"),
        ("plain", "plain"),
    ],
)
def test_thoughts_are_dropped(text, answer):
    """Thoughts before the answer go; the tag inside an answer stays."""
    assert strip_thinking(text) == answer


def test_unfence():
    """Only a text that is one whole fence is unwrapped."""
    assert unfence("```python\ndef f():\n    pass\n```") == "def f():\n    pass"
    assert unfence("text ```x``` text") == "text ```x``` text"


# ---- tags


def xml(text, **tags):
    """The function under test."""
    return extract_xml_like_data(text, **tags)


def test_reasoning_and_variables():
    """The plain case, with several variables."""
    text = (
        "<reasoning> why </reasoning><variable><name> w0 </name><value> 5 </value></variable>"
        "<variable><name>w1</name><value>\nx\n  y\n</value></variable>"
    )
    assert xml(text) == {"reasoning": "why", "variables": {"w0": "5", "w1": "x\n  y"}}


def test_nested_tags_stay_in_the_value():
    """Of nested blocks the outermost counts; the inside is kept as it is."""
    inner = "<variable><name>in</name><value>1</value></variable>"
    text = f"<variable><name>out</name><value>{inner}</value></variable>"
    assert xml(text)["variables"] == {"out": inner}


def test_nested_reasoning():
    """Nesting is counted in the reasoning too."""
    assert xml("<reasoning>a <reasoning>b</reasoning> c</reasoning>")["reasoning"] == "a <reasoning>b</reasoning> c"


def test_special_characters_and_text_around():
    """Values are no XML: nothing needs escaping, and text around the blocks does not matter."""
    text = (
        "Hi!<reasoning>a < b & c</reasoning> so <variable><name>w</name><value>if a<b and c>d: '&'</value></variable>."
    )
    assert xml(text) == {"reasoning": "a < b & c", "variables": {"w": "if a<b and c>d: '&'"}}


def test_missing_reasoning_is_empty():
    """Without reasoning the variables are still found."""
    assert xml("<variable><name>w</name><value>1</value></variable>") == {"reasoning": "", "variables": {"w": "1"}}


def test_unclosed_reasoning_takes_everything():
    """Reasoning that never closes is all the rest, unstripped, and no variables."""
    text = "<reasoning> half \n<variable><name>w</name><value>1</value></variable>"
    assert xml(text) == {
        "reasoning": " half \n<variable><name>w</name><value>1</value></variable>",
        "variables": {},
    }


def test_variables_before_the_reasoning_do_not_count():
    """Only what stands behind the reasoning is an answer."""
    text = "<variable><name>w</name><value>1</value></variable><reasoning>r</reasoning>"
    assert xml(text)["variables"] == {}


@pytest.mark.parametrize(
    ("block", "variables"),
    [
        ("<variable><name>w</name></variable>", {}),
        ("<variable><value>1</value></variable>", {}),
        ("<variable><name></name><value>1</value></variable>", {}),
        ("<variable><name>w</name><value></value></variable>", {"w": ""}),
        ("<variable><name>w</name><value>1</variable>", {}),
        ("<variable><value>1</value><name>w</name></variable>", {"w": "1"}),
        ("<variable><value>a <name>x</name></value><name>w</name></variable>", {"w": "a <name>x</name>"}),
        ("<variable><name>w</name><value>1</value></variable>" * 2, {"w": "1"}),
        ("<variable><name>w</name><value>1", {}),
        ("", {}),
    ],
)
def test_what_a_variable_needs(block, variables):
    """A name that is not empty, and a closed value; later ones win."""
    assert xml(f"<reasoning>r</reasoning>{block}")["variables"] == variables


def test_later_duplicates_win():
    """Of two values for one name the later counts."""
    block = "<variable><name>w</name><value>{}</value></variable>"
    assert xml(block.format(1) + block.format(2))["variables"] == {"w": "2"}


def test_other_tags():
    """The tags are arguments."""
    text = "<why>r</why><var><id>w</id><data>1</data></var>"
    tags = {"reasoning_tag": "why", "improved_variable_tag": "var", "name_tag": "id", "value_tag": "data"}
    assert xml(text, **tags) == {"reasoning": "r", "variables": {"w": "1"}}
