"""What benchmarks share: an environment for each measured system, and a worker process in it."""
