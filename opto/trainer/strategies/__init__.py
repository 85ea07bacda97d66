"""The parts that search algorithms are put together from, a file for each kind."""
