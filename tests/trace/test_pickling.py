"""Nodes, graphs, bundles and modules travel: by pickle, by cloudpickle, between processes."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor

import cloudpickle
import pytest

from opto.trace import (
    ExceptionNode,
    ExecutionError,
    Map,
    MessageNode,
    Module,
    Node,
    ParameterNode,
    Seq,
    bundle,
    model,
    node,
)


def there_and_back(value, protocol=pickle.HIGHEST_PROTOCOL):
    """What another process would get."""
    return pickle.loads(pickle.dumps(value, protocol))


@bundle()
def plus(x, y):
    """Adds."""
    return x + y


@bundle(trainable=True)
def trained(x):
    """Adds one."""
    return x + 1


@bundle(traceable_code=True)
def inside(x):
    """Computes in an inner graph."""
    return x * 2 + 1


def failing(x):
    """Adds what cannot be added."""
    return plus(x, "text")


class Plain:
    """A class that is no module, with bundled methods."""

    def __init__(self):
        self.bonus = 1

    @bundle(trainable=True)
    def act(self, x):
        return x + self.bonus

    @bundle()
    def tell(self):
        return self.bonus


class Agent(Module):
    def __init__(self):
        self.greeting = node("hello", trainable=True)
        self.items = Seq(node(1, trainable=True), 2)
        self.table = Map({"k": node(3, trainable=True)})

    @bundle(trainable=True)
    def act(self, x):
        return x + 1

    def forward(self, x):
        return self.greeting + self.act(x)


def traced_in_a_worker(k):
    """A parameter and a result of it."""
    x = node(k, trainable=True, name="x")
    return (x, plus(x, 1) * 2)


def fails_in_a_worker(k):
    """Raises ExecutionError."""
    return plus(node(k), "text")


class TestNodes:
    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_roots(self, protocol):
        """A root keeps its name, value, kind, description and constraint; feedback stays behind."""
        x = node([1, 2], name="x", trainable=True, description="A list.", constraint="short")
        (x + [3]).backward("longer")
        twin = there_and_back(x, protocol)
        assert type(twin) is ParameterNode
        assert twin is not x
        assert twin.data == [1, 2]
        assert (twin.name, twin.description, twin.constraint, twin.trainable) == (x.name, "A list.", "short", True)
        assert twin.feedback == {}
        assert twin.children == []

    def test_graphs(self):
        """A computed node comes with its inputs, edges, levels, descriptions and info."""
        x = node(1, trainable=True)
        output = plus(x, 2) * 3
        twin = there_and_back(output)
        assert type(twin) is MessageNode
        assert twin.data == 9
        assert twin.name == output.name
        assert twin.level == 2
        total = twin.parents[0]
        assert total.description == "Adds."
        assert total.info["fun_name"] == "plus"
        assert [each.data for each in total.parents] == [1, 2]
        assert list(total.inputs) == ["x", "y"]
        assert total.children == [twin]
        assert total.children[0] is twin
        twin.backward("more")
        assert total.inputs["x"].feedback
        assert x.feedback == {}

    def test_sharing_inside_one_pickle(self):
        """What is one object before is one object after, whichever node is met first."""
        x = node(1, trainable=True)
        a = x + 1
        b = a * 2
        c = a * 3
        for given in ((x, a, b, c), (c, b, a, x), (b, x, c, a)):
            back = dict(zip([id(each) for each in given], there_and_back(given)))
            new_x, new_a, new_b, new_c = (back[id(each)] for each in (x, a, b, c))
            assert new_a.parents[0] is new_x
            assert new_b.parents[0] is new_a
            assert new_c.parents[0] is new_a

    def test_diamonds(self):
        """A node given twice, and shared parents, stay so."""
        x = node(2)
        y = x * x
        twin = there_and_back(y + y)
        (new_y,) = twin.parents
        assert new_y.parents[0] is new_y.inputs["y"]
        assert twin.data == 8

    def test_a_node_that_holds_its_own_ancestor(self):
        """A value that refers back to the graph does not send pickle in circles."""
        x = node([])
        output = x.append(1)
        x.data.append(output)
        back = there_and_back(x)
        assert isinstance(back.data[-1], Node)

    def test_one_hundred_thousand_deep(self):
        """Depth is no limit, for pickle and for deepcopy."""
        x = start = node(0, trainable=True)
        for _ in range(100_000):
            x = x + 1
        twin = there_and_back(x)
        assert twin.data == 100_000
        assert twin.level == 100_000
        twin.backward("less")
        assert copy.deepcopy(x).parents == []
        assert start.feedback == {}

    def test_values_that_hold_nodes_deeply(self):
        """A long chain whose every value is a list of the node before."""
        x = node([], name="x")
        for _ in range(200):
            x = MessageNode([x], inputs=[x], description="[pack] Packs.")
        assert there_and_back(x).level == 200

    def test_hidden_graphs(self):
        """The inner graph of a traceable bundle travels along."""
        twin = there_and_back(inside(node(3)))
        inner = twin.info["output"]
        assert inner.data == 7
        assert inner.parents[0].data == 6

    def test_exceptions(self):
        """An ExecutionError travels with its node, its inputs and what is known of the failure."""
        with pytest.raises(ExecutionError) as caught:
            failing(node(1, trainable=True))
        twin = there_and_back(caught.value)
        assert type(twin) is ExecutionError
        assert type(twin.exception_node) is ExceptionNode
        assert str(twin) == str(caught.value)
        assert twin.args == caught.value.args
        assert "<---" in twin.exception_node.info["error_comment"]
        twin.exception_node.backward("fix")
        assert twin.exception_node.inputs["x"].feedback

    def test_done_graphs(self):
        """A graph that feedback went through stays closed."""
        output = plus(node(1, trainable=True), 2)
        output.backward("more")
        with pytest.raises(AttributeError, match="has been backwarded"):
            there_and_back(output).backward("again")

    def test_pickling_leaves_nothing_behind(self):
        """No table outlives its pickle."""
        from opto.trace import pickling

        pickle.dumps(plus(node(1), 2))
        gc.collect()
        assert len(pickling._tables) == 0

    def test_two_pickles_of_one_graph(self):
        """Each pickle of a graph is whole by itself."""
        output = plus(node(1), 2)
        one, two = pickle.dumps(output), pickle.dumps(output * 2)
        assert pickle.loads(two).parents[0].parents[0].data == pickle.loads(one).parents[0].data == 1


class TestBundles:
    def test_by_reference(self):
        """A bundle that can be imported travels as its name."""
        assert there_and_back(plus) is plus

    def test_trainable_bundles_bring_their_code(self):
        """A trainable one brings its parameter; the importing side's own stays as it is."""
        twin = pickle.loads(pickle.dumps(trained))
        twin.parameter._data = "def trained(x):\n    return x + 100"
        output = twin(1)
        assert output.data == 101
        assert trained(1).data == 2
        assert output._base == "eval"
        assert output.inputs["__code"] is twin.parameter

    def test_outputs_and_their_bundle_share_the_parameter(self):
        """A graph and the bundle that made it, in one pickle, still share the code parameter."""
        function, output = there_and_back((trained, trained(1)))
        assert output.inputs["__code"] is function.parameter

    def test_local_bundles_by_cloudpickle(self):
        """A bundle made in a function travels by cloudpickle, with what it captured and its current code."""
        bonus = 10

        @bundle(trainable=True)
        def local(x, k=1):
            """Adds."""
            return x + k + bonus

        local.parameter._data = "def local(x, k=1):\n    return x + k + bonus * 2"
        twin = pickle.loads(cloudpickle.dumps(local))
        output = twin(1)
        assert output.data == 22
        assert output._base == "eval"
        assert list(output.inputs) == ["x", "k", "__code"]
        assert twin.trainable
        assert twin.parameter.description == local.parameter.description
        assert twin.info["source"] == local.info["source"]
        assert twin.name == local.name

    def test_local_untrained_bundles(self):
        """So does one that is not trainable, and its results."""

        @bundle("[mine] Mine.", output_name="answer")
        def local(x):
            return x + 1

        twin, output = pickle.loads(cloudpickle.dumps((local, local(1))))
        assert twin(1).data == 2
        assert twin(1)._base == "answer"
        assert twin.description == "[mine] Mine."
        assert output.data == 2
        assert output.description == "Mine."

    def test_lambdas_by_cloudpickle(self):
        """A bundled lambda too."""
        assert pickle.loads(cloudpickle.dumps(bundle()(lambda x: x + 1)))(1).data == 2

    def test_bound_methods(self):
        """A bound trainable method travels with its object and its code."""
        plain = Plain()
        plain.act.parameter._data = "def act(self, x):\n    return x + self.bonus * 100"
        twin = there_and_back(plain.act)
        assert twin(1).data == 101
        assert twin.__self__ is not plain
        assert twin.__self__.bonus == 1
        assert twin.__self__.act is twin

    def test_objects_with_bundled_methods(self):
        """So does the object itself: its methods work on the new one."""
        plain = Plain()
        plain.act.parameter._data = "def act(self, x):\n    return x + self.bonus * 100"
        plain.tell()
        twin = there_and_back(plain)
        twin.bonus = 2
        assert (twin.act(1).data, twin.tell().data, plain.act(1).data) == (201, 2, 101)
        assert twin.act(1).parents[0].data is twin

    def test_results_of_methods(self):
        """A result of a method brings the object that it was called on."""
        twin = there_and_back(Plain().act(3))
        assert twin.data == 4
        assert isinstance(twin.parents[0].data, Plain)
        assert twin.parents[0].data.act.parameter is twin.inputs["__code"]


class TestModules:
    def test_modules(self):
        """A module keeps its values and its parameters, each once."""
        agent = Agent()
        agent.act.parameter._data = "def act(self, x):\n    return x + '!'"
        agent.greeting._data = "bye "
        twin = there_and_back(agent)
        assert twin("you").data == "bye you!"
        assert len(twin.parameters()) == len(agent.parameters())
        assert twin.state_dict() == agent.state_dict()
        assert twin.greeting is not agent.greeting

    def test_containers(self):
        """Seq and Map are equal after a round trip, nodes inside or not."""
        for value in (Seq(1, 2), Seq(node(1), 2), Map({"a": 1}), Map({"a": node(1)}), Map({node("k"): 1})):
            assert there_and_back(value) == value

    def test_local_classes_by_cloudpickle(self):
        """An instance of a class made in a function travels by cloudpickle."""

        @model
        class Local:
            def __init__(self):
                self.bonus = node(1, trainable=True)

            @bundle(trainable=True)
            def act(self, x):
                return x + 1

            def forward(self, x):
                return self.act(x) + self.bonus

        agent = Local()
        agent.act.parameter._data = "def act(self, x):\n    return x + 5"
        twin = pickle.loads(cloudpickle.dumps(agent))
        assert twin(1).data == 7
        assert len(twin.parameters()) == 2


class TestProcesses:
    @pytest.mark.parametrize("method", sorted({"spawn", "fork"} & set(multiprocessing.get_all_start_methods())))
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_pools(self, method):
        """Workers trace and send their graphs back: right edges, feedback arrives, errors are ExecutionErrors."""
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            results = list(pool.map(traced_in_a_worker, range(3)))
            failure = pool.submit(fails_in_a_worker, 1).exception()
        for k, (x, output) in enumerate(results):
            assert output.data == (k + 1) * 2
            assert output.parents[0].parents[0] is x
            output.backward("good")
            assert len(x.feedback) == 1
        assert isinstance(failure, ExecutionError)
        assert isinstance(failure.exception_node, ExceptionNode)

    def test_functions_of_main(self, tmp_path):
        """Bundles and models of a script travel by cloudpickle to a process that has not seen the script."""
        script = tmp_path / "script.py"
        script.write_text(
            textwrap.dedent(
                """
                import sys, cloudpickle
                from opto.trace import bundle, model, node

                BONUS = 4

                @bundle(trainable=True)
                def f(x):
                    return helper(x) + BONUS

                def helper(x):
                    return x * 2

                @model
                class Agent:
                    def __init__(self):
                        self.k = node(3, trainable=True)

                    @bundle(trainable=True)
                    def act(self, x):
                        return helper(x)

                    def forward(self, x):
                        return self.act(x) + self.k

                agent = Agent()
                agent.act.parameter._data = "def act(self, x):\\n    return helper(x) + 1"
                f.parameter._data = f.parameter.data.replace("BONUS", "BONUS * 10")
                with open(sys.argv[1], "wb") as file:
                    cloudpickle.dump((f, agent, f(1)), file)
                """
            )
        )
        target = tmp_path / "sent.pkl"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, script, target], check=True, env=environment)
        function, agent, output = pickle.loads(target.read_bytes())
        assert function(1).data == 42
        assert output.data == 42
        assert agent(1).data == 6
        assert output.inputs["__code"] is function.parameter
