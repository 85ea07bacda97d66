"""`make demo`: watch programs being repaired from feedback.

With a model configured (`OPTO_MODEL=gpt-4o make demo`, and its key) it runs live; without one it replays exchanges that
were really made with a language model. All else is computed: if the graph, the prompt or the data change, the replay
fails. The part `classify` is live for everyone: its model is a very small one on this machine (extra `local`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from examples.demo import answer_questions, classify_questions, follow_numbers, repair_code
from examples.demo.answers import answering, described
from examples.demo.display import Display
from opto.errors import MissingExtraError, ModelError, ReplayError
from opto.trace import TraceGraph
from opto.trace.visualize import save_picture

PARTS: dict[str, tuple[str, Callable[..., TraceGraph]]] = {
    "classify": ("Live: a classifier whose model is a very small local one", classify_questions.run),
    "code": ("Code: four functions, each with a bug", repair_code.run),
    "numbers": ("Numbers: an unknown target, and feedback that only says larger or smaller", follow_numbers.run),
    "questions": ("Prompt and code together: a question-answering workflow", answer_questions.run),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; the exit status is 0 if all of them ran, 1 if one failed or is not available."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts to run: {', '.join(PARTS)}; default all")
    parser.add_argument("--pictures", default="demo-pictures", help="the folder for the pictures of the graphs")
    parser.add_argument("--record", metavar="FOLDER", help="be the model yourself: answer the requests in this folder")
    parser.add_argument(
        "--seeds", type=int, default=1, help="how often `classify` searches, with other draws each time (1)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {chosen.seeds}")
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    display = Display()
    parts = chosen.parts or list(PARTS)
    answers = _answers(parts, chosen.record)
    display.say(f"[bold]opto[/bold]: programs repaired from feedback\nanswers: {answers}\n")
    start = time.perf_counter()
    pictures: list[str] = []
    status = 0
    for part in parts:
        title, run = PARTS[part]
        display.title(title)
        try:
            options = {"seeds": chosen.seeds} if part == "classify" else {}
            graph = run(display, lambda role: answering(role, chosen.record), **options)
        except ReplayError as error:
            display.console.print(
                f"The replay failed: what is asked now is not what was recorded.\n{error}", markup=False
            )
            return 1
        except (MissingExtraError, ModelError) as error:
            if part != "classify":
                raise
            display.console.print(f"This part is not available: {error}\n", markup=False)
            status = 1
            continue
        pictures += _drawn(display, graph, Path(chosen.pictures), part)
    display.summary(pictures, answers)
    display.say(f"done in {time.perf_counter() - start:.1f} s")
    return status


def _answers(parts: list[str], record: str | None) -> str:
    """Who answers in these parts, in words."""
    live = "live, from a very small model on this machine (classify)"
    others = described(record) if set(parts) - {"classify"} else ""
    return "; the others ".join(text for text in (live if "classify" in parts else "", others) if text)


def _drawn(display: Display, graph: TraceGraph, folder: Path, part: str) -> list[str]:
    """Save the picture of a graph, as SVG and where possible as PNG; the paths are returned."""
    picture = graph.visualize(print_limit=400)
    try:
        return [str(save_picture(picture, folder / f"{part}.svg"))]
    except MissingExtraError as error:
        display.console.print(f"no picture of this graph: {error}", markup=False)
        return []


if __name__ == "__main__":
    sys.exit(main())
