"""Time and memory of tracing, side by side with trace-opt, PyTorch and autograd. Run it with `make bench`."""
