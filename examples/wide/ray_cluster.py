"""Rollouts as tasks of Ray, here on this machine: for more machines than one.

    pip install 'opto-trace[ray]'
    python -m examples.wide.ray_cluster

With a cluster that runs already, `ray.init(address="auto")` joins it; its workers need opto, and the modules that the
program is made of. A task that waits most of the time needs no processor of its own: `num_cpus` says how much of one.
"""

from __future__ import annotations

from examples.wide.program import Labeller, measured
from opto.trainer.executors import RayExecutor

__all__ = ["main"]


def main(processors: int = 2, share: float = 0.5) -> float:
    """Evaluate the program in tasks that take a share of a processor each; returns its score."""
    import ray

    ray.init(num_cpus=processors, include_dashboard=False, log_to_driver=False)
    try:
        with RayExecutor(num_cpus=share) as executor:
            return measured(f"Ray, {processors / share:.0f} tasks at once", Labeller(), executor=executor)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
