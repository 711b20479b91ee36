"""Batches that cost no waiting: one batch on the device, again and again, with or without readers beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

from apps.cosmoflow.input.loader import Batch, Begun, Loader
from apps.cosmoflow.input.timers import Reading


class Held:
    """One batch on the device, again and again: input that costs nothing."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing to read."""
        yield

    def next(self) -> Batch:
        """The batch."""
        return self._batch

    def stop(self) -> None:
        """Nothing is read."""

    def collect(self) -> Reading:
        """Nothing was read."""
        return Reading()

    def settle(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing to let go of."""


class Unwaited(Generic[Begun]):
    """One batch, again and again, beside a loader whose batches are read as ever and dropped: input not waited for.

    Reading keeps the pace of the steps: each drops the loader's next batch if it is there, and goes on if it is not.
    What is under way when the steps end is left to `settle`, since those who wait for it would wait for input.
    """

    def __init__(self, loader: Loader[Begun], batch: Batch) -> None:
        self._loader, self._batch = loader, batch
        self._parts = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reading ahead is allowed within, until `stop`."""
        self._parts = self._loader.parts_ahead()
        self._loader.allow()
        try:
            yield
        finally:
            self.stop()

    def next(self) -> Batch:
        """The batch. Raises what a thread failed with."""
        self._loader.drop()
        return self._batch

    def stop(self) -> None:
        """No further part is begun."""
        self._loader.forbid()

    def collect(self) -> Reading:
        """None of it was waited for, and none of it was used."""
        self._loader.collect()
        return Reading()

    def settle(self) -> None:
        """Wait for what is under way, and leave the loader as far ahead as it was before the steps.

        Otherwise the next steps would find batches that were read for free, or fewer than usual.
        """
        self._loader.restore(self._parts)
        self._loader.collect()

    def close(self) -> None:
        """The loader is not its own."""
