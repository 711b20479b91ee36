"""The training step, and whether it can be believed."""

from apps.cosmoflow.training.step import Training, build

__all__ = ["Training", "build"]
