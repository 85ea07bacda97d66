"""Candidates in the folder of a run: what a step brought, as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opto.errors import FileFormatError
from opto.secrets import REDACTED
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Run

__all__ = ["news_of", "repeat"]


def news_of(run: Run, born: int, accepted: int) -> dict[str, Any]:
    """What the archive has and the file has not, as plain data.

    Args:
        run: as it is now.
        born: how many candidates the file has.
        accepted: how many of those that were accepted.
    """
    archive = run.archive
    told = [
        {"number": number, "status": each.status, "verdict": each.verdict, "cost": each.cost, "leaks": each.leaks}
        for number, each in sorted(archive.touched.items())
    ]
    new = [_written(archive[number]) for number in range(born, len(archive))]
    if born == 0:
        new[0]["parameters"] = _places(run)
    return {
        "born": new,
        "told": told,
        "scores": [list(each) for each in archive.scored],
        "accepted": [each.number for each in archive.accepted[accepted:]],
    }


def repeat(run: Run, news: Mapping[str, Any]) -> None:
    """Bring back what one line tells of."""
    originals = run.stages[0].originals
    for each in news["born"]:
        if each["number"] == 0:
            _check_parameters(run, each)
        values = {originals[int(place)]: value for place, value in each["values"].items()}
        if each["number"] == 0:
            _bring_back_first(run, values)
            continue
        parents = [run.archive[number] for number in each["parents"]]
        run.new(values, parents=parents, reason=each["reason"]).step = each["step"]
    for number, split, place, score in news["scores"]:
        run.archive[number].table(split).add(place, score)
    for each in news["told"]:
        candidate = run.archive[each["number"]]
        candidate.status, candidate.verdict = each["status"], each["verdict"]
        candidate.cost, candidate.leaks = dict(each["cost"]), list(each["leaks"])
    run.archive.accepted.extend(run.archive[number] for number in news["accepted"] if number)


def _bring_back_first(run: Run, values: Mapping[Any, Any]) -> None:
    """Let the first candidate have the values that it had, whatever the program has now."""
    first = run.archive[0]
    kept = {each: value for each, value in values.items() if REDACTED not in str(value)}  # the program has its keys
    first.update_dict.update(kept)
    first.forget_key()


def _places(run: Run) -> list[str]:
    """The parameters by their paths in the program, in the order of values; "" for those that it reads from around."""
    paths = {id(each): path for path, each in run.stages[0].module.named_parameters()}
    return [paths.get(id(each), "") for each in run.stages[0].originals]


def _check_parameters(run: Run, first: Mapping[str, Any]) -> None:
    """Refuse a program in which the values of the run would be those of other parameters."""
    here, count = _places(run), len(first["values"])
    before = first.get("parameters")
    if len(here) != count or (before is not None and before != here):
        what = "" if before is None else f" ({', '.join(filter(None, before))})"
        raise FileFormatError(
            f"the run is one of a program with {count} parameters{what}, and this one has {len(here)} "
            f"({', '.join(filter(None, here))}): give the program as it was, or begin a new run in another folder."
        )


def _written(candidate: ModuleCandidate) -> dict[str, Any]:
    """A candidate as it is written: what it has that its first parent has not."""
    values = list(candidate.update_dict.items())
    if candidate.parents:
        before = candidate.parents[0].update_dict
        changed = {str(place): value for place, (each, value) in enumerate(values) if not _same(before[each], value)}
    else:
        changed = {str(place): value for place, (_, value) in enumerate(values)}
    return {
        "number": candidate.number,
        "parents": [each.number for each in candidate.parents],
        "values": changed,
        "reason": candidate.reason,
        "step": candidate.step,
    }


def _same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and type(old) in (str, int, float, bool) and old == new)
