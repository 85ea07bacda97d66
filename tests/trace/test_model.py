"""`@model`: any class as a module that collects its parameters, is saved, copied, pickled and exported."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from opto.errors import FileFormatError
from opto.trace import Model, Module, ParameterNode, Seq, bundle, model, node


@model
class Greeter:
    """Greets."""

    def __init__(self, greeting="hello"):
        super().__init__()
        self.greeting = node(greeting, trainable=True)
        self.constant = node(" and ")
        self.mark = "!"
        self.history = []

    @bundle(trainable=True)
    def decorate(self, text):
        """Decorates."""
        return text + self.mark

    def forward(self, name):
        return self.decorate(self.greeting + self.constant + name)


class Base:
    """A plain base with bundled methods."""

    def __init__(self):
        self.base_value = 1

    @bundle(trainable=True)
    def rate(self, x):
        return x + self.base_value


@model
class Derived(Base):
    def __init__(self):
        super().__init__()
        self.w = node(2.0, trainable=True)

    def forward(self, x):
        return self.rate(x) + self.w


@model
class Wrapper:
    def __init__(self):
        self.first = Greeter("a")
        self.second = Greeter("b")
        self.rest = Seq(Derived(), node(1, trainable=True))

    def forward(self, x):
        return self.second(self.first(x))


@model
class Loud(Greeter):
    def forward(self, name):
        return super().forward(name).upper()


class TestClass:
    def test_names_and_bases(self):
        """The class is <Name>Model, a subclass of the class and of Model, found under that name in its module."""
        assert Greeter.__name__ == "GreeterModel"
        assert Greeter.__module__ == __name__
        assert Greeter.reserved_cls_name == "Greeter"
        assert Greeter.__doc__ == "Greets."
        assert sys.modules[__name__].GreeterModel is Greeter
        assert issubclass(Greeter, Module)
        assert issubclass(Greeter, Model)
        assert isinstance(Greeter(), Module)
        assert type(Greeter()).__mro__[1].__name__ == "Greeter"

    def test_forward(self):
        """Calling the object calls forward."""
        assert Greeter()("you").data == "hello and you!"

    def test_parameters(self):
        """Trainable nodes and trainable methods; a node that is not trainable is none."""
        greeter = Greeter()
        assert set(greeter.parameters_dict()) == {"greeting", "decorate"}
        assert len(greeter.parameters()) == 2
        assert all(isinstance(each, ParameterNode) for each in greeter.parameters())

    def test_a_base_that_is_no_module(self):
        """Methods that a plain base bundles are found."""
        derived = Derived()
        assert derived(1).data == 4.0
        assert len(derived.parameters()) == 2

    def test_nested_models(self):
        """Models in attributes and containers are collected."""
        wrapper = Wrapper()
        assert len(wrapper.parameters()) == 7
        assert sorted(path for path, _ in wrapper.named_parameters()) == [
            "first.decorate.parameter",
            "first.greeting",
            "rest.0.rate.parameter",
            "rest.0.w",
            "rest.1",
            "second.decorate.parameter",
            "second.greeting",
        ]
        assert wrapper("x").data == "b and a and x!!"

    def test_a_model_of_a_model(self):
        """Inheriting from a decorated class works, with super() as ever."""
        assert Loud("hi")("you").data == "HI AND YOU!"
        assert Loud.reserved_cls_name == "Loud"
        assert len(Loud().parameters()) == 2

    def test_feedback_reaches_all(self):
        """Feedback on the output reaches the node and the code."""
        greeter = Greeter()
        greeter("you").backward("louder")
        assert all(each.feedback for each in greeter.parameters())
        greeter.zero_feedback()
        assert not any(each.feedback for each in greeter.parameters())

    @pytest.mark.parametrize("wrong", [3, lambda: None, Greeter("a")])
    def test_what_is_no_class(self, wrong):
        """Decorating what is no class is a TypeError."""
        with pytest.raises(TypeError, match="decorates a class"):
            model(wrong)

    def test_forward_is_needed(self):
        """Without forward the call says what is missing."""

        @model
        class Empty:
            pass

        with pytest.raises(NotImplementedError, match="must define forward"):
            Empty()()

    def test_own_call(self):
        """A class with its own __call__ keeps it."""

        @model
        class Own:
            def __call__(self, x):
                return x + 1

        assert Own()(1) == 2


class TestState:
    def test_state_dict(self):
        """Values by dotted path go round."""
        wrapper, other = Wrapper(), Wrapper()
        wrapper.first.greeting._data = "changed"
        wrapper.first.decorate.parameter._data = "def decorate(self, text):\n    return text"
        other.load_state_dict(wrapper.state_dict())
        assert other.state_dict() == wrapper.state_dict()
        assert other.first.greeting is not wrapper.first.greeting
        assert other("x").data == wrapper("x").data == "b and changed and x!"

    def test_state_that_does_not_fit(self):
        """A missing or unknown path is an error that lists it, and nothing is set; strict=False sets what fits."""
        greeter = Greeter()
        with pytest.raises(KeyError, match="other"):
            greeter.load_state_dict({"greeting": "x", "other": 1})
        assert greeter.greeting.data == "hello"
        greeter.load_state_dict({"greeting": "x", "other": 1}, strict=False)
        assert greeter.greeting.data == "x"

    def test_save_and_load(self, tmp_path):
        """Parameters and other attributes go round; existing parameter objects are kept."""
        greeter = Greeter()
        greeter.greeting._data = "hi"
        greeter.decorate.parameter._data = "def decorate(self, text):\n    return text * 2"
        greeter.mark, greeter.history, greeter.constant._data = "?", [1, {"a": (2, 3)}], " or "
        greeter.save(tmp_path / "deep" / "greeter.opto")
        other = Greeter()
        kept = other.greeting, other.decorate.parameter, other.constant
        other.load(tmp_path / "deep" / "greeter.opto")
        assert other("x").data == "hi or xhi or x"
        assert other.history == [1, {"a": (2, 3)}]
        assert other.mark == "?"
        assert (other.greeting, other.decorate.parameter, other.constant) == kept
        assert other.greeting is kept[0]
        assert other.decorate.parameter is kept[1]
        assert other.constant is kept[2]

    def test_the_file_is_text_without_pickle(self, tmp_path):
        """The file can be read by a person."""
        Greeter("a greeting to find").save(tmp_path / "g")
        text = (tmp_path / "g").read_text()
        assert "a greeting to find" in text
        assert "def decorate" in text

    def test_function_local_classes(self, tmp_path):
        """An object whose class is local to a function can be saved and loaded."""

        @model
        class Local:
            def __init__(self):
                self.k = node(1, trainable=True)
                self.note = "n"

            def forward(self, x):
                return x + self.k

        local = Local()
        local.k._data = 5
        local.note = "changed"
        local.save(tmp_path / "local")
        other = Local()
        other.load(tmp_path / "local")
        assert other(1).data == 6
        assert other.note == "changed"

    def test_damaged_files(self, tmp_path):
        """A file that is none of ours is a FileFormatError, and nothing is changed."""
        greeter = Greeter()
        (tmp_path / "bad").write_text("not ours")
        with pytest.raises(FileFormatError):
            greeter.load(tmp_path / "bad")
        assert greeter("you").data == "hello and you!"


class TestCopies:
    def test_deepcopy(self):
        """A deep copy has attributes and parameters of its own, named as copies, and works on itself."""
        greeter = Greeter()
        greeter("x")
        greeter.greeting._data = "hi"
        twin = copy.deepcopy(greeter)
        assert "_copy" in twin.greeting.name
        assert twin.greeting is not greeter.greeting
        assert twin.decorate.parameter is not greeter.decorate.parameter
        twin.mark, twin.greeting._data = "?", "bye"
        assert (twin("x").data, greeter("x").data) == ("bye and x?", "hi and x!")
        assert twin.history is not greeter.history
        assert type(twin) is type(greeter)

    def test_copy_shares_parameters(self):
        """copy() shares the parameters, of trainable methods and nested models too, and nothing else."""
        wrapper = Wrapper()
        wrapper("x")
        twin = wrapper.copy()
        assert twin is not wrapper
        assert twin.first is not wrapper.first
        assert [id(each) for each in twin.parameters()] == [id(each) for each in wrapper.parameters()]
        twin.first.mark = "?"
        assert (twin("x").data, wrapper("x").data) == ("b and a and x?!", "b and a and x!!")
        assert twin.first.decorate("y").parents[0].data is twin.first

    def test_copy_before_the_first_call(self):
        """A copy shares the code of trainable methods that were never touched before."""
        greeter = Greeter()
        twin = greeter.copy()
        assert twin.decorate.parameter is greeter.decorate.parameter

    def test_pickle(self):
        """Instances pickle."""
        wrapper = Wrapper()
        wrapper.first.decorate.parameter._data = "def decorate(self, text):\n    return text"
        twin = pickle.loads(pickle.dumps(wrapper))
        assert type(twin) is Wrapper
        assert twin("x").data == wrapper("x").data == "b and a and x!"
        assert twin.state_dict() == wrapper.state_dict()

    def test_pickle_of_a_derived_model(self):
        """So do those of a model of a model, and of a model with a plain base."""
        for made in (Loud("hi"), Derived()):
            twin = pickle.loads(pickle.dumps(made))
            assert type(twin) is type(made)
            assert twin.state_dict() == made.state_dict()


def test_export_runs_without_opto(tmp_path):
    """The exported file defines the class plainly, holds what was learned, and runs where opto cannot be imported."""
    greeter = Greeter()
    greeter.greeting._data = 'it\'s "hi"'
    code = "def decorate(self, text):\n    import math\n    return text + '?' * math.floor(2.5)"
    greeter.decorate.parameter._data = code
    greeter.export(tmp_path / "out" / "greeter.py")
    text = (tmp_path / "out" / "greeter.py").read_text()
    assert "class Greeter:" in text
    assert "bundle" not in text
    assert "node(" not in text
    check = (
        "import sys; sys.modules['opto'] = None\n"
        "from greeter import Greeter\n"
        "print(Greeter().forward('you'))\n"
        "print(Greeter.__doc__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path / "out", check=True, capture_output=True, text=True
    )
    assert done.stdout == 'it\'s "hi" and you??\nGreets.\n'
