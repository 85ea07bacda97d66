"""The display in a real kernel of a notebook."""

from __future__ import annotations

import html
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from opto.trainer.progress.notebook import in_notebook

jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).resolve().parents[3]
_CELL = """
import threading
from opto.trainer.progress import Progress, Status
with Progress(total_steps=50) as progress:
    for step in range(51):
        progress.update(Status(step=step, event="<b> & more"))
        progress.note(f"note {step}")
print(threading.active_count(), progress._display)
"""


@pytest.mark.filterwarnings("ignore")  # of Jupyter's packages
def test_one_output_changes_in_place() -> None:
    """The cell has one output, however often it is updated, and the last of it says how the run ended."""
    manager: Any = jupyter_client.KernelManager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager.start_kernel(env={**os.environ, "PYTHONPATH": str(ROOT)})
    client = manager.client()
    shown: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute_interactive(_CELL, timeout=60, output_hook=outputs.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [each["msg_type"] for each in outputs]
    assert kinds.count("display_data") == 1
    assert not {"error", "execute_result"} & set(kinds)
    shown = [each["content"] for each in outputs if each["msg_type"].endswith("display_data")]
    assert len({each["transient"]["display_id"] for each in shown}) == 1
    assert 2 <= len(shown) <= 6
    last = shown[-1]["data"]
    text = last["text/plain"].splitlines()
    assert text[:8] == [f"note {step}" for step in range(43, 51)]
    assert text[8].startswith("step 50/50 ━")
    assert text[9] == "<b> & more"
    assert html.escape(last["text/plain"]) in last["text/html"]


def test_this_is_no_notebook() -> None:
    """A test is none."""
    assert not in_notebook()
