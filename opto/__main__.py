"""`python -m opto` is the command `opto`."""

from opto.cli import main

raise SystemExit(main())
