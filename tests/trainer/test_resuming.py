"""opto.resume: a run that died goes on from its folder, in another process, with nothing else given."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import opto
from opto.errors import FileFormatError, OptoWarning, RecordInUseError
from opto.llm import Budget
from opto.runs import read
from opto.testing.search_suite import Silent
from opto.trace import node
from opto.trainer.guides import ExactMatch
from opto.trainer.saving.checkpoints import RunFolder
from tests.trainer.training_programs import environment, written


def told(outcome):
    """What must be the same however often a run was interrupted."""
    kept = [(each.number, list(each.values.values()), each.status, each.verdict, each.step) for each in outcome.archive]
    return kept, outcome.score, outcome.evaluations, outcome.steps, outcome.stopped


def child(folder, code, **more):
    """A process that has imported `opto` and `person`."""
    command = [sys.executable, "-c", f"import opto, person\n{code}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment(folder, **more), **pipes, text=True)


def said(process):
    """What a process that ended well wrote."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


TRAIN = "print(opto.train(model={model}, num_steps={steps}, run_dir='run', **person.OPTIONS))"


@pytest.mark.parametrize(
    "model", ["person.agent", "person.plain", "person.Cutter()", "person.Decorated()", "person.marked('!')"]
)
def test_killed_and_gone_on_with(person, tmp_path, model):
    """After SIGKILL, another process that is given nothing but the folder ends as an uninterrupted run does."""
    dying = {"EXECUTED": str(tmp_path / "executed"), "DIE_AT": "18"}
    process = child(tmp_path, TRAIN.format(model=model, steps=8), **dying)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert 0 < state["value"]["counts"]["steps"] < 8
    shutil.move(tmp_path / "run", tmp_path / "moved")
    output = said(child(tmp_path, "print(opto.resume('moved'))"))
    whole = said(child(tmp_path, TRAIN.format(model=model, steps=8)))
    assert without_steps(output) == without_steps(whole)
    assert "8 steps are done" in output


def without_steps(output):
    """What a process said in the end, without what its logger said of each step."""
    return [line for line in output.splitlines() if not line.startswith("[step ")]


def test_nothing_is_paid_for_twice(person, tmp_path):
    """The program is run no more often than in one go, but for what the killed step had under way."""
    counts = {name: tmp_path / name for name in ("one", "two")}
    said(child(tmp_path, TRAIN.format(model="person.agent", steps=8), EXECUTED=str(counts["one"])))
    shutil.rmtree(tmp_path / "run")
    dying = child(tmp_path, TRAIN.format(model="person.agent", steps=8), EXECUTED=str(counts["two"]), DIE_AT="18")
    dying.communicate(timeout=60)
    said(child(tmp_path, "opto.resume('run')", EXECUTED=str(counts["two"])))
    one, two = (path.stat().st_size for path in counts.values())
    assert 0 <= two - one <= 8


def test_finished_run(person, tmp_path):
    """It gives its outcome at once, without a model call or a run of the program; a higher limit lets it go on."""
    first = opto.train(model=person.agent, num_steps=3, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    person.asked.clear()
    os.environ["EXECUTED"] = str(tmp_path / "executed")
    try:
        again = opto.resume(tmp_path / "run")
    finally:
        del os.environ["EXECUTED"]
    assert told(again) == told(first)
    assert not person.asked
    assert not (tmp_path / "executed").exists()
    further = opto.resume(tmp_path / "run", num_steps=5)
    assert further.steps == 5
    assert opto.resume(tmp_path / "run").steps == 5  # the higher limit was kept


def test_function_with_parameters_around_it(person, tmp_path):
    """They are found again by their names, without a run of the program."""
    options = {"num_steps": 2, "run_dir": tmp_path / "run", "logger": Silent(), **person.OPTIONS}
    first = opto.train(model=person.plain, **options)
    os.environ["EXECUTED"] = str(tmp_path / "executed")
    try:
        assert told(opto.resume(tmp_path / "run")) == told(first)
    finally:
        del os.environ["EXECUTED"]
    assert not (tmp_path / "executed").exists()


def test_used_up_evaluations(person, tmp_path):
    """A run that ended in the middle of a step goes on, with a higher limit, as if it had had that from the start."""
    options = {"logger": Silent(), **person.OPTIONS}
    whole = opto.train(model=person.Cutter(), max_evaluations=40, run_dir=tmp_path / "whole", **options)
    first = opto.train(model=person.Cutter(), max_evaluations=21, run_dir=tmp_path / "run", **options)
    assert "used up" in first.stopped
    assert told(opto.resume(tmp_path / "run")) == told(first)
    assert told(opto.resume(tmp_path / "run", max_evaluations=40)) == told(whole)


def test_used_up_budget(person, tmp_path):
    """What was spent counts on, also in another process; a larger budget lets the run go on."""
    options = {"num_steps": 5, "logger": Silent(), **person.OPTIONS}
    whole = opto.train(model=person.Cutter(), run_dir=tmp_path / "whole", **options)
    first = opto.train(model=person.Cutter(), run_dir=tmp_path / "run", budget={"calls": 2}, **options)
    assert "budget of 2 calls" in first.stopped
    assert first.steps == 2
    person.asked.clear()
    assert told(opto.resume(tmp_path / "run")) == told(first)
    assert "budget of 4 calls" in opto.resume(tmp_path / "run", budget={"calls": 4}).stopped
    assert len(person.asked) == 2
    assert told(opto.resume(tmp_path / "run", budget=Budget(calls=50))) == told(whole)
    assert len(person.asked) == 3


def test_budget_for_a_run_that_had_none(person, tmp_path):
    """What was used before counts."""
    opto.train(model=person.agent, num_steps=2, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    person.asked.clear()
    assert "budget of 3 calls" in opto.resume(tmp_path / "run", num_steps=9, budget={"calls": 3}).stopped
    assert len(person.asked) == 1


def test_one_budget_object_is_charged_once(person, tmp_path):
    """A budget that has paid for the run itself does not pay again when the run goes on."""
    budget = Budget(calls=20)
    options = {"logger": Silent(), **person.OPTIONS}
    opto.train(model=person.agent, num_steps=2, run_dir=tmp_path / "run", budget=budget, **options)
    opto.resume(tmp_path / "run", num_steps=4, budget=budget)
    assert budget.spent.calls == 4


def test_events_are_recorded(person, tmp_path):
    """The folder holds the record of the run; each process adds a session."""
    options = {"logger": Silent(), **person.OPTIONS}
    opto.train(model=person.agent, num_steps=2, run_dir=tmp_path / "run", **options)
    opto.resume(tmp_path / "run", num_steps=3)
    record = read(tmp_path / "run")
    assert len(record.sessions) == 2
    assert len(record.exchanges) == 3
    opto.train(model=person.Cutter(), num_steps=1, run_dir=tmp_path / "quiet", record=False, **options)
    assert not (tmp_path / "quiet" / "events.jsonl").exists()


# ---- what is missing


def test_parts_that_cannot_be_made_again(person, tmp_path):
    """They are asked for, all at once, with an example; given, the run goes on."""
    local = person.Marked("!")
    options = {
        **person.OPTIONS,
        "train_dataset": [(text, Opaque(text[:6])) for text in person.TEXTS],
        "guide": lambda query, response, reference: person.closeness(query, response, reference.text),
        "optimizer_kwargs": {"llm": lambda messages, **options: "go"},
    }
    opto.train(model=local, num_steps=2, run_dir=tmp_path / "run", logger=Silent(), **options)
    with pytest.raises(TypeError) as caught:
        opto.resume(tmp_path / "run")
    message = str(caught.value)
    for name in ("model: an object of the class Marked", "guide: ", "optimizer: its option llm", "train_dataset: "):
        assert name in message
    assert "opto.resume('" in message
    assert "model=..., optimizer=..., guide=..., train_dataset=...)" in message
    given = {name: options[name] for name in ("guide", "train_dataset", "optimizer", "optimizer_kwargs")}
    assert opto.resume(tmp_path / "run", model=person.Marked("!"), num_steps=3, **given).steps == 3


class Opaque:
    """Has no text form."""

    def __init__(self, text):
        self.text = text


def test_other_data(person, tmp_path):
    """Data that is given must be what the run began with."""
    opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    with pytest.raises(ValueError, match="train_dataset must be the one that the run began with: 4 examples, not 1"):
        opto.resume(tmp_path / "run", train_dataset=[("a", "b")])
    with pytest.raises(ValueError, match="its examples are others"):
        opto.resume(tmp_path / "run", train_dataset=[("a", "b")] * 4)
    with pytest.raises(ValueError, match="test_dataset must not be given"):
        opto.resume(tmp_path / "run", test_dataset=[("a", "b")])
    assert opto.resume(tmp_path / "run", train_dataset=person.DATA).steps == 1


def test_parts_that_were_changed(person, tmp_path):
    """A guide that judges otherwise now, or code that runs otherwise, is told of: scores from before stay."""
    opto.train(model=person.Cutter(), num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)

    def milder(query, response, reference):
        score, words = person.closeness(query, response, reference)
        return score / 2, words

    with pytest.warns(OptoWarning, match="guide was changed since the run began"):
        outcome = opto.resume(tmp_path / "run", guide=milder, num_steps=2, logger=Silent())
    assert outcome.steps == 2
    assert opto.resume(tmp_path / "run", guide=milder, num_steps=3, logger=Silent()).steps == 3


def test_program_with_other_parameters(person, tmp_path):
    """The values of one parameter never become those of another, and both programs are named."""
    opto.train(model=person.Cutter(), num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)

    class Renamed(person.Cutter):
        def __init__(self):
            self.length = node(1, trainable=True, name="limit")

    class Larger(person.Cutter):
        def __init__(self):
            super().__init__()
            self.more = node(1, trainable=True, name="more")

    class Smaller(person.Cutter):
        def __init__(self):
            self.limit = person.words

    for program, names in ((Renamed(), "length"), (Larger(), "limit, more")):
        with pytest.raises(FileFormatError, match=rf"1 parameters \(limit\), and this one has . \({names}\)"):
            opto.resume(tmp_path / "run", model=program, num_steps=2, logger=Silent())
    opto.train(model=Larger(), num_steps=1, run_dir=tmp_path / "larger", logger=Silent(), **person.OPTIONS)
    with pytest.raises(FileFormatError, match=r"2 parameters \(limit, more\), and this one has 1 \(limit\)"):
        opto.resume(tmp_path / "larger", model=Smaller(), num_steps=2, logger=Silent())


def test_another_algorithm_or_optimizer(person, tmp_path):
    """A run is not gone on with by others than it began with; the argument is named."""
    opto.train(model=person.Cutter(), num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    with pytest.raises(ValueError, match="algorithm must be the one of the run in .*BasicSearch"):
        opto.resume(tmp_path / "run", algorithm="GEPA", num_steps=2, logger=Silent())
    options = {"optimizer": "OptoPrime", "optimizer_kwargs": {"llm": person.answer}}
    with pytest.raises(ValueError, match="optimizer must be one like that of the run in .*Nudge"):
        opto.resume(tmp_path / "run", **options, num_steps=2, logger=Silent())


def test_guides_of_the_package(person, tmp_path):
    """By name with options, or as objects by their state."""
    for guide, options in (("ExactMatch", {"guide_kwargs": {"ignore_case": True}}), (ExactMatch(ignore_case=True), {})):
        where = tmp_path / f"run {type(guide).__name__}"
        given = {**person.OPTIONS, "guide": guide, **options}
        opto.train(model=person.agent, num_steps=1, run_dir=where, logger=Silent(), **given)
        plan = json.loads((where / "plan.json").read_text())["value"]
        assert plan["guide"]["name"] == "ExactMatch"
        assert opto.resume(where, num_steps=2).steps == 2


def test_optimizers_and_guides_that_were_objects(person, tmp_path):
    """They are made again for the parameters of the program, with their options and their state."""
    agent, guide = person.Cutter(), person.Closeness()
    guide.strict = True
    options = {**person.OPTIONS, "guide": guide, "optimizer": person.Nudge(agent.parameters(), person.answer, by=2)}
    del options["optimizer_kwargs"]
    opto.train(model=agent, num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **options)
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["value"]["optimizer"]["parameters"] == ["limit"]
    outcome = opto.resume(tmp_path / "run", num_steps=2, logger=Silent())
    assert list(outcome.best.values.values()) == [5]


def test_script_that_is_run_again(tmp_path):
    """What a script holds is found while the same script runs, and not from another one."""
    written(tmp_path)
    (tmp_path / "script.py").write_text(
        "import sys, opto, person\n"
        "from opto.trace import node\n"
        "words = node(1, trainable=True, name='words')\n"
        "def program(text):\n"
        "    return person.cut(text, words)\n"
        "if sys.argv[1] == 'train':\n"
        "    opto.train(model=program, num_steps=2, run_dir='run', **person.OPTIONS)\n"
        "else:\n"
        "    print(opto.resume('run', num_steps=3).steps)\n"
    )
    for word in ("train", "resume"):
        ended = subprocess.run(
            [sys.executable, "script.py", word],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert ended.stdout.splitlines()[-1] == "3"
    process = child(tmp_path, "opto.resume('run')")
    _, errors = process.communicate(timeout=60)
    assert process.returncode
    assert "was defined in the script script.py" in errors


# ---- folders


def test_folder_that_holds_a_run(person, tmp_path):
    """It is not written over; one without a run is said so."""
    options = {"logger": Silent(), **person.OPTIONS}
    opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", **options)
    with pytest.raises(ValueError, match=r"opto\.resume\("):
        opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", **options)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        opto.resume(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_folder_in_use(person, tmp_path):
    """Two processes cannot run in one folder; one that was killed leaves no lock."""
    opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    with RunFolder(tmp_path / "run"):
        with pytest.raises(RecordInUseError):
            opto.resume(tmp_path / "run")
        process = child(tmp_path, "opto.resume('run')")
        assert "RecordInUseError" in process.communicate(timeout=60)[1]
    assert opto.resume(tmp_path / "run").steps == 1


FORKING = """
import os, signal
from opto.trainer.saving.checkpoints import RunFolder
folder = RunFolder("run")
if os.fork() == 0:
    print("forked", flush=True)
    os.read(0, 1)
    os._exit(0)
signal.pause()
"""


def test_forked_children_hold_no_lock(person, tmp_path):
    """A child of a run that was killed does not keep others out of its folder."""
    opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    with child(tmp_path, FORKING) as process:
        assert process.stdout.readline() == "forked\n"
        with pytest.raises(RecordInUseError):
            opto.resume(tmp_path / "run")
        process.kill()
        process.wait(timeout=60)
        assert opto.resume(tmp_path / "run").steps == 1


def test_died_before_the_first_step(person, tmp_path):
    """A folder with a plan and no state is begun."""
    opto.train(model=person.agent, num_steps=2, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    for name in ("state.json", "candidates.jsonl", "results.jsonl"):
        (tmp_path / "run" / name).unlink()
    person.agent.limit._set(1)
    assert opto.resume(tmp_path / "run").steps == 2


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("plan.json", lambda text: text[: len(text) // 2]),
        ("plan.json", lambda text: text.replace('"version": 1,\n    "main"', '"version": 2,\n    "main"')),
        ("plan.json", lambda text: text.replace('"optimizer"', '"optimiser"')),
        ("plan.json", lambda text: text.replace('"training plan"', '"value"')),
        ("state.json", lambda text: text[:50]),
        ("state.json", lambda text: text.replace('"version": 1', '"version": 9')),
        ("state.json", lambda text: text.replace('"best"', '"worst"')),
        ("state.json", lambda text: text.replace('"counts": {', '"counts": {"new": 1, ')),
        ("state.json", lambda text: text.replace('"best": 2', '"best": 99')),
        ("candidates.jsonl", lambda text: text[:30]),
        ("candidates.jsonl", lambda text: text.replace('"born"', '"bern"')),
        ("candidates.jsonl", lambda text: "x" + text[1:]),
        ("data/train.jsonl", lambda text: text.replace("abcd", "abce")),
        ("results.jsonl", lambda text: text.replace('"version": 1', '"version": 7')),
    ],
)
def test_damaged_folders(person, tmp_path, name, change):
    """What is damaged, or newer, is named, and nothing is changed."""
    opto.train(model=person.agent, num_steps=2, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    path = tmp_path / "run" / name
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(FileFormatError, match=path.name.partition(".")[0]):
        opto.resume(tmp_path / "run", num_steps=4)
    assert path.read_text() == changed


@pytest.mark.parametrize(
    "reference",
    ["os:system", "subprocess:getoutput", "_pytest.config:main", "opto.cli:main"]
    + ["person:os.system", "person:executed.__globals__", "a b", 3],
)
def test_references_that_train_does_not_write(person, tmp_path, reference):
    """A folder cannot make `resume` call a function of Python, of opto or of an installed package."""
    opto.train(model=person.agent, num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    plan = tmp_path / "run" / "plan.json"
    plan.write_text(plan.read_text().replace('"person:agent"', json.dumps(reference)))
    with pytest.raises(TypeError, match="model: .*(refused|no reference|has no)"):
        opto.resume(tmp_path / "run")


def test_only_marked_functions_are_called(person, tmp_path):
    """What makes a part again is marked with @rebuildable."""
    opto.train(model=person.marked("!"), num_steps=1, run_dir=tmp_path / "run", logger=Silent(), **person.OPTIONS)
    plan = tmp_path / "run" / "plan.json"
    plan.write_text(plan.read_text().replace("person:marked", "person:Marked"))
    with pytest.raises(TypeError, match="not marked with @opto.trainer.rebuildable"):
        opto.resume(tmp_path / "run")


def test_full_disk(person, tmp_path, monkeypatch):
    """The error is raised, and what was saved before can be read."""
    from opto.runs import codec

    real, saved = codec.save, []

    def failing(path, value, *, kind, **options):
        if kind == "training":
            saved.append(value)
            if len(saved) == 3:
                raise OSError(28, "No space left on device", os.fspath(path))
        real(path, value, kind=kind, **options)

    monkeypatch.setattr(codec, "save", failing)
    program = person.Cutter()
    options = {"num_steps": 5, "logger": Silent(), **person.OPTIONS}
    with pytest.raises(OSError, match="No space left"):
        opto.train(model=program, run_dir=tmp_path / "run", **options)
    monkeypatch.undo()
    whole = opto.train(model=person.Cutter(), run_dir=tmp_path / "whole", **options)
    outcome = opto.resume(tmp_path / "run", model=person.Cutter())
    assert told(outcome) == told(whole)


def test_values_without_a_text_form(person, tmp_path):
    """They are refused when the run begins, not when it is to go on."""
    number = node(object(), trainable=True, name="thing")
    with pytest.raises(TypeError, match="has no text form"):
        opto.train(
            model=number,
            train_dataset=[None],
            guide=lambda query, response, reference: 1.0,
            optimizer=person.Nudge,
            run_dir=tmp_path / "run",
            logger=Silent(),
            num_steps=1,
        )


# ---- signals

SIGNALLED = """
import os, sys, threading
whole = person.Nudge._propose
def propose(self):
    if self.parameters[0].data == 3:
        print("here", flush=True)
        sys.stdin.readline()
    return (yield from whole(self))
person.Nudge._propose = propose
try:
    outcome = opto.train(model=person.agent, num_steps=6, run_dir="run", **person.OPTIONS)
    print("interrupted", outcome.interrupted, outcome.steps, outcome.stopped)
except KeyboardInterrupt:
    print("stopped", person.agent.limit.data)
"""


def signalled(folder, *numbers):
    """What a run says that gets signals in its third step."""
    process = child(folder, SIGNALLED)
    while "here" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    for place, number in enumerate(numbers):
        process.send_signal(number)
        if place == 0:
            assert "Ctrl-C once more stops at once" in process.stderr.readline()
    output, errors = process.communicate("\n", timeout=60)
    assert process.returncode == 0, errors
    return output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once(person, tmp_path, number):
    """The step under way is finished and saved, and the run can go on."""
    assert "interrupted True 3 interrupted" in signalled(tmp_path, number)
    options = {"num_steps": 6, "logger": Silent(), **person.OPTIONS}
    whole = opto.train(model=person.Cutter(), run_dir=tmp_path / "whole", **options)
    assert told(opto.resume(tmp_path / "run", logger=Silent())) == told(whole)


def test_interrupted_twice(person, tmp_path):
    """It stops at once: the program has the best values, and the folder holds the steps before."""
    assert "stopped 3" in signalled(tmp_path, signal.SIGINT, signal.SIGINT)
    state = json.loads((tmp_path / "run" / "state.json").read_text())["value"]
    assert state["counts"]["steps"] == 2
    options = {"num_steps": 6, "logger": Silent(), **person.OPTIONS}
    whole = opto.train(model=person.Cutter(), run_dir=tmp_path / "whole", **options)
    assert told(opto.resume(tmp_path / "run", logger=Silent())) == told(whole)
