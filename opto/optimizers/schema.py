"""Typed suggestions: one pydantic model of all that an answer may say, and its JSON schema for models that keep to one.

The model is made from the trainable parameters of a step, when structured output is asked for. Its fields convert and
check a value as `opto.optimizers.suggestions` does for every answer, whoever wrote it and in whatever form.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from opto.errors import SuggestionError
from opto.optimizers.declarations import choices_of, plain_domains
from opto.optimizers.domains import Choices, Range
from opto.optimizers.rendering import is_code
from opto.optimizers.suggestions import check, convert, is_structured
from opto.trace.constraints import Constraint, json_schema, read_constraint

if TYPE_CHECKING:
    from pydantic import BaseModel

    from opto.llm import Model
    from opto.trace.nodes import ParameterNode

__all__ = ["admits_none", "is_typed", "keeps_to_schemas", "response_format", "suggestion_model", "suggestion_schema"]

_JSON_TYPES = (str, int, float, bool, list, dict)
_UNCHANGED = "null leaves it as it is"


def is_typed(parameter: ParameterNode[Any]) -> bool:
    """Whether the parameter declares a type, a range, choices or a regular expression."""
    if parameter.constraint is None:
        return False
    return read_constraint(parameter.constraint).is_typed or bool(plain_domains(parameter))


def admits_none(parameter: ParameterNode[Any]) -> bool:
    """Whether None is a value that the parameter may have."""
    constraint = read_constraint(parameter.constraint)
    if constraint.is_typed or choices_of(parameter) is not None:
        return constraint.complaint(None, parameter._data) is None
    return parameter._data is None


def suggestion_model(parameters: Iterable[ParameterNode[Any]]) -> type[BaseModel]:
    """A pydantic model with a field for each trainable parameter, named by its `py_name`.

    Validating an answer with it converts and checks each value:

        suggestion_model([rate, tone]).model_validate({"rate0": "0.5"})

    A field that is left out keeps its parameter as it is. The JSON schema says what each value may be, with the
    description of its parameter.
    """
    from pydantic import BaseModel, ConfigDict, Field, WrapValidator, create_model

    fields: dict[str, Any] = {}
    for number, parameter in enumerate(each for each in parameters if each.trainable):
        accepted = WrapValidator(functools.partial(_accepted, parameter))
        kind: Any = Annotated[(_field_type(parameter), accepted)]
        field = Field(
            None,
            alias=parameter.py_name,  # pydantic takes no field names like __code0
            description=_description(parameter),
            json_schema_extra=_bounds(parameter),
        )
        fields[f"value{number}"] = (kind, field)
    config = ConfigDict(arbitrary_types_allowed=True, extra="ignore", protected_namespaces=())
    model: type[BaseModel] = create_model("Suggestion", __base__=_base(BaseModel, config), **fields)
    return model


def _base(base: Any, config: Any) -> Any:
    return type("SuggestionBase", (base,), {"model_config": config, "__module__": __name__})


def _accepted(parameter: ParameterNode[Any], value: Any, _: Any) -> Any:
    try:
        converted = convert(parameter, value)
        check(parameter, converted)
    except SuggestionError as error:
        raise ValueError(str(error)) from error
    return converted


def _field_type(parameter: ParameterNode[Any]) -> Any:
    constraint, current = read_constraint(parameter.constraint), parameter._data
    if is_code(parameter.py_name) and isinstance(current, str):
        return str
    if constraint.is_typed or is_structured(current):
        kind = constraint.annotation(current)
        return kind if json_schema(kind) else Any
    domains = plain_domains(parameter)
    if any(isinstance(each, Choices) for each in domains):
        return Any  # the enum says more than the type of the present value
    if domains and type(current) not in (int, float):
        return int if any(each.whole for each in domains if isinstance(each, Range)) else float
    return type(current) if type(current) in _JSON_TYPES else Any


def _description(parameter: ParameterNode[Any]) -> str | None:
    constraint = read_constraint(parameter.constraint)
    told = [parameter.description or "", *constraint.sentences]
    told += [said for said in [Constraint(predicates=constraint.predicates).words()] if said]
    return "\n".join(text for text in told if text) or None


def _bounds(parameter: ParameterNode[Any]) -> dict[str, Any]:
    """What a JSON schema can say of ranges, choices and regular expressions; types say it of themselves."""
    bounds: dict[str, Any] = {}
    for domain in plain_domains(parameter):
        said = dict(domain.json_schema)
        for key, tightest in (("minimum", max), ("maximum", min)):
            if key in bounds and key in said:
                said[key] = tightest(bounds[key], said[key])
        bounds |= said
    for pattern in read_constraint(parameter.constraint).patterns:
        if pattern.flags == 32:  # re.UNICODE alone, the default: JSON schemas know no others
            bounds["pattern"] = f"^(?:{pattern.pattern})$"
    return bounds


# ---- for models that keep to a schema


def suggestion_schema(parameters: Iterable[ParameterNode[Any]]) -> dict[str, Any]:
    """The JSON schema of `suggestion_model`, in which null stands for a value that is to stay as it is."""
    free = [each for each in parameters if each.trainable]
    schema = suggestion_model(free).model_json_schema(by_alias=True)
    for parameter in free:
        field = schema["properties"][parameter.py_name]
        field.pop("default", None)
        if admits_none(parameter) or not set(field) - {"title", "description"}:
            continue
        said = {key: field.pop(key) for key in ("title", "description") if key in field}
        told = f"{said['description']}\n({_UNCHANGED})" if "description" in said else _UNCHANGED
        schema["properties"][parameter.py_name] = {"anyOf": [field, {"type": "null"}], "description": told}
    return schema


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The request option that asks for an answer by a schema; strictly, where the schema leaves nothing open.

    Strict means, as the interface of OpenAI has it, that every object names all of its keys and requires them.
    """
    strict = _is_closed(schema)
    shown = _closed(schema) if strict else dict(schema)
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": shown}}


def _is_closed(schema: Any) -> bool:
    """Whether the schema leaves nothing open: no object with free keys, no value of any kind."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if "$ref" in schema:
        return True
    if "anyOf" in schema:
        return _is_closed(schema["anyOf"])
    if schema.get("type") == "object":
        if not schema.get("properties") or schema.get("additionalProperties"):
            return False
        return _is_closed([*schema["properties"].values(), *schema.get("$defs", {}).values()])
    if schema.get("type") == "array":
        return "prefixItems" not in schema and "items" in schema and _is_closed(schema["items"])
    return bool({"type", "enum", "const"} & set(schema)) and "oneOf" not in schema


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, inner in schema.items():
        if key in ("properties", "$defs"):
            made[key] = {name: _closed(each) for name, each in inner.items()}
        elif key not in ("default", "title"):
            made[key] = _closed(inner) if key in ("items", "anyOf") else inner
    if made.get("type") == "object":
        made |= {"required": list(made["properties"]), "additionalProperties": False}
    return made


def keeps_to_schemas(model: Model) -> bool:
    """Whether a model is known to answer by a JSON schema: LiteLLM tells of its own; others are not known to."""
    from opto.llm.tokens import litellm_name

    name = litellm_name(model)
    if name is None:
        return False
    from opto.llm.loading import load_litellm

    try:
        return bool(load_litellm().supports_response_schema(model=name))
    except Exception:  # LiteLLM raises errors of several kinds for names that it does not know
        return False
