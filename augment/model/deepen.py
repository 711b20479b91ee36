"""One more layer with the same function, through a LeakyReLU.

An identity layer is not exact here: the LeakyReLU after it would act a second time, and f(f(x)) is not f(x) unless f is
ReLU. But a pair of channels preserves a number through any LeakyReLU f of slope s:

    f(y) - f(-y) = (1 + s) y

So a layer with output y, followed by f, becomes

    a layer with output (y, -y), f, a new layer with output (f(y) - f(-y)) / (1 + s) = y, f

the first with twice the channels, the new one from those back to the old number. A block that was deepened to d
convolutions therefore has d - 1 of twice its width, and one that leads back. Both numbers have opposite signs, so no
digits are lost by cancellation. The new kernel is zero but for its centre, and free to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from augment.errors import DataError
from augment.model.network import Convolution, Dense, LeakyReLU, Network, Weighted
from augment.model.weights import LayerWeights, check, kernel_shape
from augment.model.widen import Grown


def deepen(network: Network, layer: int, weights: Sequence[LayerWeights] | None = None) -> Grown:
    """Add a layer after weighted layer `layer` (counted from 0), which a LeakyReLU must follow; keep the function.

    The new layer is of the same kind and kernel, and has the number layer + 1. Raises DataError for a layer that does
    not exist or has no LeakyReLU after it. Optimiser state is not carried over: start with a new one.
    """
    layers = network.weighted()
    if not 0 <= layer < len(layers):
        raise DataError(f"layer {layer}: must be from 0 to {len(layers) - 1}")
    place, old = layers[layer]
    after = network.layers[place + 1] if place + 1 < len(network.layers) else None
    if not isinstance(after, LeakyReLU):
        raise DataError(f"layer {layer}: a LeakyReLU must follow it, but {after or 'nothing'} does")
    doubled, new = _paired(old)
    inserted = (doubled, after, new, after)
    deeper = replace(network, layers=(*network.layers[:place], *inserted, *network.layers[place + 2 :]))
    if weights is None:
        return Grown(deeper)
    had = check(network, weights)
    kernel, bias = had[layer]
    pair = LayerWeights(np.concatenate([kernel, -kernel]), np.concatenate([bias, -bias]))
    leading_back = _leading_back(new, network.dimensions, after.slope, kernel.dtype)
    return Grown(deeper, check(deeper, (*had[:layer], pair, leading_back, *had[layer + 1 :])))


def _paired(old: Weighted) -> tuple[Weighted, Weighted]:
    twice = 2 * old.channels_out
    doubled = replace(old, channels_out=twice)
    if isinstance(old, Convolution):
        return doubled, Convolution(twice, old.channels_out, old.kernel)
    return doubled, Dense(twice, old.channels_out)


def _leading_back(new: Weighted, dimensions: int, slope: float, dtype: np.dtype[np.floating]) -> LayerWeights:
    kernel = np.zeros(kernel_shape(new, dimensions), dtype)
    middle = (new.kernel - 1) // 2 if isinstance(new, Convolution) else 0
    at_centre = kernel.reshape(new.channels_out, new.channels_in, -1)  # a view: one row of taps for two channels
    tap = sum(middle * kernel.shape[-1] ** axis for axis in range(kernel.ndim - 2))
    channels = np.arange(new.channels_out)
    at_centre[channels, channels, tap] = 1 / (1 + slope)
    at_centre[channels, channels + new.channels_out, tap] = -1 / (1 + slope)
    return LayerWeights(kernel, np.zeros(new.channels_out, dtype))
