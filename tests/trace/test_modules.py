"""Modules: the forward pass, parameters by path, and files."""

from __future__ import annotations

import copy

import pytest

from opto.errors import FileFormatError
from opto.trace import Map, Module, ParameterNode, Seq, bundle, model, modules, node


class Agent(Module):
    def __init__(self):
        self.prompt = node("hello", trainable=True, description="What to say.")
        self.tools = [node("a", trainable=True), Seq(node("b", trainable=True)), "text"]
        self.settings = {"k": node(1, trainable=True)}
        self.inner = Module()
        self.inner.x = node(2.5, trainable=True)

    @bundle(trainable=True)
    def act(self, n):
        return n + 1

    def forward(self, n):
        return self.act(n)


PATHS = {"prompt", "tools.0", "tools.1.0", "settings.k", "inner.x", "act.parameter"}


class TestForward:
    def test_calling_is_forward(self):
        """A call goes to `forward` with all arguments, whatever they are called."""

        class Echo(Module):
            def forward(self, *args, **kwargs):
                return args, kwargs

        assert Echo()(1, a=2, module=3) == ((1,), {"a": 2, "module": 3})

    def test_without_forward(self):
        """A module without one says what is missing."""
        with pytest.raises(NotImplementedError, match=r"Empty must define forward\(\)"):
            type("Empty", (Module,), {})()()


class TestPaths:
    def test_named_parameters(self):
        """Each parameter has a dotted path through modules, lists and dicts."""
        agent = Agent()
        named = dict(agent.named_parameters())
        assert named.keys() == PATHS
        assert named["tools.0"] is agent.tools[0]
        assert named["settings.k"] is agent.settings["k"]

    def test_shared_ones_come_once(self):
        """A parameter in two places has one path."""
        module = Module()
        module.a = module.b = node(1, trainable=True)
        assert [path for path, _ in module.named_parameters()] == ["a"]

    def test_paths_do_not_depend_on_numbers(self):
        """Two objects of one class have the same paths, however their nodes are numbered."""
        assert list(Agent().state_dict()) == list(Agent().state_dict())
        first, second = (Map({node("k", trainable=True): node(1, trainable=True)}) for _ in range(2))
        assert len(list(modules._named(first))) == 2
        assert [path for path, _ in modules._named(first)] != []
        module, other = Module(), Module()
        module.m, other.m = first, second
        assert list(module.state_dict()) == list(other.state_dict())

    def test_state_dict(self):
        """The values by path, and back into the same objects."""
        agent, other = Agent(), Agent()
        agent.prompt._set("changed")
        before = other.prompt
        other.load_state_dict(agent.state_dict())
        assert other.prompt is before
        assert other.prompt == "changed"
        assert other.state_dict() == agent.state_dict()

    def test_a_state_dict_that_does_not_fit(self):
        """Missing and unknown paths are listed, and nothing is changed; `strict=False` loads what fits."""
        agent = Agent()
        state = {**agent.state_dict(), "prompt": "new", "unknown": 1}
        del state["inner.x"]
        with pytest.raises(KeyError, match=r"missing \['inner.x'\], unknown \['unknown'\]"):
            agent.load_state_dict(state)
        assert agent.prompt == "hello"
        agent.load_state_dict(state, strict=False)
        assert agent.prompt == "new"

    def test_a_state_dict_is_a_mapping(self):
        """Anything else is an error that shows it."""
        with pytest.raises(TypeError, match="state_dict must be a mapping of path to value, got 3"):
            Agent().load_state_dict(3)

    def test_zero_feedback(self):
        """All parameters forget their feedback."""
        agent = Agent()
        (agent.prompt + " you").backward("good")
        assert len(agent.prompt.feedback) == 1
        agent.zero_feedback()
        assert agent.prompt.feedback == {}


class TestFiles:
    def test_save_and_load(self, tmp_path):
        """Folders are made; values go into the existing parameters."""
        path = tmp_path / "deep" / "agent.json"
        agent, other = Agent(), Agent()
        for name, parameter in agent.named_parameters():
            if name != "act.parameter":
                parameter._set(parameter.data * 2)
        agent.act.parameter._set("def act(self, n):\n    return n * 10")
        agent.save(path)
        kept = dict(other.named_parameters())
        other.load(path)
        assert other.state_dict() == agent.state_dict()
        assert all(parameter is kept[name] for name, parameter in other.named_parameters())
        assert other(3) == 30

    def test_new_parameters_become_attributes(self, tmp_path):
        """One that the module does not have yet is added, with name and description."""
        agent = Agent()
        agent.save(tmp_path / "a")
        other = Agent()
        del other.prompt, other.inner.x
        other.load(tmp_path / "a")
        assert type(other.prompt) is ParameterNode
        assert other.prompt == "hello"
        assert other.prompt.description == "What to say."
        assert other.inner.x == 2.5

    def test_a_parameter_without_a_place(self, tmp_path):
        """Where a whole part is missing, the path is named and nothing is changed."""
        agent = Agent()
        agent.prompt._set("new")
        agent.save(tmp_path / "a")
        other = Agent()
        other.tools = []
        with pytest.raises(ValueError, match="Agent has no place for the saved parameter 'tools.0'"):
            other.load(tmp_path / "a")
        assert other.prompt == "hello"

    def test_damaged_files(self, tmp_path):
        """A file that is none of ours is refused, and nothing is changed."""
        agent = Agent()
        (tmp_path / "a").write_text("{")
        with pytest.raises(FileFormatError):
            agent.load(tmp_path / "a")
        assert agent.prompt == "hello"

    def test_a_value_without_a_text_form(self, tmp_path):
        """It is an error that says where it is; a file that was there stays."""
        agent = Agent()
        agent.save(tmp_path / "a")
        before = (tmp_path / "a").read_bytes()
        agent.inner.x._set(object())
        with pytest.raises(TypeError, match=r"inner\.x"):
            agent.save(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == before

    def test_a_model_saves_its_other_attributes(self, tmp_path):
        """Parameters, frozen ones and plain attributes come back; what only holds parameters is left to these."""

        @model
        class Program:
            def __init__(self):
                self.prompt = node("a", trainable=True)
                self.frozen = ParameterNode("f", trainable=False)
                self.steps = [node(1, trainable=True)]
                self.count = 0

        program, other = Program(), Program()
        program.prompt._set("b")
        program.frozen._set("g")
        program.steps[0]._set(2)
        program.count = 7
        program.save(tmp_path / "p")
        kept = other.prompt, other.frozen, other.steps[0]
        other.load(tmp_path / "p")
        assert [other.prompt, other.frozen, other.steps[0]] == ["b", "g", 2]
        assert all(now is before for now, before in zip((other.prompt, other.frozen, other.steps[0]), kept))
        assert other.count == 7

    def test_a_model_without_a_place(self, tmp_path):
        """Nothing is changed, other attributes neither."""

        @model
        class Program:
            def __init__(self):
                self.steps = [node(1, trainable=True)]
                self.count = 0

        program, other = Program(), Program()
        program.count = 7
        program.save(tmp_path / "p")
        other.steps = []
        with pytest.raises(ValueError, match="no place for the saved parameter 'steps.0'"):
            other.load(tmp_path / "p")
        assert other.count == 0


class TestCopies:
    def test_deepcopy(self):
        """A deep copy has parameters of its own, named as copies, and its own state."""

        @model
        class Program:
            def __init__(self):
                self.prompt = node("a", name="prompt", trainable=True)
                self.notes = ["n"]

            @bundle(trainable=True)
            def act(self, n):
                return n

        program = Program()
        program.act(1)
        twin = copy.deepcopy(program)
        assert twin.prompt is not program.prompt
        assert twin.prompt.py_name.startswith(f"{program.prompt.py_name}_copy")
        assert twin.notes is not program.notes
        assert twin.act.parameter is not program.act.parameter
        assert twin.act.parameter == program.act.parameter
        twin.act.parameter._set("def act(self, n):\n    return n + 1")
        assert (twin.act(1), program.act(1)) == (2, 1)

    def test_deepcopy_of_a_plain_module(self):
        """The same holds for a subclass of `Module`."""
        agent = Agent()
        twin = copy.deepcopy(agent)
        assert twin.prompt is not agent.prompt
        assert len(twin.parameters()) == len(agent.parameters())


def test_model_decorates_classes_only():
    """Anything else is an error that shows it."""
    with pytest.raises(TypeError, match="@model decorates a class, got 3"):
        model(3)
