"""The response has to be JSON of a given shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opto.errors import MissingExtraError
from opto.optimizers.formats import unfence
from opto.trainer.guides.base import Guide, Verdict, shown

__all__ = ["JSONSchema"]

_MOST_TOLD = 8


class JSONSchema(Guide):
    r"""1.0 for a response that keeps to a JSON schema, else 0.0; the feedback says what is wrong, and where.

    The response is a text of JSON, which may stand in a fence, or plain data. Schemas are checked by the package
    `jsonschema` (extra `schema`). A reference to another document is not fetched, and is an error.

        JSONSchema({"type": "object", "required": ["name"]}).get_feedback("Who?", '{"nam": "Ada"}')
        # (0.0, "The response does not keep to its schema.\nAt the top: 'name' is a required property")

    Args:
        schema: the schema, or a class of pydantic.

    Raises:
        TypeError: it is neither.
        ValueError: it is no valid schema.
        MissingExtraError: `jsonschema` is not installed.
    """

    def __init__(self, schema: Any) -> None:
        if isinstance(schema, type) and hasattr(schema, "model_json_schema"):
            schema = schema.model_json_schema()
        if not isinstance(schema, Mapping):
            raise TypeError(f"schema must be a JSON schema, as a dict, or a class of pydantic, got {schema!r}.")
        self.schema = dict(schema)
        self._validator = _validator(self.schema)

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Validate.

        Raises:
            ValueError: the schema refers to another document.
        """
        value = response
        if isinstance(response, (str, bytes)):
            try:
                value = json.loads(unfence(response) if isinstance(response, str) else response)
            except (ValueError, RecursionError) as error:
                return 0.0, f"The response is no JSON: {error or 'nested too deep'}\nGot: {shown(response, 1000)}"
        problems = self._problems(value)
        if not problems:
            return 1.0, "Correct."
        more = f"\n... and {len(problems) - _MOST_TOLD} more" if len(problems) > _MOST_TOLD else ""
        told = "\n".join(problems[:_MOST_TOLD])
        return 0.0, f"The response does not keep to its schema.\n{told}{more}"

    def _problems(self, value: Any) -> list[str]:
        from referencing.exceptions import Unresolvable

        try:
            errors = sorted(self._validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
        except Unresolvable as error:
            raise ValueError(f"schema refers to what is not in it: {error}.") from error
        except RecursionError:
            return ["It is nested too deep to be checked."]
        return [f"At {_place(error.absolute_path)}: {shown(error.message, 500)}" for error in errors]

    def state(self) -> dict[str, Any]:
        """The schema."""
        return {"schema": self.schema}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a schema that `state` gave."""
        other = type(self)(state["schema"]) if state.keys() == {"schema"} else None
        if other is None:
            raise ValueError(f"the state of a JSONSchema is its schema, got {sorted(state)}.")
        vars(self).update(vars(other))

    def __getstate__(self) -> dict[str, Any]:
        return {"schema": self.schema}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.schema = state["schema"]
        self._validator = _validator(self.schema)


def _validator(schema: dict[str, Any]) -> Any:
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError as error:
        raise MissingExtraError("jsonschema", "schema", "JSONSchema") from error
    cls = validator_for(schema)
    try:
        cls.check_schema(schema)
    except SchemaError as error:
        raise ValueError(
            f"schema is no valid JSON schema: at {_place(error.absolute_path)}: {error.message}."
        ) from None
    # An empty registry, since the default one fetches what a schema refers to.
    return cls(schema, registry=Registry(), format_checker=cls.FORMAT_CHECKER)


def _place(path: Any) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return text or "the top"
