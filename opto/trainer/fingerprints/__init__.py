"""What a program is, as a short text."""

from __future__ import annotations

from opto.trainer.fingerprints.walk import fingerprint

__all__ = ["fingerprint"]
