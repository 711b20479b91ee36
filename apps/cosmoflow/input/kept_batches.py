"""Batches without waiting: one batch on the device, again and again, with or without readers beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

from apps.cosmoflow.input.loader import Batch, Begun, Loader
from apps.cosmoflow.input.timers import Reading


class Held:
    """One batch on the device, again and again: input without any cost."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Do nothing, since there is nothing to read."""
        yield

    def next(self) -> Batch:
        """Return the batch."""
        return self._batch

    def stop(self) -> None:
        """Do nothing, since nothing is read."""

    def collect(self) -> Reading:
        """Return no cost, since nothing was read."""
        return Reading()

    def settle(self) -> None:
        """Do nothing, since nothing is under way."""

    def close(self) -> None:
        """Do nothing, since there is nothing to release."""


class Unwaited(Generic[Begun]):
    """One batch, again and again, beside a loader whose batches are read as usual and dropped: input not waited for.

    Reading keeps the pace of the steps: each step drops the loader's next batch if it is ready, and continues if it is
    not. Reads still under way when the steps end are left to `settle`, since waiting for them would be waiting for
    input.
    """

    def __init__(self, loader: Loader[Begun], batch: Batch) -> None:
        self._loader, self._batch = loader, batch
        self._parts = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Allow reading ahead within this context, until `stop`."""
        self._parts = self._loader.parts_ahead()
        self._loader.allow()
        try:
            yield
        finally:
            self.stop()

    def next(self) -> Batch:
        """Return the batch. Raises the error of a failed thread."""
        self._loader.drop()
        return self._batch

    def stop(self) -> None:
        """Start no further part."""
        self._loader.forbid()

    def collect(self) -> Reading:
        """Return no cost, since none of the input was waited for, and none of it was used."""
        self._loader.collect()
        return Reading()

    def settle(self) -> None:
        """Wait for the reads under way, and leave the loader as far ahead as it was before the steps.

        Otherwise the next steps would find batches that were read for free, or fewer than usual.
        """
        self._loader.restore(self._parts)
        self._loader.collect()

    def close(self) -> None:
        """Do nothing, since the loader belongs to another."""
