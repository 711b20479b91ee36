"""MPI launchers, Slurm and site profiles."""

from saih.launch.launchers import find, own_cores, refuse_ranks, slots_per_node

__all__ = ["find", "own_cores", "refuse_ranks", "slots_per_node"]
