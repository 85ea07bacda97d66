"""A search over one output, while a program is used."""

from __future__ import annotations

from opto.trainer.decoding.iterative import (
    Attempt,
    Best,
    Boltzmann,
    Decoded,
    IterativeDecoding,
    ModelRefiner,
    TopK,
)

__all__ = [
    "Attempt",
    "Best",
    "Boltzmann",
    "Decoded",
    "IterativeDecoding",
    "ModelRefiner",
    "TopK",
]
