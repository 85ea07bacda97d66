"""Run it with `make bench-few-shot`, which sets the local model up, or `python -m benchmarks.few_shot`."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import metadata
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.few_shot.report import page
from examples.demo.question_types import QuestionTypes, measured, questions, scores
from opto.errors import MissingExtraError, ModelError
from opto.llm.local import LocalModel


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the page; the exit status is 1 where there is no local model."""
    parser = argparse.ArgumentParser("python -m benchmarks.few_shot", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many searches, with other draws each time (10)")
    parser.add_argument("--weights", help="smollm2, gemma3 or a GGUF file; by default the first that is installed")
    parser.add_argument(
        "--output", type=Path, help="file for the page, such as docs/benchmarks/few_shot.md, written after each seed"
    )
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {chosen.seeds}")
    try:
        with LocalModel(chosen.weights) as local:
            text = _measure(local, chosen.seeds, chosen.output)
    except (MissingExtraError, ModelError) as error:
        print(f"Not available: {error}")
        return 1
    print(f"\n{text}")
    return 0


def _measure(local: LocalModel, seeds: int, output: Path | None) -> str:
    """The page of these seeds."""
    started = time.monotonic()
    bare: Any = QuestionTypes(local)
    before = scores(bare, {}, questions("held_out"))
    print(f"{local.name}, live. No demonstrations: {mean(before):.3f}", flush=True)
    runtime = f"xllamacpp {metadata.version('xllamacpp')}"
    outcomes, text = [], ""
    for seed in range(seeds):
        outcome = measured(local, seed)
        outcomes.append(outcome)
        print(
            f"seed {seed}: drawn at random {mean(outcome.drawn):.3f}, FewShot {mean(outcome.found):.3f}, "
            f"and Select {mean(outcome.chosen):.3f} ({outcome.instruction or 'no instruction'}); "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
        text = page(local.name, runtime, before, outcomes, minutes=(time.monotonic() - started) / 60)
        if output:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    sys.exit(main())
