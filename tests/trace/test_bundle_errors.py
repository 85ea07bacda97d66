"""`bundle` where things go wrong: exceptions as nodes, and nodes that are used but are no inputs."""

from __future__ import annotations

import pytest

from opto.errors import LostDependencyWarning
from opto.trace import (
    ExceptionNode,
    ExecutionError,
    TraceMissingInputsError,
    bundle,
    node,
)
from opto.trace.bundle import disable_external_dependencies_check

# ---- errors


class TestErrors:
    def test_an_exception_becomes_a_node(self):
        """Its data names the error, its parents are the inputs, and it takes feedback."""

        @bundle()
        def f(x, y):
            return x / y

        x, y = node(1, trainable=True), node(0)
        with pytest.raises(ExecutionError) as caught:
            f(x, y)
        failed = caught.value.exception_node
        assert isinstance(failed, ExceptionNode)
        assert failed.data == "(ZeroDivisionError) division by zero"
        assert failed.parents == [x, y]
        assert failed._base.startswith("exception_")
        assert caught.value.args[0] == failed.data
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        failed.backward(failed.create_feedback("full"))
        assert x.feedback

    def test_the_line_is_marked(self):
        """The error comment is the source with the failing line marked; the text begins with two line feeds."""

        @bundle()
        def f(x):
            y = x + 1
            return y / 0

        with pytest.raises(ExecutionError) as caught:
            f(1)
        info = caught.value.exception_node.info
        assert "    return y / 0 <--- (ZeroDivisionError) division by zero." in info["error_comment"]
        assert "y = x + 1\n" in info["error_comment"]
        assert str(caught.value).startswith("\n\nTraceback")
        assert "ZeroDivisionError" in info["traceback"]

    def test_trainable_includes_the_code(self):
        """The code parameter is a parent of the exception node, and the model's own line is marked."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    k = 0\n    return x / k"
        with pytest.raises(ExecutionError) as caught:
            f(1)
        failed = caught.value.exception_node
        assert f.parameter in failed.parents
        assert len(failed.parents) == 2
        assert "return x / k <--- (ZeroDivisionError) division by zero." in failed.info["error_comment"]

    @pytest.mark.parametrize(
        ("code", "error", "marked"),
        [
            ("def f(x)\n    return x", "SyntaxError", "def f(x) <---"),
            ("k = 1 / 0\ndef f(x):\n    return x", "ZeroDivisionError", "k = 1 / 0 <---"),
            ("def g(x):\n    return x", "CodeError", "must define 'f'"),
            ("f = 3", "CodeError", "must define 'f'"),
            ("", "CodeError", "empty"),
        ],
    )
    def test_code_that_does_not_define_the_function(self, code, error, marked):
        """The exception node's one parent is the code parameter, and it is named after it."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = code
        with pytest.raises(ExecutionError) as caught:
            f(node(1))
        failed = caught.value.exception_node
        assert failed.parents == [f.parameter]
        assert failed.parents[0] is f.parameter
        assert error in failed.data
        assert failed.name.startswith(f"exception_{f.parameter.py_name}:")
        assert marked in failed.info["error_comment"] + failed.data
        failed.backward("fix it")
        assert f.parameter.feedback

    def test_inside_comprehensions_lambdas_and_helpers(self):
        """An error in an inner scope marks the line where it happened."""

        def helper(x):
            return 1 / x

        @bundle()
        def comprehension(x):
            return [1 / each for each in x]

        @bundle()
        def uses_lambda(x):
            call = lambda y: 1 / y  # noqa: E731
            return call(x)

        @bundle()
        def nested(x):
            return helper(x)

        for function, argument in ((comprehension, [0]), (uses_lambda, 0), (nested, 0)):
            with pytest.raises(ExecutionError) as caught:
                function(argument)
            assert "<--- (ZeroDivisionError) division by zero." in caught.value.exception_node.info["error_comment"]
        comment = caught.value.exception_node.info["error_comment"]
        outer, inner = comment.split("\n\n")
        assert "nested call" in outer
        assert "return 1 / x <---" in inner

    def test_nested_bundles(self):
        """A bundle that fails inside another shows both sources, and the message of the error."""

        @bundle()
        def inner(x):
            return 1 / x

        @bundle()
        def outer(x):
            return inner(x)

        with pytest.raises(ExecutionError) as caught:
            outer(0)
        failed = caught.value.exception_node
        assert failed.data == "(ZeroDivisionError) division by zero"
        assert "return inner(x) <---" in failed.info["error_comment"]
        assert "return 1 / x <---" in failed.info["error_comment"]
        assert failed._base == f"exception_{outer.name}"

    def test_exceptions_without_arguments(self):
        """An exception with nothing to say is named by its class."""

        class Refused(Exception):
            pass

        @bundle()
        def f(x):
            raise Refused

        with pytest.raises(ExecutionError) as caught:
            f(1)
        assert "Refused)" in caught.value.exception_node.data

    def test_custom_class_path(self):
        """A class that is not built in is named with its module."""

        @bundle()
        def f(x):
            raise TraceError("oh")

        with pytest.raises(ExecutionError) as caught:
            f(1)
        assert caught.value.exception_node.data == f"({__name__}.TraceError) oh"

    def test_catch_execution_error_off(self):
        """The original exception escapes."""

        @bundle(catch_execution_error=False)
        def f(x):
            return 1 / x

        with pytest.raises(ZeroDivisionError):
            f(0)

        @bundle(catch_execution_error=False, trainable=True)
        def g(x):
            return x

        g.parameter._data = "def g(x:"
        with pytest.raises(ValueError, match="does not compile"):
            g(0)

    def test_system_exit_in_a_models_code(self):
        """Code that calls exit() does not end the program."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    raise SystemExit(3)"
        with pytest.raises(ExecutionError, match="SystemExit"):
            f(1)

    def test_keyboard_interrupt_passes(self):
        """Ctrl-C in a body is no error of the body."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    raise KeyboardInterrupt"
        with pytest.raises(KeyboardInterrupt):
            f(1)

    def test_a_wrong_call_is_a_type_error(self):
        """Arguments that do not fit the signature are the caller's mistake, not the function's."""

        @bundle()
        def f(x):
            return x

        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            f()


class TraceError(Exception):
    pass


# ---- dependencies


class TestDependencies:
    def test_reading_another_node_is_an_error(self):
        """A body that reads the data of a node that is no input raises TraceMissingInputsError, naming the node."""
        outside = node(1, name="outside")

        @bundle()
        def f(x):
            return x + outside.data

        with pytest.raises(TraceMissingInputsError, match="outside:"):
            f(1)
        assert not issubclass(TraceMissingInputsError, ExecutionError)

    def test_allowed_dependencies_are_listed(self):
        """With allow_external_dependencies they are in the info and not among the parents."""
        outside = node(1)

        @bundle(allow_external_dependencies=True)
        def f(x):
            return x + outside.data

        output = f(1)
        (listed,) = output.info["external_dependencies"]
        assert listed is outside
        assert all(parent is not outside for parent in output.parents)

    def test_global_override(self):
        """disable_external_dependencies_check overrides each bundle, until it is set back to None."""
        outside = node(1)
        strict = bundle()(lambda x: x + outside.data)
        lax = bundle(allow_external_dependencies=True)(lambda x: x + outside.data)
        try:
            disable_external_dependencies_check(True)
            assert strict(1).data == 2
            disable_external_dependencies_check(False)
            with pytest.raises(TraceMissingInputsError):
                lax(1)
        finally:
            disable_external_dependencies_check(None)
        assert lax(1).data == 2

    def test_nodes_made_in_the_body_are_its_own(self):
        """Reading a node that the body made is no external use."""

        @bundle()
        def f(x):
            return node(x).data + (node(1) + 2).data

        assert f(1).data == 4

    def test_reading_a_node_inside_an_argument(self):
        """A node that sits inside a node's list is no external one."""
        inner = node(1)

        @bundle()
        def f(values):
            return values[0].data

        assert f(node([inner])).data == 1

    def test_lost_dependency_warns(self):
        """A body that computes with an outer node's operators, without reading it, warns that feedback stops there."""
        outside = node(1, trainable=True, name="outside")

        @bundle()
        def f(x):
            return x + outside

        with pytest.warns(LostDependencyWarning, match="outside:"):
            assert f(1).data == 2

    def test_bundles_inside_add_no_parents(self):
        """A bundle called in a body, with raw values, leaves the outer inputs alone."""

        @bundle()
        def inner(x):
            return x + 1

        @bundle()
        def outer(x):
            return inner(x) * 2

        output = outer(1)
        assert output.data == 4
        assert len(output.parents) == 1

    def test_used_nodes_are_restored_after_an_exception(self):
        """Nothing of a body that raised stays on the stack of used nodes."""
        from opto.trace.nodes import USED_NODES

        @bundle()
        def f(x):
            raise ValueError("no")

        with pytest.raises(ExecutionError):
            f(1)
        assert list(USED_NODES.get()) == []

    def test_used_nodes_in_the_body(self):
        """Inside a body the last set of the stack holds the nodes that were read."""
        from opto.trace.nodes import USED_NODES

        outside = node(1)
        seen = []

        @bundle(allow_external_dependencies=True)
        def f(x):
            outside.data  # noqa: B018 - it is the reading that counts
            seen.append(set(USED_NODES.get()[-1]))
            return x

        f(1)
        assert len(USED_NODES.get()) == 0
        assert any(each is outside for each in seen[0])
