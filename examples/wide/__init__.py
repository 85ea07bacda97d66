"""The same program evaluated in threads, on an event loop, in processes, and on clusters of Dask and Ray."""
