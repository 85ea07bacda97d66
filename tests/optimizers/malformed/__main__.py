"""Print the table of malformed answers; with --write, put it into the documentation page too."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.optimizers.malformed import table

PAGE = Path(__file__).parents[3] / "docs" / "optimizers" / "typed.md"
MARKED = re.compile(r"(<!-- table of malformed answers -->\n).*?(<!-- end of table -->)", re.DOTALL)

if __name__ == "__main__":
    made = table()
    sys.stdout.write(made)
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(MARKED.sub(lambda found: found[1] + made + found[2], text), encoding="utf-8")
