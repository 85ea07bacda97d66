"""How long prompts are, and what it costs to make them fit: `python -m benchmarks.prompts [--budget 8000]`.

Graphs of 10 to 100,000 operators, of three kinds: a chain, samples that are alike, and calls without order. For each,
the tokens of the whole prompt (by bytes, and by the vocabulary of gpt-4o) and the CPU time to write it within a budget.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable
from typing import Any

from opto.llm.tokens import most_tokens, token_counter
from opto.optimizers.forms import JSON_KEYS, JSONForm
from opto.optimizers.problem import FunctionFeedback
from opto.optimizers.rendering import HEADINGS
from opto.optimizers.symbols import OptimizerPromptSymbolSet, TagsForm
from opto.trace import GRAPH, bundle, node

SIZES = (10, 100, 1_000, 10_000, 100_000)
FORMS = {
    "lines": JSONForm(HEADINGS, JSON_KEYS),
    "tags": TagsForm(OptimizerPromptSymbolSet(), lambda text: text[:2000]),
}


@bundle()
def step(x: float, rate: float) -> float:
    """One step on: x moved by a share of itself."""
    return x + 1e-9 * rate * x


@bundle()
def answer(question: str, prompt: str) -> str:
    """The answer of the program to a question."""
    return f"{prompt[:10]}: {question} " + "and so on " * 20


@bundle()
def check(text: str, expected: str) -> bool:
    """Whether the answer is the one expected."""
    return text.startswith(expected)


def chain(size: int) -> tuple[list[Any], Any]:
    """Each step goes on from the one before."""
    rate = node(0.1, trainable=True, name="rate")
    state = node(1.0, name="start")
    for _ in range(size):
        state = step(state, rate)
    return [state], rate


def samples(size: int) -> tuple[list[Any], Any]:
    """Two calls on each sample, all of them with one prompt."""
    prompt = node("Answer in one word.", trainable=True, name="prompt")
    return [check(answer(f"What is {n}?", prompt), str(n)) for n in range(max(size // 2, 1))], prompt


def tangle(size: int) -> tuple[list[Any], Any]:
    """Calls of three operators on whatever stands before, by a seed."""
    drawn = random.Random(size)
    weight = node(1.0, trainable=True, name="weight")
    known: list[Any] = [weight, node(2.0)]
    for _ in range(size):
        left, right = drawn.choice(known[-50:]), known[-1]
        known.append(drawn.choice([left + right, left - right, step(left, right)]))
    return [known[-1]], weight


def summary_of(make: Callable[[int], tuple[list[Any], Any]], size: int) -> FunctionFeedback:
    """The facts of a graph of a kind and a size, as an optimizer has them."""
    from opto.optimizers import OptoPrime

    GRAPH.clear()
    outputs, parameter = make(size)
    optimizer = OptoPrime([parameter])
    for number, output in enumerate(outputs):
        optimizer.backward(output, f"Wrong in case {number}." if number % 3 else "Right.")
    return optimizer.summarize()


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--budget", type=int, default=8_000, help="the most tokens, counted by bytes")
    arguments.add_argument("--largest", type=int, default=SIZES[-1], help="the largest graph")
    chosen = arguments.parse_args()
    exact = token_counter("gpt-4o")
    print(f"Prompts within {chosen.budget:,} tokens, counted by bytes. Time is CPU time.")
    print(
        f"{'graph':8} {'operators':>9} {'form':6} {'whole':>12} {'fitted':>7} {'gpt-4o':>7} {'seconds':>8} {'us/op':>7}"
    )
    for make in (chain, samples, tangle):
        for size in SIZES:
            if size > chosen.largest:
                continue
            summary = summary_of(make, size)
            for name, form in FORMS.items():
                whole = most_tokens(str(form.problem(summary, "Improve.")))
                gc.collect()
                start = time.process_time()
                text = form.draft(summary, "Improve.").render(chosen.budget)
                seconds = time.process_time() - start
                operators = len(summary.graph)
                print(
                    f"{make.__name__:8} {operators:9,} {name:6} {whole:12,} {most_tokens(text):7,} {exact(text):7,} "
                    f"{seconds:8.3f} {1e6 * seconds / operators:7.1f}"
                )


if __name__ == "__main__":
    main()
