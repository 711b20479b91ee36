"""Growing keeps the function: over random architectures, inputs and growth paths, in both precisions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import DataError
from augment.model.deepen import deepen
from augment.model.grow import grow
from augment.model.network import Convolution, Dense, Dropout, Flatten, LeakyReLU, MaxPool, Network, Tanh
from augment.model.torch_weights import load_weights, module_of, weights_of
from augment.model.weights import LayerWeights
from augment.model.widen import Grown, widen

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@st.composite
def networks(draw):
    """Chains of convolutional blocks and dense layers, in one to three dimensions."""
    dimensions = draw(st.integers(1, 3))
    channels, edge = draw(st.integers(1, 3)), draw(st.sampled_from([4, 6, 8]))
    slope = draw(st.sampled_from([0.0, 0.01, 0.3, 1.5]))
    layers, now = [], channels
    for _ in range(draw(st.integers(0, 2))):
        for _ in range(draw(st.integers(1, 2))):
            out = draw(st.integers(1, 4))
            layers += [Convolution(now, out, draw(st.sampled_from([1, 3, 5]))), LeakyReLU(slope)]
            now = out
        layers += [MaxPool(2)]
    voxels = (edge >> layers.count(MaxPool(2))) ** dimensions
    layers.append(Flatten(channels_last=draw(st.booleans())))
    hidden = draw(st.integers(1, 5))
    layers += [Dense(now * voxels, hidden), LeakyReLU(slope), Dropout(0.5), Dense(hidden, 2), Tanh(1.2)]
    return Network(channels, edge, tuple(layers), dimensions)


def with_weights(network, seed):
    random = np.random.default_rng(seed)
    weights = weights_of(module_of(network).double(), network)
    return tuple(LayerWeights(k, random.standard_normal(b.shape)) for k, b in weights)


def outputs(grown, x, dtype):
    module = module_of(grown.network).to(dtype).eval()
    load_weights(module, [LayerWeights(*(a.astype(str(dtype)[6:]) for a in layer)) for layer in grown.weights])
    with torch.no_grad():
        return module(x.to(dtype))


def some_input(network, seed, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    shape = (3, network.channels, *(network.edge,) * network.dimensions)
    return scale * torch.randn(shape, generator=random, dtype=torch.float64)


def assert_same_function(old, new, seed=0, scale=1.0):
    """Where large numbers cancel, float32 cannot hold the old function itself any better: then to that error."""
    x = some_input(old.network, seed, scale)
    exact = outputs(old, x, torch.float64)
    for dtype, tolerance in TOLERANCE.items():
        expected, found = outputs(old, x, dtype), outputs(new, x, dtype)
        own_rounding = (expected - exact).abs().max()
        assert (found - expected).abs().max() <= tolerance * expected.abs().max() + 10 * own_rounding


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), st.data())
def test_any_path_of_growth_keeps_the_function(network, data):
    seed = data.draw(st.integers(0, 2**31))
    start = grown = Grown(network, with_weights(network, seed))
    for _ in range(data.draw(st.integers(1, 4))):
        layer = data.draw(st.integers(0, len(grown.network.weighted()) - 2))
        if data.draw(st.booleans()):
            more = data.draw(st.integers(0, 5))
            had = grown.network.weighted()[layer][1].channels_out
            grown = widen(grown.network, layer, had + more, grown.weights, seed)
        else:
            grown = deepen(grown.network, layer, grown.weights)
    assert_same_function(start, grown, seed, data.draw(st.sampled_from([1e-3, 1.0, 1e3])))


def simple(base=2, edge=8):
    leaky = LeakyReLU(0.3)
    layers = (Convolution(1, base), leaky, MaxPool(), Convolution(base, 2 * base), leaky, MaxPool(), Flatten())
    return Network(1, edge, (*layers, Dense(2 * base * (edge // 4) ** 3, 6), leaky, Dense(6, 2), Tanh(1.2)))


def test_grows_to_a_wider_and_deeper_target():
    network = simple()
    target = deepen(deepen(deepen(simple(5), 0).network, 1).network, 3).network
    start = Grown(network, with_weights(network, 1))
    found = grow(network, target, start.weights)
    assert found.network == target
    assert [layer.channels_out for _, layer in target.weighted()] == [10, 10, 5, 20, 10, 6, 2]
    assert_same_function(start, found)


def test_description_alone_grows_alike():
    network = simple()
    weights = with_weights(network, 1)
    assert widen(network, 0, 5).network == widen(network, 0, 5, weights).network
    assert deepen(network, 1).network == deepen(network, 1, weights).network
    assert widen(network, 0, 5).weights is None


def test_replicas_get_different_gradients():
    network = simple()
    grown = widen(network, 0, 6, with_weights(network, 3))
    module = module_of(grown.network).double()
    load_weights(module, grown.weights)
    module(some_input(network, 3)).square().sum().backward()
    kernels, gradients = module[0].weight.flatten(1), module[0].weight.grad.flatten(1)
    replicas = [(i, j) for i in range(6) for j in range(i) if torch.equal(kernels[i], kernels[j])]
    assert len(replicas) >= 4
    for i, j in replicas:
        difference = (gradients[i] - gradients[j]).norm() / gradients[i].norm()
        assert difference > 0.01


def test_grown_layers_can_learn_more_than_the_old_function():
    network = simple()
    grown = deepen(network, 0, with_weights(network, 3))
    module = module_of(grown.network).double()
    load_weights(module, grown.weights)
    module(some_input(network, 3)).square().sum().backward()
    new = module[2]
    assert new.weight.shape[:2] == (2, 4)
    assert (new.weight.grad[new.weight == 0].abs() > 0).float().mean() > 0.9


def test_an_identity_convolution_would_not_do():
    # What `deepen` avoids: after one more LeakyReLU the function is another.
    leaky = LeakyReLU(0.3)
    network = Network(1, 4, (Convolution(1, 2), leaky, Flatten(), Dense(128, 2)))
    first, last = with_weights(network, 1)
    inserted = replace(network, layers=(*network.layers[:2], Convolution(2, 2), leaky, *network.layers[2:]))
    identity = np.zeros((2, 2, 3, 3, 3))
    identity[[0, 1], [0, 1], 1, 1, 1] = 1
    weights = (first, LayerWeights(identity, np.zeros(2)), last)
    with pytest.raises(AssertionError):
        assert_same_function(Grown(network, (first, last)), Grown(inserted, weights))
    assert_same_function(Grown(network, (first, last)), deepen(network, 0, (first, last)))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda n: widen(n, 3, 9), "layer 3: must be from 0 to 2; the last layer's channels are the output"),
        (lambda n: widen(n, 0, 1), "layer 0: has 2 channels and cannot shrink to 1"),
        (lambda n: deepen(n, 3), "layer 3: a LeakyReLU must follow it, but Tanh(scale=1.2) does"),
        (lambda n: deepen(n, 4), "layer 4: must be from 0 to 3"),
        (lambda n: grow(n, simple(1)), "layer 0: has 2 channels and cannot shrink to 1"),
        (lambda n: grow(deepen(n, 0).network, n), "block 0: has 2 layers with weights, the target 1: it can only grow"),
        (lambda n: grow(n, simple(edge=16)), "another plan"),
        (lambda n: widen(n, 0, 4, with_weights(simple(3), 1)), "weights of layer 0 are"),
        (
            lambda n: Network(1, 8, (Convolution(2, 3),)),
            "layer 0, Convolution(channels_in=2, channels_out=3, kernel=3)",
        ),
        (lambda n: Network(1, 8, (Dense(1, 3),)), "needs Flatten before it"),
        (lambda n: Network(1, 8, (MaxPool(9),)), "the volume has edge 8"),
    ],
)
def test_what_cannot_be_is_one_line(act, words):
    with pytest.raises(DataError) as caught:
        act(simple())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
