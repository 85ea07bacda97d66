"""The candidates of a run: all of them, the best, and the fronts."""
