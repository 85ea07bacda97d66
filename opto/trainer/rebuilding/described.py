"""The parts of a run as plain data, from which another process can make them again, or say that it cannot.

A description is a dict with one of these keys:

| key | and | what it stands for |
|---|---|---|
| `reference` | | an object of a module, such as a function, a bundle or a program |
| `made_by` | `args`, `kwargs` | what a `rebuildable` function makes of these |
| `class` | `values`, `fingerprint` | a new program of a class, with these first values and then this fingerprint |
| `class` | `options` | a class that is none of opto's, with described options |
| `name` | `options` | a class of opto by its name, with described options |
| `value` | | plain data |
| `model` | `options` | `opto.llm.LLM(name, **options)`, never with an address, which could send a key elsewhere |
| `callable` | | a model whose answers come from a described function |
| `missing` | | nothing; why |

`opto.trainer.rebuilding.objects` adds to a class with options what its objects have besides.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from opto.llm import FromCallable, LiteLLM, Model, Retrying
from opto.runs import codec
from opto.secrets import holds_secret
from opto.trace.modules import Module
from opto.trace.nodes import ParameterNode
from opto.trainer.assembling.parts import Parts
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.rebuilding.references import Source, UnresolvedError, is_rebuildable, made_by, reference_to, resolve

__all__ = [
    "Description",
    "NotRebuiltError",
    "described",
    "described_class",
    "described_program",
    "kind_name",
    "known",
    "parameter_names",
    "parameter_places",
    "parameters_again",
    "rebuilt",
]

Description = dict[str, Any]

_ADDRESS = re.compile("base|url|host|endpoint|proxy|header|://", re.IGNORECASE)


class NotRebuiltError(LookupError):
    """A part cannot be made again from its description; the message says why."""


# ---- to a description


def described(thing: Any) -> Description:
    """The description of an option: plain data, a model, a dict of scores' configuration, or an object of a module."""
    if isinstance(thing, ObjectiveConfig):
        fields = {each.name: getattr(thing, each.name) for each in dataclasses.fields(thing)}
        return {"name": "ObjectiveConfig", "options": {name: {"value": value} for name, value in fields.items()}}
    try:
        text = codec.dumps(thing)
    except (TypeError, ValueError):
        return known(thing) or _model(thing) or {"missing": f"{kind_name(thing)} has no text form"}
    if holds_secret(text):
        return {"missing": "it holds a key or a password, which is not written"}
    return {"value": thing}


def described_class(parts: Parts, kind: type[Any] | None, options: Mapping[str, Any] | None) -> Description:
    """The description of a class with the options that it was called with; `kind` None for one that is chosen anew."""
    found = {name: described(value) for name, value in (options or {}).items()}
    missing = [f"its option {name}: {each['missing']}" for name, each in found.items() if "missing" in each]
    if missing:
        return {"missing": missing[0]}
    name = None if kind is None else parts.name_of(kind)
    if kind is None or name is not None:
        return {"name": name, "options": found}
    reference = reference_to(kind)
    if reference is None:
        return {"missing": f"the class {kind.__qualname__} is not at the top level of a module"}
    return {"class": reference, "options": found}


def described_program(model: Any) -> Description:
    """The description of what is trained, with the values that it has now."""
    found = known(model)
    if found is not None and not found.get("reference", "").startswith("__main__:"):
        return found
    kind = type(model)
    if isinstance(model, Module) and not parameter_names(kind):
        reference = reference_to(kind)
        try:
            if reference is not None and (found is None or not reference.startswith("__main__:")):
                values = model.state_dict()
                codec.dumps(values)
                return {"class": reference, "values": values, "fingerprint": fingerprint(model)}
        except (TypeError, ValueError):
            pass
    return found or {
        "missing": f"{kind_name(model)} is no variable of a module, and cannot be made again without knowing how "
        "(opto.trainer.rebuildable marks functions that make programs)"
    }


def known(thing: Any) -> Description | None:
    """The description of what is at the top level of a module, or made by a `rebuildable` function; None for others."""
    made = made_by(thing)
    if made is not None and reference_to(made.function) is not None:
        try:
            codec.dumps([list(made.args), made.kwargs])
        except (TypeError, ValueError):
            return None
        return {"made_by": reference_to(made.function), "args": list(made.args), "kwargs": dict(made.kwargs)}
    reference = reference_to(thing)
    return None if reference is None else {"reference": reference}


def _model(thing: Any) -> Description | None:
    """A model that a name and options stand for, or a function."""
    if not isinstance(thing, Model):
        return None
    if isinstance(thing, FromCallable):
        function = known(thing.function)
        return None if function is None else {"callable": function}
    inner = thing.model if type(thing) is Retrying else thing
    if type(inner) is not LiteLLM:
        return None
    if _ADDRESS.search(repr([inner.model, inner.options])):
        return {"missing": "it is a model with an address, which is not written"}
    options = described(dict(inner.options))
    return {"model": inner.model, "options": inner.options} if "value" in options else options


def parameter_names(kind: type[Any]) -> set[str]:
    """The names of what a class is called with."""
    try:
        return set(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return {"..."}


def kind_name(thing: Any) -> str:
    """What a thing is called in a message."""
    name = getattr(thing, "__qualname__", None)
    return str(name) if name else f"an object of the class {type(thing).__qualname__}"


# ---- and back


def rebuilt(description: Mapping[str, Any], source: Source) -> Any:
    """The part that a description stands for; for a class with options, the class and the options as a pair.

    Args:
        description: see the module.
        source: whence it comes.

    Raises:
        NotRebuiltError: there is no such part in this process.
    """
    if "missing" in description:
        raise NotRebuiltError(str(description["missing"]))
    for key, again in _AGAIN.items():
        if key in description:
            try:
                return again(description, source)
            except UnresolvedError as error:
                raise NotRebuiltError(str(error)) from None
    raise NotRebuiltError("it is described in a way that this version does not know")


def _model_again(description: Mapping[str, Any], source: Source) -> Any:
    name, options = description["model"], description.get("options", {})
    if _ADDRESS.search(repr([name, options])):
        raise NotRebuiltError("it is a model with an address, which could send a key elsewhere")
    return Retrying(LiteLLM(name, **options))


def _named(description: Mapping[str, Any], source: Source) -> Any:
    name, options = description["name"], _options(description, source)
    return ObjectiveConfig(**options) if name == "ObjectiveConfig" else (name, options)


def _options(description: Mapping[str, Any], source: Source) -> dict[str, Any]:
    return {name: rebuilt(each, source) for name, each in description["options"].items()}


def _made_again(description: Mapping[str, Any], source: Source) -> Any:
    function = resolve(description["made_by"], source)
    if not is_rebuildable(function):
        raise NotRebuiltError(f"{description['made_by']} is not marked with @opto.trainer.rebuildable")
    return function(*description["args"], **description["kwargs"])


def _program(description: Mapping[str, Any], source: Source) -> Any:
    kind = resolve(description["class"], source)
    if not (isinstance(kind, type) and issubclass(kind, Module)) or parameter_names(kind):
        raise NotRebuiltError(f"{description['class']} is no class of programs that needs no arguments (any more)")
    made = kind()
    try:
        made.load_state_dict(description["values"])
        same = fingerprint(made) == description["fingerprint"]
    except (KeyError, TypeError):
        same = False
    if not same:
        raise NotRebuiltError(f"a new {kind.__name__} is not like the one that the run began with")
    return made


_AGAIN: dict[str, Callable[[Mapping[str, Any], Source], Any]] = {
    "value": lambda description, source: description["value"],
    "reference": lambda description, source: resolve(description["reference"], source),
    "made_by": _made_again,
    "values": _program,
    "class": lambda description, source: (resolve(description["class"], source), _options(description, source)),
    "callable": lambda description, source: FromCallable(rebuilt(description["callable"], source)),
    "model": _model_again,
    "name": _named,
}
"""What is made of a description, by the key that tells its kind; the first that it has counts."""


def parameter_places(parameters: list[ParameterNode[Any]]) -> list[Description] | None:
    """Where parameters that a program reads from around it are found again; None where one is not."""
    found = [_parameter_place(each) for each in parameters]
    return None if any(each is None for each in found) else [each for each in found if each is not None]


def _parameter_place(parameter: ParameterNode[Any]) -> Description | None:
    reference = reference_to(parameter)
    if reference is not None:
        return {"reference": reference}
    link = getattr(parameter, "_origin", None)
    origin = None if link is None else link()
    if origin is not None and getattr(origin, "parameter", None) is parameter:
        reference = reference_to(origin)
        return None if reference is None else {"code_of": reference}
    return None


def parameters_again(places: list[Mapping[str, Any]], source: Source) -> list[ParameterNode[Any]]:
    """The parameters at these places.

    Raises:
        NotRebuiltError: one is not there.
    """
    found = []
    for place in places:
        try:
            thing = resolve(place.get("code_of", place.get("reference")), source)
        except UnresolvedError as error:
            raise NotRebuiltError(str(error)) from None
        parameter = getattr(thing, "parameter", None) if "code_of" in place else thing
        if not isinstance(parameter, ParameterNode):
            raise NotRebuiltError(f"{place} is no parameter (any more)")
        found.append(parameter)
    return found
