"""The base: parameters, feedback, atomic updates, the life of a step."""

import asyncio
import copy
import inspect
import pickle
import textwrap
import threading
import weakref

import cloudpickle
import pytest

from opto.errors import FileFormatError, OptoWarning, StaleValueWarning
from opto.optimizers import Optimizer, OptoPrime
from opto.optimizers.drivers import Request
from opto.runs import EventLog, codec, listening
from opto.testing import Scripted
from opto.trace import bundle, node
from opto.trace.nodes import ParameterNode, feedback_lock
from opto.trace.projections import Projection
from opto.trace.propagators import GraphPropagator, SumPropagator


class Constant(Optimizer):
    """Needs no model."""

    def __init__(self, parameters, value=7, **options):
        super().__init__(parameters, **options)
        self.value = value

    def _propose(self):
        return dict.fromkeys(self.parameters, self.value)
        yield


class Asking(Optimizer):
    """Asks one question a parameter."""

    def __init__(self, parameters, llm):
        super().__init__(parameters)
        self.llm = llm

    def _propose(self):
        replies = yield [Request([{"role": "user", "content": each.py_name}]) for each in self.parameters]
        return {each: reply.text for each, reply in zip(self.parameters, replies)}


class TestParameters:
    """What may be optimized."""

    def test_any_iterable(self):
        """A generator is as good as a list."""
        values = [node(1, trainable=True), node(2, trainable=True)]
        assert Constant(each for each in values).parameters == values

    def test_duplicates_count_once(self):
        """A shared parameter may be given by two modules."""
        x, y = node(1, trainable=True), node(1, trainable=True)
        chosen = Constant([x, y, x]).parameters
        assert [id(each) for each in chosen] == [id(x), id(y)]

    def test_none_is_an_error(self):
        """As in PyTorch, an optimizer of nothing is a mistake."""
        with pytest.raises(ValueError, match="at least one ParameterNode, got none"):
            Constant([])

    @pytest.mark.parametrize("wrong", [node(1, trainable=True), 5, None, "text", {"a": 1}])
    def test_what_is_no_list(self, wrong):
        """The error says what is needed."""
        with pytest.raises(TypeError, match="must be a list of ParameterNodes"):
            Constant(wrong)

    def test_what_is_no_parameter(self):
        """The error names the place."""
        with pytest.raises(TypeError, match=r"parameters\[1\]"):
            Constant([node(1, trainable=True), node(2)])

    def test_wrong_propagator(self):
        """A propagator is checked at once."""
        with pytest.raises(TypeError, match="propagator must be"):
            Constant([node(1, trainable=True)], propagator="graph")

    def test_unknown_options_are_not_lost_silently(self):
        """A typing error in an option is told."""
        with pytest.warns(OptoWarning, match="does not use memroy_size"):
            Constant([node(1, trainable=True)], memroy_size=5)


class TestFeedback:
    """How feedback gets in and out."""

    def test_backward_and_zero_feedback(self):
        """Feedback stays until it is cleared."""
        x = node(1, trainable=True)
        optimizer = Constant([x])
        assert optimizer.backward(x + 1, "more") is None
        assert optimizer.trace_graph.user_feedback == "more"
        assert len(x.feedback) == 1
        optimizer.zero_feedback()
        assert len(x.feedback) == 0
        assert len(optimizer.trace_graph) == 0

    def test_backward_needs_a_node(self):
        """Plain data has no graph."""
        with pytest.raises(TypeError, match="node must be a Node"):
            Constant([node(1, trainable=True)]).backward(5, "more")

    def test_a_propagator_without_graphs(self):
        """Other feedback calculi work; only the graph is not to be had."""
        x = node(1, trainable=True)
        optimizer = Constant([x], propagator=SumPropagator())
        optimizer.backward(x + 1, "more")
        assert list(x.feedback.values()) == [["more"]]
        with pytest.raises(TypeError, match="sends no graphs"):
            optimizer.trace_graph

    def test_a_propagator_of_ones_own_that_sends_graphs(self):
        """A subclass of GraphPropagator gives the same graph, by messages."""

        class Own(GraphPropagator):
            pass

        graphs = []
        for propagator in (None, Own()):
            x = node(1, trainable=True, name="x")
            optimizer = Constant([x], propagator=propagator)
            optimizer.backward((x + 1) * 2, "more")
            graphs.append([level for level, _ in optimizer.trace_graph])
        assert graphs[0] == graphs[1]


class TestStep:
    """Proposing and applying."""

    def test_a_step_without_a_model(self):
        """A proposal that asks nothing is applied at once."""
        x, y = node(1, trainable=True), node(2, trainable=True)
        assert Constant([x, y]).step() == {x: 7, y: 7}
        assert (x.data, y.data) == (7, 7)

    def test_bypassing(self):
        """Bypassed, a step only says what it would do."""
        x = node(1, trainable=True)
        assert Constant([x]).step(bypassing=True) == {x: 7}
        assert x.data == 1

    async def test_astep(self):
        """The same on the event loop."""
        x, y = node("a", trainable=True, name="x"), node("b", trainable=True, name="y")
        optimizer = Asking([x, y], lambda messages, **options: messages[0]["content"] + "!")
        assert await optimizer.astep() == {x: x.py_name + "!", y: y.py_name + "!"}
        assert x.data == x.py_name + "!"

    def test_projections_come_before_the_update(self):
        """Each new value passes through its parameter's projections, in order."""

        class Shout(Projection):
            def project(self, x):
                return x.upper()

        class Exclaim(Projection):
            def project(self, x):
                return x + "!"

        x = ParameterNode("a", projections=[Exclaim(), Shout()])
        Constant([x], "new").step()
        assert x.data == "NEW!"

    def test_update_writes_only_trainable_ones(self):
        """A frozen parameter keeps its value."""
        x, y = node(1, trainable=True), node(2, trainable=True)
        y.trainable = False
        Constant([x, y]).step()
        assert (x.data, y.data) == (7, 2)

    def test_update_takes_parameters_only(self):
        """A wrong key is an error, and nothing is set."""
        x = node(1, trainable=True)
        with pytest.raises(TypeError, match="must map ParameterNodes"):
            Constant([x]).update({x: 5, "int0": 6})
        assert x.data == 1

    @pytest.mark.parametrize("wrong", [None, [1], {"int0": 5}])
    def test_a_proposal_must_be_an_update(self, wrong):
        """A `_step` that returns something else is told so."""

        class Own(Optimizer):
            def _step(self):
                return wrong

        with pytest.raises(TypeError, match="must map ParameterNodes"):
            Own([node(1, trainable=True)]).step()

    def test_the_example_of_the_docstring(self):
        """It shortens two texts with two requests."""
        text = inspect.getdoc(Optimizer)
        example = textwrap.dedent(text[text.index("    class Shorten") : text.index("One that needs no model")])
        names = {"Optimizer": Optimizer, "Request": Request}
        exec(example, names)
        x, y = node("a long text", trainable=True), node("another one", trainable=True)
        optimizer = names["Shorten"]([x, y], lambda messages: messages[0]["content"].removeprefix("Shorten: ")[:5])
        optimizer.backward(x + y, "too long")
        assert optimizer.step() == {x: "a lon", y: "anoth"}

    def test_update_unwraps_nodes(self):
        """A value that is a node gives its data."""
        x = node(1, trainable=True)
        Constant([x]).update({x: node(5)})
        assert x.data == 5

    def test_a_failing_model_changes_nothing(self):
        """The error is raised, and told as an event."""
        x = node("a", trainable=True)
        log = EventLog()
        with listening(log), pytest.raises(ConnectionError):
            Asking([x], Scripted([ConnectionError("dead")])).step()
        assert x.data == "a"
        assert log.of("step")[0].data["outcome"] == "failed"
        assert log.of("step")[0].data["reason"] == "ConnectionError: dead"

    def test_interrupts_change_nothing(self):
        """Ctrl-C while the second of two parameters is asked about leaves both alone."""
        x, y = node("a", trainable=True), node("b", trainable=True)
        with pytest.raises(KeyboardInterrupt):
            Asking([x, y], Scripted(["new", KeyboardInterrupt()])).step()
        assert (x.data, y.data) == ("a", "b")

    async def test_cancelling_changes_nothing(self):
        """A cancelled step has not happened."""
        x = node("a", trainable=True)
        started = asyncio.Event()

        async def never(messages, **options):
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(Asking([x], never).astep())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert x.data == "a"

    def test_an_error_while_projecting_changes_nothing(self):
        """Values are set after all projections, so half a step cannot happen."""

        class Refuse(Projection):
            def project(self, x):
                raise ValueError("no")

        x, y = ParameterNode(1), ParameterNode(1, projections=[Refuse()])
        with pytest.raises(ValueError, match="no"):
            Constant([x, y]).step()
        assert (x.data, y.data) == (1, 1)

    def test_a_step_is_told(self):
        """Old and new values by name, as plain data."""
        x = node({2, 1}, trainable=True, name="x")
        log = EventLog()
        with listening(log):
            Constant([x]).step()
        problem, event = log.events
        assert (problem.kind, event.kind) == ("problem", "step")
        data = dict(event.data)
        assert data.pop("seconds") >= 0
        assert data.pop("identity") == problem.data["identity"]
        assert data == {
            "optimizer": "Constant",
            "step": 1,
            "outcome": "applied",
            "old": {x.py_name: "{1, 2}"},
            "new": {x.py_name: 7},
        }

    def test_the_base_cannot_step(self):
        """A subclass without a proposal is told what to write."""
        with pytest.raises(NotImplementedError, match="must define `_propose`"):
            Optimizer([node(1, trainable=True)]).step()

    def test_stale_values_are_reported(self):
        """A parameter that changed since its forward pass is named."""
        x, y = node(1, trainable=True, name="x"), node(2, trainable=True, name="y")
        optimizer = OptoPrime([x, y], Scripted(['{"suggestion": {}}']))
        z = x + y
        x._data = 10
        optimizer.backward(z, "more")
        with pytest.warns(StaleValueWarning, match=rf"^{x.py_name} changed after"):
            optimizer.step()


class TestSwap:
    """All values of a step are set as one."""

    def test_readers_under_the_lock_see_whole_steps(self):
        """While one thread steps, a reader that holds the lock never sees two different values."""
        parameters = [node(0, trainable=True) for _ in range(200)]
        optimizer = Constant(parameters)
        done = threading.Event()
        mixtures = []

        def read():
            while not done.is_set():
                with feedback_lock:
                    seen = {each._data for each in parameters}
                if len(seen) > 1:
                    mixtures.append(seen)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for value in range(300):
            optimizer.update(dict.fromkeys(parameters, value))
        done.set()
        for reader in readers:
            reader.join()
        assert mixtures == []

    def test_a_failure_in_the_middle_is_undone(self):
        """If one value cannot be set, those before it get their old ones back."""

        class Frozen(ParameterNode):
            __slots__ = ("locked",)

            def __setattr__(self, name, value):
                if name == "_data" and value == 7:
                    raise RuntimeError("cannot be set")
                super().__setattr__(name, value)

        first, second = node(1, trainable=True), Frozen(2)
        with pytest.raises(RuntimeError, match="cannot be set"):
            Constant([first, second]).step()
        assert (first.data, second.data) == (1, 2)


class TestKeeping:
    """State, files, copies."""

    def test_state_dict_round_trip(self, tmp_path):
        """A saved optimizer goes on where it was, in a text file."""
        x = node(1, trainable=True)
        optimizer = Constant([x])
        optimizer.step()
        optimizer.save(tmp_path / "state")
        fresh = Constant([x])
        fresh.load(tmp_path / "state")
        assert fresh.steps == 1
        assert "optimizer" in (tmp_path / "state").read_text()

    def test_memory_is_kept(self, tmp_path):
        """What OptoPrime remembers survives."""
        x = node(1, trainable=True)
        optimizer = OptoPrime([x], Scripted(['{"suggestion": {}}']), memory_size=3)
        optimizer.backward(x + 1, "more")
        optimizer.step()
        optimizer.save(tmp_path / "state")
        fresh = OptoPrime([x], memory_size=3)
        fresh.load(tmp_path / "state")
        assert list(fresh.memory) == list(optimizer.memory)
        assert len(fresh.memory) == 1

    def test_the_state_of_another_optimizer(self, tmp_path):
        """A wrong file or state is refused."""
        x = node(1, trainable=True)
        with pytest.raises(ValueError, match="must be of a Constant"):
            Constant([x]).load_state_dict(OptoPrime([x]).state_dict())
        (tmp_path / "junk").write_text("junk")
        with pytest.raises(FileFormatError):
            Constant([x]).load(tmp_path / "junk")

    def test_a_damaged_state_changes_nothing(self, tmp_path):
        """What cannot be gone on with is refused as a damaged file, and the optimizer is as it was."""
        x = node(1, trainable=True)
        optimizer = OptoPrime([x], memory_size=3)
        optimizer.memory.add({"variables": "v", "feedback": "f"})
        before = optimizer.state_dict()
        for change in ({"memory": [{"variables": "v"}]}, {"memory": 3}, {"steps": "many"}, {"optimizer": "Other"}):
            codec.save(tmp_path / "state", {**before, "steps": 9, **change}, kind="optimizer")
            with pytest.raises(FileFormatError, match=r"state: its state does not fit"):
                optimizer.load(tmp_path / "state")
            assert optimizer.state_dict() == before

    def test_deepcopy_shares_the_parameters_and_the_model(self):
        """A copy has its own memory, and steps the same parameters."""
        x = node(1, trainable=True)
        model = Scripted(['{"suggestion": {}}'] * 2)
        optimizer = OptoPrime([x], model, memory_size=2)
        optimizer.backward(x + threading.Lock().locked(), "more")
        optimizer.step()
        twin = copy.deepcopy(optimizer)
        assert twin.parameters[0] is x
        assert twin.parameters is not optimizer.parameters
        assert twin.llm is model
        twin.step()
        assert len(twin.memory) == 2
        assert len(optimizer.memory) == 1

    def test_pickle(self):
        """An optimizer travels with its parameters."""
        x = node(1, trainable=True)
        optimizer = OptoPrime([x], Scripted(["{}"]), memory_size=2)
        twin = pickle.loads(pickle.dumps(optimizer))
        assert twin.parameters[0].data == 1
        assert twin.memory.size == 2

    def test_cloudpickle_after_a_step(self):
        """With logs, code parameters and a lambda as the model."""

        @bundle(trainable=True)
        def f(x):
            return x

        optimizer = OptoPrime(f.parameters(), lambda messages, **options: '{"suggestion": {}}')
        optimizer.backward(f(1), "more")
        optimizer.step()
        twin = cloudpickle.loads(cloudpickle.dumps(optimizer))
        assert twin.log == optimizer.log

    def test_no_construction_needs_a_model(self, no_model_configured):
        """A model is made when the first request is sent, and not before."""
        assert OptoPrime([node(1, trainable=True)]).llm is None

    def test_an_optimizer_keeps_no_graph(self):
        """After zero_feedback the graph of a step is freed."""
        x = node(1, trainable=True)
        optimizer = OptoPrime([x], Scripted(['{"suggestion": {}}']))
        y = x + 1
        gone = weakref.ref(y)
        optimizer.backward(y, "more")
        del y
        optimizer.step()
        optimizer.zero_feedback()
        assert gone() is None
