"""What the Makefile runs. Standard library only, and Python 3.8 is enough: nothing is installed yet when it starts."""
