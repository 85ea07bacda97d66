"""opto.train: every kind of model, each part by name, class or object, and what is said of wrong arguments."""

from __future__ import annotations

import json

import pytest

import opto
from opto.errors import BudgetExceededError, ModelError
from opto.llm import Budget, as_model
from opto.optimizers import Choices, FewShot, Hybrid, Numeric, OptoPrime, Select
from opto.testing import Scripted
from opto.trace import Module, bundle, model, node
from opto.trainer import Outcome
from opto.trainer.algorithms import BasicSearch, Minibatch, Trainer
from opto.trainer.assembling.assembling import Given, assemble
from opto.trainer.assembling.parts import ALGORITHMS
from opto.trainer.executors import process_pool
from opto.trainer.guides import ExactMatch
from opto.trainer.objectives import ObjectiveConfig
from tests.trainer.counting import DATA, Kept, Nudge, closeness, cutter
from tests.trainer.words import Words


def suggesting(parameter, value):
    """A model that always suggests the same."""
    return lambda messages, **options: json.dumps({"reasoning": "", "suggestion": {parameter.py_name: value}})


def trained(model, **options):
    """What comes of a short run."""
    given = {"train_dataset": DATA, "guide": closeness, "optimizer": Nudge, "logger": Kept(), "num_steps": 6}
    return opto.train(model=model, **{**given, **options})


@bundle()
def cut(text, limit):
    """The first letters."""
    return text[:limit]


# ---- models


def test_module():
    """A program gets the values of the best candidate."""
    program = cutter()
    outcome = trained(program)
    assert isinstance(outcome, Outcome)
    assert outcome.score == 1.0
    assert program.limit.data == 4


def test_decorated_class():
    """An instance of a class with @model."""

    @model
    class Cutter:
        def __init__(self):
            self.limit = node(1, trainable=True, name="limit")

        def forward(self, text):
            return cut(text, self.limit)

    program = Cutter()
    assert trained(program).score == 1.0
    assert program.limit.data == 4


def test_plain_function():
    """Its parameters are those that one run on the first example reads; they get the best values."""
    limit, unused = (node(1, trainable=True, name=name) for name in ("limit", "unused"))
    outcome = trained(lambda text: cut(text, limit))
    assert outcome.score == 1.0
    assert (limit.data, unused.data) == (4, 1)


def test_coroutine_function():
    """Likewise."""
    limit = node(1, trainable=True, name="limit")

    async def program(text):
        return cut(text, limit)

    assert trained(program).score == 1.0
    assert limit.data == 4


def test_method_of_an_object():
    """A bound method is a function too; its object is not copied."""

    class Holder:
        def __init__(self):
            self.limit = node(1, trainable=True, name="limit")

        def run(self, text):
            return cut(text, self.limit)

    holder = Holder()
    assert trained(holder.run).score == 1.0
    assert holder.limit.data == 4


def test_function_that_fails_at_first():
    """The parameters are found from the graph of the failure."""
    limit = node(1, trainable=True, name="limit")

    @bundle()
    def strict(text, limit):
        """The first letters, at least two."""
        if limit < 2:
            raise ValueError("more, please")
        return text[:limit]

    assert trained(lambda text: strict(text, limit), score_range=(0, 1)).score == 1.0


def test_trainable_bundle():
    """The code of a bundled function is its parameter."""

    @bundle(trainable=True)
    def shout(text):
        """The text in capitals."""
        return text

    better = 'def shout(text):\n    """The text in capitals."""\n    return text.upper()'
    llm = suggesting(shout.parameter, better)
    outcome = opto.train(
        model=shout,
        train_dataset=[("a", "A"), ("b", "B")],
        guide="ExactMatch",
        optimizer_kwargs={"llm": llm},
        logger=Kept(),
        num_steps=1,
    )
    assert outcome.score == 1.0
    assert shout("c").data == "C"


def test_bundle_that_is_not_trainable():
    """The parameters of a function that holds none may come with the optimizer."""
    limit = node(1, trainable=True, name="limit")

    @bundle(allow_external_dependencies=True)
    def program(text):
        """The first letters."""
        return text[: limit.data]

    optimizer = Nudge([limit])
    outcome = trained(lambda text: cut(program(text), limit), optimizer=optimizer)
    assert outcome.score == 1.0


def test_single_node():
    """The guide judges its value."""
    number = node(1, trainable=True, name="number")
    outcome = trained(
        number,
        train_dataset=[None],
        guide=lambda query, response, reference: (-abs(response - 3), "more" if response < 3 else "less"),
    )
    assert number.data == 3
    assert outcome.score == 0


# ---- parts


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Minibatch", Minibatch),
        ("MinibatchAlgorithm", Minibatch),
        ("BasicSearch", BasicSearch),
        ("BasicSearchAlgorithm", BasicSearch),
        (Minibatch, Minibatch),
    ],
)
def test_algorithms_by_name(name, kind):
    """By their names, those that they had, and as classes."""
    made = assemble(Given(cutter(), DATA, algorithm=name, optimizer=Nudge, guide=closeness))
    assert type(made.algorithm) is kind


def test_options_of_priority_search():
    """Those that its train names elsewhere are known too, and an algorithm says what it takes."""
    program = cutter()
    options = {"algorithm": "PrioritySearch", "num_candidates": 2, "num_batches": 1, "score_function": "mean"}
    assert trained(program, num_steps=3, **options).steps == 3
    with pytest.raises(TypeError, match="Did you mean 'num_candidates'"):
        trained(program, algorithm="PrioritySearch", num_candidate=2)


def test_polca_by_name(tmp_path):
    """With an optimizer that has an objective, its model summarizes; also in a folder that `train` has open."""
    program = cutter()
    suggestion = json.dumps({"reasoning": "", "answer": "", "suggestion": {program.limit.py_name: 4}})
    script = Scripted([suggestion, "Longer is better.", suggestion, "Much longer."])
    options = {"optimizer": "OptoPrime", "optimizer_kwargs": {"llm": script}, "num_candidates": 1, "num_steps": 2}
    outcome = trained(program, algorithm="POLCA", run_dir=tmp_path / "run", **options)
    assert outcome.score == 1.0
    assert program.limit.data == 4
    assert "Longer is better." in str(script.requests[2][0])
    assert (tmp_path / "run" / "optimizers.jsonl").exists()


@pytest.mark.parametrize("optimizer", ["FewShot", None])
def test_few_shot_search_by_name(optimizer, tmp_path):
    """With its optimizer by name, or found by the parameters, which hold lists."""
    problem = Words()
    outcome = trained(
        problem.agent,
        algorithm="FewShotSearch",
        optimizer=optimizer,
        train_dataset=problem.train_dataset,
        guide=problem.guide,
        num_steps=4,
        run_dir=tmp_path / "run",
    )
    assert outcome.score > outcome.start
    assert problem.agent.texts[0].data


def test_parts_by_name_with_options():
    """Options go to the part that they are for."""
    given = Given(
        cutter(),
        DATA,
        optimizer="OptoPrime",
        optimizer_kwargs={"memory_size": 3, "llm": as_model(lambda messages, **options: "")},
        guide="NumericTolerance",
        guide_kwargs={"absolute": 0.5},
        logger=Kept,
        logger_kwargs={"mark": "!"},
        trainer_kwargs={"validation": 2, "num_threads": 3, "num_steps": 9, "timeout": 5.0},
    )
    made = assemble(given)
    assert made.optimizer.memory.size == 3
    assert made.guide.absolute == 0.5
    assert made.algorithm.logger.mark == "!"
    assert made.algorithm.acceptance.places == 2
    assert made.algorithm.num_threads == 3
    assert made.options == {"num_steps": 9, "timeout": 5.0}


def test_object_of_an_algorithm():
    """One that is made already trains its own agent with its own optimizer."""
    program = cutter()
    algorithm = Minibatch(program, Nudge(program.parameters()), logger=Kept())
    assert trained(program, algorithm=algorithm, optimizer=None, num_steps=3).steps == 3
    with pytest.raises(ValueError, match="agent of the algorithm"):
        trained(cutter(), algorithm=algorithm, optimizer=None)
    with pytest.raises(TypeError, match="made already"):
        trained(program, algorithm=algorithm, optimizer=None, num_threads=2)


def test_algorithm_of_ones_own():
    """It gets what its constructor and its train ask for."""

    class Once(Trainer):
        def train(self, guide, train_dataset, *, optimizer, rounds=1):
            for x, info in list(train_dataset) * rounds:
                output = self.agent(x)
                optimizer.backward(output, guide(x, output.data, info)[1])
            optimizer.step()
            return rounds

    program = cutter()
    given = {"train_dataset": DATA, "guide": closeness, "optimizer": Nudge, "logger": Kept()}
    assert opto.train(model=program, algorithm=Once, rounds=2, **given) == 2
    assert program.limit.data == 2
    with pytest.raises(TypeError, match="takes no budget"):
        opto.train(model=program, algorithm=Once, budget={"calls": 1}, **given)
    with pytest.raises(TypeError, match="Did you mean 'rounds'"):
        opto.train(model=program, algorithm=Once, round=2, **given)


def test_default_optimizer():
    """By the kinds of the parameters."""
    text = node("Be nice.", trainable=True)
    number = node(3, trainable=True, constraint=range(1, 9))
    choice = node("a", trainable=True, constraint=Choices(["a", "b"]))
    demos = node([], trainable=True)
    rules = node(["be nice", "be short"], trainable=True)

    class Program(Module):
        def __init__(self, *parameters):
            self.parts = list(parameters)

        def forward(self, x):
            return self.parts[0]

    def chosen(*parameters):
        return assemble(Given(Program(*parameters), DATA, guide=closeness)).optimizer

    assert type(chosen(text)) is OptoPrime
    assert type(chosen(number)) is Numeric
    assert type(chosen(choice)) is Select
    assert type(chosen(rules)) is OptoPrime
    few = chosen(demos)
    assert type(few) is FewShot
    assert len(few.pool[demos]) == 4
    mixed = chosen(text, number, demos)
    assert type(mixed) is Hybrid
    assert sorted(mixed.optimizers) == ["few_shot", "numeric", "optoprime"]


def test_judge_by_default():
    """A model judges where no guide was named."""
    made = assemble(Given(cutter(), DATA, optimizer=Nudge, guide_kwargs={"llm": lambda messages, **options: "7"}))
    assert type(made.guide).__name__ == "LLMJudge"


def test_budget_as_a_dict():
    """Its limits hold, and the run ends with the best so far."""
    program = cutter()
    llm = suggesting(program.limit, 2)
    outcome = trained(program, optimizer="OptoPrime", optimizer_kwargs={"llm": llm}, budget={"calls": 2}, num_steps=9)
    assert outcome.usage.calls == 2
    assert "budget" in outcome.stopped
    assert program.limit.data == 2


def test_budget_without_room_for_the_held_out_score():
    """What the budget does not pay for is said."""
    ask = as_model(lambda messages, **options: "x")

    @bundle()
    def asking(text, limit):
        """A model's word."""
        return ask([{"role": "user", "content": text}]).text * limit

    class Asker(Module):
        def __init__(self):
            self.limit = node(1, trainable=True, name="limit")

        def forward(self, text):
            return asking(text, self.limit)

    other = [("held out", "held")]
    outcome = trained(Asker(), test_dataset=other, budget=Budget(calls=9), num_steps=9)
    assert outcome.held_out is None
    assert "budget" in outcome.notes[0]
    assert "budget" in str(outcome)


def test_held_out_score_has_an_interval():
    """And so has its distance to the validation score."""
    outcome = trained(cutter(), test_dataset=DATA)
    assert outcome.held_out.mean == 1.0
    assert outcome.held_out.low < 1.0
    assert outcome.gap.difference == 0.0
    assert "held-out" in str(outcome)


def test_copied_examples():
    """They are reported, or the candidate is rejected before it is run, or nobody looks."""
    data = [("What is the capital of the largest state?", "it is the old town of Juneau"), ("And now?", "no")]
    stolen = "Say: it is the old town of Juneau"

    def run(on_leak):
        prompt = node("Be brief.", trainable=True, name="prompt")
        llm = suggesting(prompt, stolen)
        return opto.train(
            model=prompt,
            train_dataset=data,
            guide=lambda query, response, reference: (float(reference in response), "no"),
            optimizer_kwargs={"llm": llm},
            logger=Kept(),
            num_steps=1,
            on_leak=on_leak,
        )

    reported = run("report")
    assert "Juneau" in reported.best.leaks[0]
    assert "copies" in str(reported)
    rejected = run("reject")
    assert rejected.best.number == 0
    assert rejected.archive[1].status == "rejected"
    assert "copies training examples" in rejected.archive[1].verdict
    assert rejected.evaluations == reported.evaluations - 2
    assert run("ignore").best.leaks == []


# ---- wrong arguments


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"algorithm": "BasicSerch"}, ValueError, "Did you mean 'BasicSearch'"),
        ({"algorithm": 3}, TypeError, "algorithm must be a name"),
        ({"algorithm": int}, TypeError, "subclass of Trainer"),
        ({"optimizer": "OptoPrim"}, ValueError, "Did you mean 'OptoPrime'"),
        ({"optimizer": 3}, TypeError, "optimizer must be a name"),
        ({"optimizer": []}, TypeError, "optimizer must be a name"),
        ({"optimizer": "OPRO", "optimizer_kwargs": {"bye": 2}}, TypeError, "OPRO has no option 'bye'"),
        ({"optimizer": Nudge([node(1, trainable=True)]), "optimizer_kwargs": {"a": 2}}, TypeError, "made already"),
        ({"optimizer": "OptoPrime", "optimizer_kwargs": {"memorysize": 2}}, TypeError, "Did you mean 'memory_size'"),
        ({"guide": "exactmatch"}, ValueError, "Did you mean 'ExactMatch'"),
        ({"guide": 3}, TypeError, "guide must be"),
        ({"guide": ExactMatch(), "guide_kwargs": {"strip": True}}, TypeError, "guide is made already"),
        ({"guide": "ExactMatch", "guide_kwargs": {"bla": True}}, TypeError, "ExactMatch has no option 'bla'"),
        ({"logger": "Console"}, ValueError, "Did you mean 'ConsoleLogger'"),
        ({"logger": 3}, TypeError, "logger must have a method log"),
        ({"num_step": 3}, TypeError, "Did you mean 'num_steps'"),
        ({"num_steps": -1}, ValueError, "num_steps must be >= 0"),
        ({"budget": 3}, TypeError, "budget must be"),
        ({"budget": {"dollars": 3}}, TypeError, "no limit 'dollars'"),
        ({"train_dataset": []}, ValueError, "train_dataset must hold"),
        ({"train_dataset": None}, TypeError, "train_dataset must hold"),
        ({"progress": "loud"}, ValueError, "progress must be one of"),
        ({"record": 1}, TypeError, "record must be"),
    ],
)
def test_wrong_parts(options, error, words):
    """They are named, with what would be right."""
    with pytest.raises(error, match=words):
        trained(cutter(), **options)


def test_wrong_models():
    """Classes, nodes that are not trainable, things that cannot be called, programs without anything to train."""
    with pytest.raises(TypeError, match=r"make one, model=Thing\(\)"):
        trained(type("Thing", (Module,), {}))
    with pytest.raises(TypeError, match="trainable=True"):
        trained(node(1))
    with pytest.raises(TypeError, match="model must be a Module"):
        trained("agent")
    with pytest.raises(TypeError, match="neither forward nor __call__"):
        trained(type("Thing", (Module,), {})())
    with pytest.raises(TypeError, match="must return a traced value"):
        trained(lambda text: text)
    with pytest.raises(ValueError, match="nothing to train"):
        trained(lambda text: cut(text, 3))


def test_function_in_other_processes():
    """What reads parameters from around it cannot go there."""
    limit = node(1, trainable=True, name="limit")
    with process_pool(1) as pool, pytest.raises(ValueError, match="executor must share memory"):
        trained(lambda text: cut(text, limit), executor=pool)


def test_estimate():
    """How much a run may take, without asking the optimizer's model."""
    asked = []
    program = cutter()
    found = opto.trainer.estimate(
        model=program,
        train_dataset=DATA,
        guide=closeness,
        optimizer_kwargs={"llm": lambda messages, **options: asked.append(messages)},
        num_steps=5,
        batch_size=2,
    )
    assert found.steps == 5
    assert found.evaluations == (14, 34)
    assert found.calls == (0, 10)
    assert not asked
    assert program.limit.data == 1
    assert program.limit.feedback == {}
    with pytest.raises(ValueError, match="num_steps must be given"):
        opto.trainer.estimate(model=program, train_dataset=DATA, guide=closeness, optimizer=Nudge, target_score=1.0)


def test_budget_pays_for_looking_for_parameters():
    """The run that finds them counts."""
    limit = node(1, trainable=True, name="limit")
    ask = as_model(lambda messages, **options: "xxxx")

    def program(text):
        return cut(ask([{"role": "user", "content": text}]).text, limit)

    with pytest.raises(BudgetExceededError):
        trained(program, budget={"calls": 0})


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS.names() if name != "FewShotSearch"])
def test_folder_for_every_algorithm(algorithm, tmp_path):
    """Each algorithm that has a name saves its run, whose outcome can be read again."""
    further = {"algorithm": algorithm, "num_steps": 2, **({"summarizer": None} if algorithm == "POLCA" else {})}
    program = cutter()
    optimizer = Nudge(program.parameters())
    outcome = trained(program, optimizer=optimizer, run_dir=tmp_path / "run", **further)
    parts = {"model": program, "guide": closeness, "optimizer": optimizer, "logger": Kept()}
    again = opto.resume(tmp_path / "run", **parts)
    assert outcome.steps == again.steps == 2
    assert (again.evaluations, len(again.archive)) == (outcome.evaluations, len(outcome.archive))


def test_folder_of_a_saved_priority_search(tmp_path):
    """`run_dir` and `save_frequency` go together."""
    kept = {"save_frequency": 1, "save_path": tmp_path / "saved"}
    outcome = trained(cutter(), algorithm="PrioritySearch", run_dir=tmp_path / "run", num_steps=2, **kept)
    assert outcome.steps == 2
    assert (tmp_path / "saved" / "algo.pkl").exists()


def proposing(make):
    """A class of optimizers that propose what a function makes of them."""

    class Proposing(Nudge):
        def _propose(self):
            yield from ()
            return make(self)

    return Proposing


def test_batch_larger_than_the_dataset():
    """No example is run twice in a step."""
    outcome = trained(cutter(), batch_size=100, num_steps=1)
    assert outcome.evaluations == 4 * 3  # for feedback, and for the scores of the first candidate and the new one


def test_proposal_of_the_values_that_there_are():
    """It changes nothing, so there is no candidate of it."""
    outcome = trained(cutter(), optimizer=proposing(lambda it: {each: each.data for each in it.parameters}))
    assert len(outcome.archive) == 1
    assert outcome.steps == 6


def test_proposal_for_a_parameter_of_another_program():
    """What was proposed, and which parameters there are, is said by name."""
    other = node(1, trainable=True, name="other")
    with pytest.raises(ValueError, match="proposed a value for other.*may change limit"):
        trained(cutter(), optimizer=proposing(lambda it: {other: 2}))


def test_program_whose_answers_are_not_traced():
    """The error says what a program has to return."""

    class Untraced(Module):
        def __init__(self):
            self.limit = node(1, trainable=True, name="limit")

        def forward(self, text):
            return text[: self.limit.data]

    with pytest.raises(TypeError, match="bundled functions"):
        trained(Untraced())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"run_dir": 3}, TypeError, "run_dir must be the path of a folder or None, got 3"),
        ({"run_dir": ""}, ValueError, "run_dir must name a folder, got ''"),
        ({"cache": 3}, TypeError, "cache must be an opto.trainer.results.ResultCache or None, got 3"),
        ({"resume": True}, TypeError, r"by opto\.resume\(run_dir\)"),
        ({"num_threads": 0}, ValueError, "num_threads must be an integer >= 1 or None, got 0"),
        (
            {"progress": "loud"},
            ValueError,
            "progress must be one of 'auto', 'live', 'plain', 'off', a Progress or None, got 'loud'",
        ),
        ({"guide": lambda *_: {"a": 1, "b": 2}}, ValueError, r"objective_config=ObjectiveConfig"),
    ],
)
def test_arguments_are_named(options, error, words):
    """What is wrong is called by the name that the caller gave it."""
    with pytest.raises(error, match=words):
        trained(cutter(), **options)


@pytest.mark.parametrize("algorithm", ["BasicSearch", "Beam", "UCBSearch", "GEPA", "PrioritySearch"])
@pytest.mark.parametrize("mode", ["weighted", "pareto"])
def test_several_objectives(algorithm, mode):
    """Every algorithm takes dicts of scores that have no total among them."""

    def guide(query, response, reference):
        score, words = closeness(query, response, reference)
        return {"near": score, "long": len(response) / 100}, words

    config = ObjectiveConfig(mode=mode, weights={"near": 1.0, "long": 0.1})
    outcome = trained(cutter(), guide=guide, algorithm=algorithm, objective_config=config)
    assert outcome.score > outcome.start


def test_scores_outside_of_their_range():
    """It is said at the first one, not when the run is over."""
    program = cutter()
    with pytest.raises(ValueError, match=r"score_range must hold all scores of the guide: it is \(0, 1\).*gave 7"):
        trained(program, guide=lambda *_: 7, score_range=(0, 1), test_dataset=DATA)
    assert program.limit.data == 1


def test_model_that_cannot_be_asked():
    """A run that is shorter than the patience with failing models says so in its outcome."""

    def failing(messages, **options):
        raise ModelError("nobody is there")

    outcome = trained(cutter(), optimizer="OptoPrime", optimizer_kwargs={"llm": failing}, num_steps=2)
    assert "No proposal could be made in the last step: nobody is there" in str(outcome)


def test_folder_of_a_run_that_failed_at_once(tmp_path):
    """With a wrong key, say: the corrected call is not refused, and its plan is the one that is gone on with."""

    def unreachable(messages, **options):
        raise ModelError("a wrong key")

    program = cutter()
    options = {"optimizer": "OptoPrime", "algorithm": "Minibatch", "run_dir": tmp_path, "num_steps": 3}
    with pytest.raises(ModelError, match="a wrong key"):
        trained(program, **options, optimizer_kwargs={"llm": unreachable})
    outcome = trained(program, **{**options, "num_steps": 2}, optimizer_kwargs={"llm": suggesting(program.limit, 4)})
    assert (outcome.steps, outcome.best.number) == (2, 1)
    with pytest.raises(ValueError, match="holds a run"):
        trained(program, **options)
    again = opto.resume(
        tmp_path, model=program, optimizer="OptoPrime", optimizer_kwargs={"llm": suggesting(program.limit, 3)}
    )
    assert (again.steps, again.best.number) == (2, 1)
