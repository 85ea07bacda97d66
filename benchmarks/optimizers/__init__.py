"""Every optimizer on the same problems with a simulated model, beside trace-opt's. Run it with `make bench-optimizers`."""
