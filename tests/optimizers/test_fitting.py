"""A problem keeps its budget, whatever the graph and the values; what is missing is said."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opto.errors import PromptTooLongError
from opto.llm.tokens import most_tokens, token_counter
from opto.optimizers.forms import JSON_KEYS, JSONForm
from opto.optimizers.problem import Call, FunctionFeedback, LabelledFeedback
from opto.optimizers.rendering import HEADINGS, ProblemInstance
from opto.optimizers.symbols import OptimizerPromptSymbolSet, TagsForm

FORMS = {
    "json": JSONForm(HEADINGS, JSON_KEYS),
    "tags": TagsForm(OptimizerPromptSymbolSet(), lambda text: text[:2000]),
}
VALUES = st.recursive(
    st.one_of(
        st.integers(), st.floats(), st.none(), st.text(max_size=60), st.text(max_size=6).map(lambda text: text * 2000)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(st.text(max_size=5), inner, max_size=5)),
    max_leaves=12,
)


@st.composite
def summaries(draw):
    """A random problem: some variables and inputs, calls on anything that stands before, one or more outputs."""
    variables = {
        f"w{n}": (draw(VALUES), draw(st.none() | st.text(max_size=50))) for n in range(draw(st.integers(1, 3)))
    }
    inputs = {f"x{n}": (draw(VALUES), None) for n in range(draw(st.integers(0, 3)))}
    names = [*variables, *inputs]
    calls, results, levels = [], {}, {}
    for n in range(draw(st.integers(1, 60))):
        function = draw(st.sampled_from(["f", "g", "longer_name"]))
        near = draw(st.booleans())
        chosen = [names[-1]] if near else draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        level = 1 + max(levels.get(name, 0) for name in chosen)
        result = f"{function}{n}"
        calls.append((level, Call.made(result, function, tuple((f"a{k}", each) for k, each in enumerate(chosen)))))
        names.append(result)
        levels[result] = level
        results[result] = (n, None)
    calls.sort(key=lambda pair: pair[0])
    results[names[-1]] = (draw(VALUES), None)
    outputs = draw(st.lists(st.sampled_from(sorted(results)), min_size=1, max_size=4, unique=True))
    feedback = draw(VALUES)
    if len(outputs) > 1 and draw(st.booleans()):
        feedback = LabelledFeedback((name, draw(VALUES)) for name in outputs)
    return FunctionFeedback(
        graph=calls,
        documentation={name: draw(st.text(max_size=300)) for name in ("f", "g", "longer_name")},
        others={name: fact for name, fact in results.items() if name not in outputs},
        roots={**variables, **inputs},
        output={name: results[name] for name in outputs},
        user_feedback=feedback,
        variables=variables,
        inputs=inputs,
    )


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(summaries(), st.integers(1, 4000), st.sampled_from(sorted(FORMS)), st.sampled_from([None, "gpt-4o"]))
def test_the_budget_is_kept(summary, budget, form, model):
    """The text has at most as many tokens as there may be, or the error tells how many it needs, and they suffice."""
    problem = FORMS[form].problem(summary, "Do it.")
    count = token_counter(model)
    needed = 0
    try:
        text = problem.render(budget, model=model)
    except PromptTooLongError as error:
        needed = error.needed
        text = problem.render(needed, model=model)
    assert needed == 0 or needed > budget
    assert count(text) <= max(budget, needed)
    if count(str(problem)) <= budget and len(str(problem)) < 8 * budget:
        assert text == str(problem)
    for name in summary.variables:
        assert f" {name}=" in text or f'<variable name="{name}"' in text


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(summaries(), st.integers(300, 4000), st.sampled_from(sorted(FORMS)))
def test_nothing_is_lost_silently(summary, budget, form):
    """Calls, values and documentation that are not shown are counted in notes."""
    form = FORMS[form]
    try:
        problem = form.problem(summary, "Do it.").fitted(budget, most_tokens)
    except PromptTooLongError:
        return
    code = problem.code
    left_out = sum(int(n.replace(",", "")) for n in re.findall(r"\.\.\.\(([\d,]+) calls left out\)", code))
    loops = re.findall(r"range\((\d+)\)", code)
    lines = [line for line in code.splitlines() if " = " in line and not line.startswith("#")]
    if not loops:
        assert len(lines) + left_out == len(summary.graph)
    for section, facts in (("others", summary.others), ("inputs", summary.inputs), ("outputs", summary.output)):
        text = getattr(problem, section)
        shown = sum(f") {name}=" in text or f' name="{name}"' in text for name in facts)
        noted = re.search(r"\.\.\.\(([\d,]+) values left out\)\.\.\.$", text)
        assert shown + (int(noted.group(1)) if noted else 0) == len(facts)


def chain(length):
    """`x1 = step(x0)`, and so on."""
    calls = [
        (n + 1, Call.made(f"step{n}", "step", (("x", f"step{n - 1}" if n else "x0"), ("rate", "w0"))))
        for n in range(length)
    ]
    values = {f"step{n}": (n * 0.5, None) for n in range(length)}
    last = f"step{length - 1}"
    return FunctionFeedback(
        graph=calls,
        documentation={"step": "One step on."},
        others={name: fact for name, fact in values.items() if name != last},
        roots={"w0": (0.1, None), "x0": (1.0, None)},
        output={last: values[last]},
        user_feedback="Too small.",
        variables={"w0": (0.1, "between 0 and 1")},
        inputs={"x0": (1.0, None)},
    )


def test_a_long_chain_reads_as_a_loop():
    """A thousand calls become three lines, with the first and the last values."""
    text = FORMS["json"].problem(chain(1000), "Make it larger.").render(800)
    assert text == (
        "#Instruction\nMake it larger.\n\n"
        "#Code\n"
        "# Repeated calls are written as loops: with k = 0, 1, 2..., the name step{k+1} stands for step1, step2, "
        "step3...\n"
        "step0 = step(x=x0, rate=w0)\n"
        "for k in range(999):\n"
        "    step{k+1} = step(x=step{k}, rate=w0)\n\n"
        "#Documentation\n[step] One step on.\n\n"
        "#Variables\n(float) w0=0.1\n\n"
        "#Constraints\n(float) w0: between 0 and 1\n\n"
        "#Inputs\n(float) x0=1.0\n\n"
        "#Others\n" + text.partition("#Others\n")[2].partition("#Outputs")[0] + "#Outputs\n(float) step999=499.5\n\n"
        "#Feedback\nToo small."
    )
    others = text.partition("#Others\n")[2]
    assert "step0=0.0" in others
    assert "step998=499.0" in others
    assert "values left out" in others


def test_a_problem_of_texts_alone():
    """One that was put together by hand loses the middles of its sections."""
    problem = ProblemInstance("Do it.", "c" * 5000, "", "(int) w0=1", "", "o" * 5000, "(int) f0=1", "bad")
    text = problem.render(1000)
    assert most_tokens(text) <= 1000
    assert "characters left out" in text
    assert "(int) w0=1" in text
    with pytest.raises(PromptTooLongError) as caught:
        problem.render(10)
    assert most_tokens(problem.render(caught.value.needed)) <= caught.value.needed


def test_a_masked_section_takes_no_room():
    """What is blank stays blank, and the rest has its tokens."""
    problem = FORMS["json"].problem(chain(300), "Go.").masked(["#Code", "#Others"])
    assert problem.render(400).count("step") == str(problem).count("step")


def test_a_problem_that_fits_is_unchanged():
    """Not a byte differs, whatever else might have been done."""
    problem = FORMS["json"].problem(chain(20), "Go.")
    assert problem.render(10_000) == str(problem) == problem.render()


@pytest.mark.parametrize("size", [1, 10, 1000, 10_000])
def test_any_size(size):
    """From one operator to tens of thousands."""
    for form in FORMS.values():
        problem = form.draft(chain(size), "Go.")
        assert most_tokens(problem.render(1500)) <= 1500


@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_work_does_not_grow_faster_than_the_graph(form):
    """How much text is counted depends on the budget, not on the graph or on its values of a million characters."""
    counted = []

    def count(text):
        counted.append(len(text))
        return most_tokens(text)

    totals = []
    for size in (1000, 4000):
        summary = chain(size)
        summary.others = dict.fromkeys(summary.others, ("x" * 1_000_000, None))
        counted.clear()
        FORMS[form].draft(summary, "Go.").fitted(2000, count)
        totals.append(sum(counted))
    assert totals[1] < 2 * totals[0]


def test_json_dumps_a_call():
    """A call is a text to everybody else."""
    assert json.loads(json.dumps(chain(2).graph))[0] == [1, "step0 = step(x=x0, rate=w0)"]
