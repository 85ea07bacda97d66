"""A program whose values are as changeable as can be; prints the prompts of both forms. Run by test_same_prompt.py."""

import dataclasses
import sys

from opto.errors import ExecutionError
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.trace import bundle, node


class Thing:
    """Its repr holds an address."""


@dataclasses.dataclass
class Box:
    """Holds a set."""

    items: set
    other: object


@bundle()
def describe(things, flags, box):
    """Describes things.

        With an indented line,
    and one that is not.
    """
    return {"n": len(things), "flags": flags, "box": box, "thing": Thing(), "function": len}


@bundle(trainable=True)
def pick(found, key):
    """Picks a key.

    Args:
        found: where to look.
        key: which one.
    """
    return found[key]


flags = node({"b", "a", "c", "zz", 3}, trainable=True, name="flags", description="Some\n        flags.")

for optimizer in (OptoPrime([flags, *pick.parameters()]), OptoPrimeV2([flags, *pick.parameters()])):
    for _ in range(3):
        output = pick(describe([Thing(), object], flags, Box({"x", "y", "q"}, Thing())), "flags")
        optimizer.zero_feedback()
        optimizer.backward(output, {"wrong", "bad", "ugly"})
        sys.stdout.write("\n".join(optimizer.construct_prompt(optimizer.summarize())))
    try:
        pick(describe([1], flags, None), "no such key")
    except ExecutionError as error:
        optimizer.zero_feedback()
        optimizer.backward(error.exception_node, error.exception_node.create_feedback("full"))
        sys.stdout.write("\n".join(optimizer.construct_prompt(optimizer.summarize())))
