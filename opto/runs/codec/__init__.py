"""The safe text format: values of any depth as readable JSON, read back without running anything."""

from opto.runs.codec.documents import dumps, dumps_line, load, loads, save
from opto.runs.codec.registry import register_codec

__all__ = ["dumps", "dumps_line", "load", "loads", "register_codec", "save"]
