"""What a training algorithm is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from opto.trace.modules import Module
from opto.trainer.loggers import BaseLogger, ConsoleLogger

__all__ = ["Trainer"]


class Trainer:
    """Makes a program better. An algorithm is one method:

        class Once(Trainer):
            '''One step on all examples.'''

            def train(self, guide, train_dataset, *, optimizer):
                for x, info in train_dataset:
                    output = self.agent(x)
                    optimizer.backward(output, guide(x, output.data, info)[1])
                optimizer.step()

    `opto.trainer.search.Search` is the one that is made of strategies; most algorithms are put together from it.

    Args:
        agent: the program, a `Module`.
        num_threads: how many rollouts are under way at once; None for as many as there are workers.
        logger: where numbers and texts go; None for the terminal.

    Raises:
        TypeError: `agent` is no `Module`, or `logger` no logger.
        ValueError: `num_threads` is no number of threads.
    """

    def __init__(self, agent: Module, num_threads: int | None = None, logger: BaseLogger | None = None) -> None:
        if not isinstance(agent, Module):
            raise TypeError(
                f"agent must be a Module, got {agent!r}: make the class one with @opto.trace.model, or use opto.train, "
                "which takes functions and nodes too."
            )
        if logger is not None and not callable(getattr(logger, "log", None)):
            raise TypeError(f"logger must have a method log(name, data, step), got {logger!r}.")
        if num_threads is not None and (type(num_threads) is not int or num_threads < 1):
            raise ValueError(f"num_threads must be an integer >= 1 or None, got {num_threads!r}.")
        self.agent, self.num_threads = agent, num_threads
        self.logger: Any = ConsoleLogger() if logger is None else logger

    def train(self, guide: Any, train_dataset: Any, **options: Any) -> Any:
        """Make the program better; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define train(guide, train_dataset, ...).")

    def save_agent(self, path: str | os.PathLike[str], iteration: int | None = None) -> str:
        """Write the program's parameters to a text file, see `Module.save`.

        Args:
            path: the file.
            iteration: put into its name, before the ending.

        Returns:
            The path of the file.
        """
        where = Path(path)
        if iteration is not None:
            where = where.with_name(f"{where.stem}_iter{iteration}{where.suffix}")
        self.agent.save(where)
        self.logger.log("Saved agent", str(where), 0 if iteration is None else iteration, color="green")
        return str(where)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the algorithm's state; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} keeps no state that could be saved.")

    def load(self, path: str | os.PathLike[str]) -> Any:
        """Read what `save` wrote; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} keeps no state that could be loaded.")

    def resume(self, *args: Any, **kwargs: Any) -> Any:
        """Go on with a run that was interrupted; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} cannot go on with a run.")
