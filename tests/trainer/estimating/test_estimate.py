"""What a run may take, said before it begins."""

from __future__ import annotations

from typing import Any

import pytest

from opto.llm import Budget, FromCallable, usage
from opto.trainer.estimating import UnitCost, estimate_plan, measure, prompt_cost
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator, Request


def answering(messages: Any, **options: Any) -> dict[str, Any]:
    """Stands for a model: a token of prompt for each character, five of answer."""
    tokens = {"prompt_tokens": len(messages[-1]["content"]), "completion_tokens": 5}
    return {"choices": [{"message": {"role": "assistant", "content": "hi"}}], "usage": tokens}


MODEL = FromCallable(answering)
PRICES = {"answering": (10, 20)}
EXAMPLES = [("a" * length, "hi") for length in (10, 20, 30, 40)]


def program(x: str) -> str:
    """Asks twice."""
    MODEL([{"role": "user", "content": x}])
    return str(MODEL([{"role": "user", "content": x}]).choices[0].message.content)


def guide(query: Any, response: Any, reference: Any) -> tuple[float, str]:
    """Whether it is right."""
    return float(response == reference), "so"


def test_an_evaluation_is_measured() -> None:
    """On as many examples as were asked for; the totals around it count too."""
    with usage() as totals:
        cost = measure(program, guide, EXAMPLES, trials=3, prices=PRICES)
    assert totals.calls == 6
    assert (cost.calls, cost.tokens, cost.trials, cost.notes) == ((2, 2), (30, 70), 3, ())
    assert cost.usd == (pytest.approx(400e-6), pytest.approx(800e-6))
    assert cost.seconds is not None
    assert 0 < cost.seconds[0] <= cost.seconds[1]


def test_nothing_is_wasted() -> None:
    """What was measured is known to the run; what was known is not paid for again, and the next example is taken."""
    with Evaluator(cache=ResultCache()) as evaluator, usage() as totals:
        list(evaluator.evaluations([Request(program, *EXAMPLES[0])], guide))
        assert measure(program, guide, EXAMPLES, evaluator=evaluator, trials=2).trials == 2
        assert totals.calls == 6
        found = list(evaluator.evaluations([Request(program, *each) for each in EXAMPLES[:3]], guide))
        assert all(each.cached for each in found)
        assert totals.calls == 6
        nothing = measure(program, guide, EXAMPLES[:3], evaluator=evaluator)
    assert (nothing.trials, nothing.tokens, nothing.usd) == (0, None, None)
    assert nothing.notes == ("no evaluation was measured: every result is known already.",)
    assert measure(program, guide, []).notes == ("no evaluation was measured: there is no example.",)


def test_what_is_not_known_is_said() -> None:
    """A model without a price, and one that does not say how many tokens it took."""
    unpriced = measure(program, guide, EXAMPLES, trials=1)
    assert unpriced.tokens == (30, 30)
    assert unpriced.usd is None
    assert unpriced.notes[0].startswith(
        "the price of 'answering' is not known: give prices={'answering': (input, output)}"
    )
    mute = FromCallable(lambda messages, **options: "hi")
    silent = measure(lambda x: mute([{"role": "user", "content": x}]), guide, EXAMPLES, trials=1, prices={mute.name: 0})
    assert (silent.calls, silent.tokens, silent.usd) == ((1, 1), None, None)
    assert silent.notes == ("'<lambda>' does not say how many tokens it took.",)


def test_a_program_without_a_model_costs_nothing() -> None:
    """That is measured too."""
    cost = measure(lambda x: x, guide, EXAMPLES)
    assert (cost.calls, cost.tokens, cost.usd, cost.trials) == ((0, 0), (0, 0), (0.0, 0.0), 3)


def test_an_error_is_told_of_before_the_run() -> None:
    """As a wrong key would be."""
    with pytest.raises(ZeroDivisionError):
        measure(lambda x: 1 / 0, guide, EXAMPLES)


def test_a_prompt_is_counted() -> None:
    """Exactly for a model whose vocabulary is here; else within a range that holds it, which is said."""
    exact = prompt_cost("hello " * 100, "gpt-4o", calls=(1, 3), completion_tokens=(10, 50))
    assert exact.tokens == (101 + 10, 3 * (101 + 50))
    assert exact.usd is not None
    assert exact.usd[0] == pytest.approx(101 * 2.5e-6 + 10 * 1e-5)
    assert exact.notes == ()
    bytes_only = prompt_cost("hello " * 100, "another", completion_tokens=5, prices={"another": (1, 1)})
    assert bytes_only.tokens == (105, 605)
    assert bytes_only.usd == (pytest.approx(105e-6), pytest.approx(605e-6))
    assert "cannot be counted" in bytes_only.notes[0]
    assert prompt_cost("hello", "another").notes[1].startswith("how long the answers of 'another' are is not known")
    assert "price" in prompt_cost("hello", "another", completion_tokens=5).notes[1]


ONE = UnitCost(calls=(1, 2), tokens=(100, 300), usd=(0.001, 0.002), seconds=(1.0, 2.0), trials=3)
OTHER = UnitCost(calls=(1, 1), tokens=(1000, 2000), usd=(0.01, 0.02))


def test_a_plan_is_added_up() -> None:
    """Steps, and what comes before the first and after the last."""
    found = estimate_plan(
        steps=10,
        evaluations=(4, 6),
        proposals=(1, 2),
        before=20,
        after=(0, 5),
        evaluation=ONE,
        proposal=OTHER,
        workers=4,
    )
    assert found.evaluations == (60, 85)
    assert found.proposals == (10, 20)
    assert found.calls == (70, 190)
    assert found.tokens == (16_000, 65_500)
    assert found.usd == (pytest.approx(0.16), pytest.approx(0.57))
    assert found.seconds == (pytest.approx(15), pytest.approx(42.5))
    assert (found.measured, found.assumed) == (("evaluation",), ("proposal",))
    assert str(found) == (
        "10 steps     least   most\n"
        "evaluations     60     85  1 to 2 calls, 100 to 300 tokens, $0.0010 to $0.0020, 1 to 2 s each, "
        "measured on 3 examples\n"
        "proposals       10     20  1 call, 1,000 to 2,000 tokens, $0.010 to $0.020 each, assumed\n"
        "model calls     70    190\n"
        "tokens         16k  65.5k\n"
        "dollars      $0.16  $0.57\n"
        "evaluating    0:15   0:42  4 at once"
    )


@pytest.mark.parametrize(
    ("limit", "end", "said"),
    [
        ({"usd": 5.0}, (200, 200), "the limit of $5.00 is not reached"),
        ({"usd": 2.0}, (111, 200), "the limit of $2.00 may end it, after 111 of 200 steps at the earliest"),
        ({"usd": 0.5}, (27, 50), "the limit of $0.50 ends it after about 27 to 50 of 200 steps"),
        ({"calls": 0}, (0, 0), "the limit of 0 calls ends it after about 0 of 200 steps"),
    ],
)
def test_a_budget_ends_it(limit: dict[str, Any], end: tuple[int, int], said: str) -> None:
    """The earliest and the latest step."""
    evaluation = UnitCost((1, 1), (10, 10), (0.005, 0.009), (1, 1), 3)
    found = estimate_plan(steps=200, evaluations=2, evaluation=evaluation, budget=Budget(**limit))
    assert found.ends == {next(iter(limit)): end}
    assert said in str(found).splitlines()


def test_what_is_spent_of_a_budget_is_gone() -> None:
    """The plan is compared with what is left."""
    budget = Budget(calls=10)
    with budget:
        for _ in range(4):
            MODEL([{"role": "user", "content": "x"}])
    assert estimate_plan(steps=10, evaluations=1, evaluation=ONE, budget=budget).ends == {"calls": (3, 6)}


def test_evaluations_may_be_limited() -> None:
    """After those that come before the first step."""
    found = estimate_plan(steps=100, evaluations=(4, 5), before=10, max_evaluations=110)
    assert found.ends == {"evaluations": (20, 25)}


def test_a_limit_that_cannot_be_compared() -> None:
    """Where the figures are missing, the table says so."""
    found = estimate_plan(
        steps=3, evaluations=1, evaluation=UnitCost((1, 1), None, None), budget=Budget(usd=1, seconds=9)
    )
    assert found.ends == {}
    assert "the limit of $1.00: whether it is reached is not known" in str(found)
    assert "dollars" in str(found)
    assert found.usd is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": -1}, "steps must be an integer >= 0"),
        ({"workers": 0}, "workers must be an integer >= 1"),
        ({"evaluations": (5, 4)}, r"evaluations must be a number >= 0 or a pair \(least, most\)"),
        ({"before": "many"}, "before must be"),
        ({"after": (1, 2, 3)}, "after must be"),
    ],
)
def test_arguments_are_checked(wrong: dict[str, Any], said: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match=said):
        estimate_plan(**{"steps": 1, "evaluations": 1, **wrong})
    with pytest.raises(ValueError, match="trials must be"):
        measure(program, guide, EXAMPLES, trials=0)
