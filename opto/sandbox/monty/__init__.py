"""The runner that interprets code instead of letting Python run it: `pydantic-monty`, an extra."""

from opto.sandbox.monty.runner import Monty

__all__ = ["Monty"]
