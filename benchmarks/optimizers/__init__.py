"""Every optimizer on the same problems with a simulated model, beside trace-opt's: `make bench-optimizers`."""
