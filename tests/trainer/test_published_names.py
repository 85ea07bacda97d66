"""The names of the trainer that existing programs import: where they are, and how they are called."""

from __future__ import annotations

import inspect
import math
from importlib import import_module
from typing import Any

import pytest

from opto.testing import Scripted

NAMES = {
    "opto.trainer.loader": "DataLoader",
    "opto.trainer.guide": "Guide AutoGuide LLMJudge VerbalJudgeGuide",
    "opto.trainer.sampler": "Sampler BatchRollout Rollout",
    "opto.trainer.evaluators": "evaluate evaluate_vector aggregate_vector_scores",
    "opto.trainer.objectives": (
        "ObjectiveConfig to_score_dict normalize_score apply_minimize weighted_scalarize dominates pareto_rank "
        "score_dict_to_scalar to_scalar_score select_best select_top_k aggregate_score_dicts"
    ),
    "opto.trainer.utils": "async_run batch_run batchify is_node_copy deepcopy_module",
    "opto.trainer.loggers": "BaseLogger ConsoleLogger TensorboardLogger WandbLogger DefaultLogger",
    "opto.features.flows.compose": "TracedLLM",
    "opto.trainer.algorithms": (
        "POLCA StreamingPrioritySearch SequentialUpdate SequentialSearch BeamSearch ParetobasedPS Trainer "
        "PrioritySearch ModuleCandidate HeapMemory ParetoHeapMemory"
    ),
    "opto.trainer.algorithms.algorithm": "Trainer AlgorithmBase",
    "opto.trainer.algorithms.priority_search": "PrioritySearch ModuleCandidate HeapMemory ParetoHeapMemory",
}

CALLS = {
    "loader.DataLoader": "dataset batch_size=1 randomize=True replacement=False shuffle=True",
    "guide.LLMJudge": "model=None llm=None",
    "guide.Guide.get_feedback": "self query response reference=None **kwargs",
    "sampler.Sampler": (
        f"loader guide num_threads=1 subbatch_size=None forward=None score_range={(-math.inf, math.inf)!r}".replace(
            ", ", ","
        )
    ),
    "sampler.Sampler.sample": "self agents use_prev_batch=False description_prefix=''",
    "evaluators.evaluate": "agent guide inputs infos min_score=None num_samples=1 num_threads=None description=None",
    "evaluators.evaluate_vector": "agent guide inputs infos min_score=None num_threads=None description=None",
    "utils.async_run": (
        "runs args_list=None kwargs_list=None max_workers=None description=None allow_sequential_run=True"
    ),
    "utils.batch_run": "max_workers=None description=None",
    "utils.is_node_copy": "a b",
    "objectives.dominates": "a b metrics=None",
    "objectives.pareto_rank": "score_dicts metrics=None",
    "objectives.weighted_scalarize": "score_dict weights missing_value=-inf",
    "objectives.select_best": "candidates config=None",
    "objectives.select_top_k": "candidates config=None k=1",
    "traced_llm.TracedLLM": "system_prompt=None llm=None chat_history_on=False trainable=False model_name=None",
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in NAMES.items() for name in names.split()]
)
def test_names_are_where_existing_programs_import_them_from(module: str, name: str) -> None:
    """Each is importable, and among the names that its module declares."""
    found = import_module(module)
    assert getattr(found, name) is not None
    assert name in found.__all__


@pytest.mark.parametrize("path", CALLS)
def test_arguments_are_in_the_published_order(path: str) -> None:
    """Positional arguments have the published names, order and defaults; further ones are keyword-only."""
    module, *names = path.split(".")
    found: Any = import_module(f"opto.trainer.{module}")
    for name in names:
        found = getattr(found, name)
    parameters = inspect.signature(found).parameters.values()
    positional = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    told = [str(each.replace(annotation=inspect.Parameter.empty)).replace(", ", ",") for each in positional]
    assert " ".join(told) == CALLS[path]


def test_older_names_of_guides_are_the_guides() -> None:
    """`AutoGuide` can be subclassed as a `Guide`, and `VerbalJudgeGuide` called as an `LLMJudge`."""
    from opto.trainer.guide import AutoGuide, Guide, LLMJudge, VerbalJudgeGuide

    assert AutoGuide is Guide
    assert VerbalJudgeGuide is LLMJudge

    class Long(AutoGuide):
        def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> tuple[float, str]:
            return float(len(response)), "Longer."

    assert Long()("q", "abc", None) == (3.0, "Longer.")
    assert Long().metric("q", "abc") == 3.0
    assert Long().get_score_dict("q", "abc") == {"score": 3.0}


def test_a_judge_takes_a_model_by_name_or_as_an_object(no_model_configured: pytest.MonkeyPatch) -> None:
    """`LLMJudge()`, `LLMJudge("name")` and `LLMJudge(llm=...)` need neither key nor network to be made."""
    from opto.trainer.guide import LLMJudge

    assert isinstance(LLMJudge(), LLMJudge)
    assert isinstance(LLMJudge("gpt-4o"), LLMJudge)
    judge = LLMJudge(llm=Scripted(['{"score": 5, "feedback": "More."}']))
    assert judge("q", "r", "i") == (0.5, "More.")
    with pytest.raises(ValueError, match="not both"):
        LLMJudge("gpt-4o", llm=Scripted([]))


def test_a_logger_takes_name_data_step_and_colour(capsys: pytest.CaptureFixture[str]) -> None:
    """`logger.log(name, data, step, color=...)` of the default logger writes a line; unknown colours are harmless."""
    from opto.trainer.loggers import ConsoleLogger, DefaultLogger

    assert DefaultLogger is ConsoleLogger
    DefaultLogger().log("train/score", 0.5, 3, color="no such colour")
    out = capsys.readouterr().out
    assert "train/score" in out
    assert "0.5" in out


def test_the_trainer_gives_its_own_names_lazily() -> None:
    """All names that `opto.trainer` declares are there."""
    import opto.trainer

    for name in opto.trainer.__all__:
        assert getattr(opto.trainer, name) is not None
    assert set(opto.trainer.__all__) <= set(dir(opto.trainer))
