"""The folder of a run: what is written after each step."""
