"""The training step, and the checks of its results."""

from apps.cosmoflow.training.step import Training, build

__all__ = ["Training", "build"]
