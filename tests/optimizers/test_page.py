"""The examples of docs/optimizers.md run as they stand, one after the other."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"


def test_the_examples_run(no_model_configured, capsys):
    """Every block, in one namespace, with no model configured."""
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, example {number}", "exec"), names)
    assert len(blocks) == 5
    assert "#Code\nshorten0 = shorten(text=text0, limit=limit0)" in capsys.readouterr().out
