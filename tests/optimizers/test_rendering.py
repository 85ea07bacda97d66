"""A problem in words, in both forms."""

import pytest

from opto.optimizers.problem import LabelledFeedback
from opto.optimizers.rendering import (
    ProblemInstance,
    constraint_lines,
    documentation_lines,
    feedback_text,
    is_code,
    tagged_values,
    value_lines,
)

FACTS = {
    "int0": (3, "small"),
    "__code0": ("def f():\n    pass", "The code should start with:\ndef f():"),
    "s0": ({2, 1}, None),
}


def problem():
    """A problem with a text in each section."""
    return ProblemInstance("i", "c", "d", "v", "in", "ot", "out", "fb", "con")


def test_sections_in_their_order():
    """Every section stands under its heading."""
    lines = str(problem()).split("\n\n")
    assert [line.split("\n")[0] for line in lines] == [
        "#Instruction",
        "#Code",
        "#Documentation",
        "#Variables",
        "#Constraints",
        "#Inputs",
        "#Others",
        "#Outputs",
        "#Feedback",
    ]
    assert lines[3] == "#Variables\nv"


def test_mask_blanks_sections():
    """A masked section keeps its heading and loses its text."""
    text = str(problem().masked(["#Code", "#Others"]))
    assert "#Code\n\n#Documentation\nd" in text
    assert "#Others\n\n#Outputs" in text


def test_an_unknown_heading_is_refused():
    """A typing error in a mask does not pass unseen."""
    with pytest.raises(ValueError, match="mask must name headings"):
        problem().masked(["#Cods"])


def test_lines():
    """One line for each value, code after a colon."""
    assert value_lines(FACTS) == "(int) int0=3\n(code) __code0:def f():\n    pass\n(set) s0={1, 2}"
    assert constraint_lines(FACTS) == "(int) int0: small\n(code) __code0: The code should start with:\ndef f():"
    assert documentation_lines({"add": "Adds.", "f": ""}) == "[add] Adds.\n[f]"


def test_tags():
    """One block for each value; the published regular expression finds the names."""
    text = tagged_values(FACTS, tag="variable", value_tag="value", constraint_tag="constraint")
    assert text.startswith(
        '<variable name="int0" type="int">\n<value>\n3\n</value>\n<constraint>\nsmall\n</constraint>\n</variable>'
    )
    assert '<variable name="__code0" type="code">' in text
    assert text.endswith('<variable name="s0" type="set">\n<value>\n{1, 2}\n</value>\n</variable>')


def test_stored_code_is_shown_as_it_is():
    """Code is not laid out anew, and keeps what looks like an address."""
    code = "def f( x ):\n  return '<a at 0x7f00>'   # odd"
    assert code in value_lines({"__code0": (code, None)})


def test_code_is_told_by_its_name():
    """Also below a name scope."""
    assert is_code("__code3")
    assert is_code("scope/__code0")
    assert not is_code("str0")


def test_feedback():
    """A value as it is, labelled feedback line by line, none as nothing."""
    assert feedback_text("bad") == "bad"
    assert feedback_text(0.5) == "0.5"
    assert feedback_text(None) == ""
    assert feedback_text(LabelledFeedback([("add0", "bad"), ("add1", 2)])) == "add0: bad\nadd1: 2"
