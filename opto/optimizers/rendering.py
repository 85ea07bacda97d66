"""A problem in words: the sections of a prompt, in the two published forms (lines, and tags)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opto.llm.tokens import TokenCounter, token_counter
from opto.optimizers.canonical import canonical
from opto.optimizers.fitting import Source, fitted, fitted_texts
from opto.optimizers.problem import LabelledFeedback, is_code

if TYPE_CHECKING:
    from opto.optimizers.problem import Facts

__all__ = [
    "HEADINGS",
    "ProblemInstance",
    "constraint_lines",
    "documentation_lines",
    "feedback_text",
    "is_code",
    "tagged_value",
    "tagged_values",
    "truncate_expression",
    "value_line",
    "value_lines",
]

HEADINGS: Mapping[str, str] = {
    "instruction": "#Instruction",
    "code": "#Code",
    "documentation": "#Documentation",
    "variables": "#Variables",
    "constraints": "#Constraints",
    "inputs": "#Inputs",
    "others": "#Others",
    "outputs": "#Outputs",
    "feedback": "#Feedback",
}
"""The sections of a problem in the order in which they are shown, and their headings in the JSON form."""


@dataclass
class ProblemInstance:
    """A problem as it is shown to a model: the text of each section. `str()` puts them under their headings.

    Attributes:
        headings: the heading of each section, in the order in which they are shown; a section without one is left out.
        source: what the texts were written from; a problem that has it can leave things out with understanding.
    """

    instruction: str
    code: str
    documentation: str
    variables: str
    inputs: str
    others: str
    outputs: str
    feedback: str
    constraints: str = ""
    headings: Mapping[str, str] = field(default_factory=lambda: HEADINGS, repr=False)
    source: Source | None = field(default=None, repr=False, compare=False)

    def render(self, budget: int | None = None, *, model: Any = None) -> str:
        """The problem in words, in at most `budget` tokens.

        Where it does not fit, repeated calls become loops, values far from outputs and variables are left out, and long
        ones lose their middle; what is missing is said in its place. See `opto.optimizers.fitting`.

        Args:
            budget: the most tokens; None leaves nothing out.
            model: whose tokens are counted, see `opto.llm.tokens`; by default the bytes are.

        Raises:
            PromptTooLongError: not even the least that must be shown fits; it tells how many tokens that needs.
        """
        if budget is None:
            return str(self)
        return str(self.fitted(budget, token_counter(model)))

    def fitted(self, budget: int, count: TokenCounter) -> ProblemInstance:
        """A problem whose text has at most `budget` tokens; this one if it fits."""
        return fitted_texts(self, budget, count) if self.source is None else fitted(self, self.source, budget, count)

    def masked(self, mask: Iterable[str] | None) -> ProblemInstance:
        """A copy in which the sections with the given headings are blank.

        Raises:
            ValueError: when a heading is none of this problem's.
        """
        if not mask:
            return self
        sections = {_bare(heading): name for name, heading in self.headings.items()}
        wanted = [mask] if isinstance(mask, str) else list(mask)
        unknown = [heading for heading in wanted if _bare(heading) not in sections]
        if unknown:
            raise ValueError(f"mask must name headings among {list(self.headings.values())}, got {unknown}")
        blank: dict[str, Any] = {sections[_bare(heading)]: "" for heading in wanted}
        return replace(self, **blank, source=self.source and self.source.hiding(frozenset(blank)))

    def __str__(self) -> str:
        return "\n\n".join(
            f"{heading}\n{text}".rstrip() for name, heading in self.headings.items() for text in [getattr(self, name)]
        )


def _bare(heading: str) -> str:
    return heading.lstrip("# ").strip().lower()


def value_line(name: str, kind: str, text: str) -> str:
    """`(type) name=value`, and `(code) name:text` for code."""
    return f"({kind}) {name}:{text}" if kind == "code" and is_code(name) else f"({kind}) {name}={text}"


def value_lines(facts: Facts) -> str:
    """One line for each value."""
    return "\n".join(value_line(name, *_kind_and_text(name, value)) for name, (value, _) in facts.items())


def constraint_lines(facts: Facts) -> str:
    """One `(type) name: text` for each value of which something is said."""
    return "\n".join(
        f"({'code' if is_code(name) else type(value).__name__}) {name}: {said}"
        for name, (value, said) in facts.items()
        if said
    )


def tagged_value(
    name: str, kind: str, text: str, said: str | None, *, tag: str, value_tag: str, constraint_tag: str
) -> str:
    """A `<tag name= type=>` block."""
    constraint = f"<{constraint_tag}>\n{said}\n</{constraint_tag}>\n" if said else ""
    return f'<{tag} name="{name}" type="{kind}">\n<{value_tag}>\n{text}\n</{value_tag}>\n{constraint}</{tag}>'


def tagged_values(facts: Facts, *, tag: str, value_tag: str, constraint_tag: str) -> str:
    """One block for each value."""
    tags = {"tag": tag, "value_tag": value_tag, "constraint_tag": constraint_tag}
    return "\n\n".join(
        tagged_value(name, *_kind_and_text(name, value), said, **tags) for name, (value, said) in facts.items()
    )


def _kind_and_text(name: str, value: Any) -> tuple[str, str]:
    return ("code", str(value)) if is_code(name) else (type(value).__name__, canonical(value))


def documentation_lines(documentation: Mapping[str, str]) -> str:
    """One `[function] text` for each function."""
    return "\n".join(f"[{name}] {text}".rstrip() for name, text in documentation.items())


def feedback_text(feedback: Any) -> str:
    """The feedback as text; feedbacks that differ stand one by one after the name of their output."""
    if isinstance(feedback, LabelledFeedback):
        return "\n".join(f"{name}: {canonical(said)}" for name, said in feedback)
    return "" if feedback is None else canonical(feedback)


def truncate_expression(value: Any, limit: int) -> str:
    """The text of a value in about `limit` characters: its head and tail, and how much is left out between them."""
    text = canonical(value)
    if limit < 0 or len(text) <= limit:
        return text
    tail = limit // 4
    head = limit - tail
    return f"{text[:head]} ...({len(text) - limit} characters left out)... {text[len(text) - tail :]}"
