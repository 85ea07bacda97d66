"""Which training examples a step's feedback is about."""

from __future__ import annotations

from typing import Protocol

from opto.trainer.run import Run

__all__ = ["ExampleSelector", "Minibatch"]


class ExampleSelector(Protocol):
    """Picks training examples by their places. A selector is one method:

    class First:
        '''Always the same ones.'''

        def pick(self, run):
            return list(range(run.plan.batch_size))
    """

    def pick(self, run: Run) -> list[int]:
        """Places of training examples, at least one."""
        ...


class Minibatch:
    """The next `batch_size` examples of the loader, epoch after epoch."""

    def pick(self, run: Run) -> list[int]:
        """As in PyTorch: each example once an epoch, in an order drawn anew."""
        places, _ = run.loader.sample()
        return places
