"""The one-liner: a program, data and a guide in, a better program out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opto.trainer.assembling.assembling import Given, assemble
from opto.trainer.rebuilding.written_plan import write_plan
from opto.trainer.saving.checkpoints import RunFolder
from opto.trainer.surroundings import checked_folder

if TYPE_CHECKING:
    from opto.trainer.estimating.estimate import Estimate

__all__ = ["estimate", "train"]


def train(  # noqa: PLR0913  # the parts of a run, each with a default
    *,
    model: Any,
    train_dataset: Any,
    algorithm: Any = Given.algorithm,
    optimizer: Any = None,
    guide: Any = Given.guide,
    logger: Any = Given.logger,
    validate_dataset: Any = None,
    test_dataset: Any = None,
    budget: Any = None,
    run_dir: str | os.PathLike[str] | None = None,
    optimizer_kwargs: Mapping[str, Any] | None = None,
    guide_kwargs: Mapping[str, Any] | None = None,
    logger_kwargs: Mapping[str, Any] | None = None,
    **trainer_kwargs: Any,
) -> Any:
    """Make a program better on data; it has the values of the best candidate afterwards.

        outcome = opto.train(model=agent, train_dataset=train, validate_dataset=validation, guide=exact, num_steps=20)
        print(outcome)
        agent.save("agent.json")

    Ctrl-C, or SIGTERM, ends the run after the step under way; a second Ctrl-C at once. With a `run_dir` everything is
    saved after each step, and `opto.resume(run_dir)` goes on with it, also after a kill.

    Args:
        model: a `Module`, an instance of a class with `@opto.trace.model`, a bundled function, any other function whose
            steps are traced, or a single trainable node, of which the guide judges the value. What is to be trained in
            a function that holds no parameters is found by running it on the first training example.
        train_dataset: examples that feedback is about: whatever `opto.trainer.as_dataset` takes.
        algorithm: a name of `opto.trainer.algorithms`, a subclass of `Trainer`, or an object of one for this model.
        optimizer: a name of `opto.optimizers`, a subclass of `Optimizer`, or an object of one; None for one that suits
            the parameters: `OptoPrime` for texts and code, `Numeric` for declared ranges, `Select` for declared
            choices, `FewShot` for demonstrations, and `Hybrid` for several of these.
        guide: a name of `opto.trainer.guides`, a subclass of `Guide`, an object of one, or a function
            `(query, response, reference) -> score or (score, feedback)`.
        logger: a name of `opto.trainer.loggers`, a subclass of `BaseLogger`, or an object of one.
        validate_dataset: examples that candidates are compared on; None for the training examples.
        test_dataset: examples that nothing but the score of the final candidate is measured on.
        budget: an `opto.llm.Budget`, or a dict of its limits (`{"usd": 1.0, "calls": 200}`), for all model calls; when
            it is used up, the run ends with the best so far.
        run_dir: a folder to save the run in.
        optimizer_kwargs: options of the optimizer, where it is none yet: `{"llm": model, "memory_size": 5}`.
        guide_kwargs: options of the guide, where it is none yet.
        logger_kwargs: options of the logger, where it is none yet.
        **trainer_kwargs: options of the algorithm and of its `train`: `num_steps`, `max_evaluations`, `batch_size`,
            `num_threads`, `executor`, `timeout`, `progress`... See `opto.trainer.search.Search` and
            `opto.trainer.plan.Plan`.

    Returns:
        What the algorithm returns; of those of opto, an `Outcome`.

    Raises:
        TypeError: a part of the wrong type, or an option that nothing takes; the message names the closest.
        ValueError: a name that nothing has, an option out of its range, a program without anything to train;
            `run_dir` holds a run already, and not one that failed in its first step.
        RecordInUseError: another process is running in `run_dir`.
        Exception: as for `opto.trainer.search.Search.train`.
    """
    given = Given(
        model=model,
        train_dataset=train_dataset,
        algorithm=algorithm,
        optimizer=optimizer,
        guide=guide,
        logger=logger,
        validate_dataset=validate_dataset,
        test_dataset=test_dataset,
        budget=budget,
        optimizer_kwargs=optimizer_kwargs,
        guide_kwargs=guide_kwargs,
        logger_kwargs=logger_kwargs,
        trainer_kwargs=trainer_kwargs,
    )
    checked_folder(run_dir)
    if run_dir is None:
        return assemble(given).train()
    with RunFolder(run_dir) as folder:
        folder.begin_anew()
        made = assemble(given)
        write_plan(folder.path, given, made)
        return made.train(run_dir=folder)


def estimate(*, model: Any, train_dataset: Any, trials: int = 3, **arguments: Any) -> Estimate:
    """What a run may take, before it begins: evaluations, model calls, tokens, dollars and time, each from to.

        print(opto.trainer.estimate(model=agent, train_dataset=train, guide=exact, num_steps=20))

    The program is run on a few training examples to see what an evaluation takes, and the optimizer's first prompt is
    written to see what a proposal takes; the optimizer's model is not asked.

    Args:
        model: as for `train`.
        train_dataset: as for `train`.
        trials: on how many examples the program is run.
        **arguments: as for `train`.

    Raises:
        ValueError: nothing says how many steps there are to be.
        Exception: as for `train`.
    """
    from opto.trainer.estimating.assembled import estimated

    arguments.pop("run_dir", None)
    names = Given.__dataclass_fields__.keys() - {"trainer_kwargs", "parameters"}
    parts = {name: arguments.pop(name) for name in names & arguments.keys()}
    given = Given(model=model, train_dataset=train_dataset, **parts, trainer_kwargs=arguments)
    return estimated(assemble(given), trials)
