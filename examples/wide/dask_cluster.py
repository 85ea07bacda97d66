"""Rollouts on a cluster of Dask, here one of this machine: for more machines than one.

    pip install 'opto-trace[dask]'
    python -m examples.wide.dask_cluster

With a cluster that runs already, `Client("tcp://scheduler:8786")` takes the place of `LocalCluster`; its workers need
opto, and the modules that the program is made of.
"""

from __future__ import annotations

from examples.wide.program import Labeller, measured

__all__ = ["main"]


def main(workers: int = 2, threads: int = 8) -> float:
    """Evaluate the program in so many processes of so many threads; returns its score."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=threads, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        where = f"Dask, {workers} processes of {threads} threads"
        return measured(where, Labeller(), executor=client.get_executor(), workers=workers * threads)


if __name__ == "__main__":
    main()
