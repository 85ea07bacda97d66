"""Every training algorithm on the same problems with a simulated model, beside gepa: `make bench-trainer`."""
