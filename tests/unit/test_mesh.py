"""Clouds in cells: shares against the weights' definition, masses to the last unit, reading against painting."""

import itertools

import numpy as np
import pytest
import torch

from augment.data.universe import mesh
from augment.data.universe.counts import count_particles
from augment.errors import DataError


def displaced(edge, spread=3.0, seed=0):
    """Particles far from where they started, some several boxes away: float32 (edge^2, edge, 3)."""
    numbers = np.random.default_rng(seed).normal(0, spread * edge / 4, (edge**2, edge, 3))
    return torch.from_numpy(numbers.astype(np.float32))


def positions(displacement):
    edge = displacement.shape[1]
    start = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return start + displacement.numpy().astype(np.float64).reshape(-1, 3)


def painted_slowly(displacement):
    edge, where = displacement.shape[1], positions(displacement)
    lower = np.floor(where).astype(int)
    found = np.zeros((edge,) * 3)
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, where - lower, 1 - (where - lower)), axis=1)
        np.add.at(found, tuple((lower + corner).T % edge), weight)
    return found


@pytest.mark.parametrize("edge", [4, 7, 16])
def test_painting_is_the_weights_summed(edge):
    found = mesh.paint(displaced(edge))
    assert found.dtype == torch.int32
    np.testing.assert_allclose(found.numpy() / mesh.UNITS, painted_slowly(displaced(edge)), atol=1e-3)


@pytest.mark.parametrize("edge", [8, 15])
def test_no_unit_of_mass_is_lost(edge):
    assert int(mesh.paint(displaced(edge)).sum()) == edge**3 * 2**16


def test_particles_on_nodes_paint_those_alone():
    moved = torch.zeros(25, 5, 3)
    assert (mesh.paint(moved) == 2**16).all()
    moved[0, 0] = torch.tensor([-1.0, 0.0, 7.0])
    mass = mesh.paint(moved)
    assert mass[0, 0, 0] == 0
    assert mass[4, 0, 2] == 2 * 2**16


def test_reading_is_painting_turned_round():
    # sum over nodes of (mass painted) field = sum over particles of (field read): one set of weights.
    edge = 12
    moved, field = displaced(edge), torch.zeros(edge + 1, edge + 1, edge + 1, 3)
    field[:-1, :-1, :-1] = torch.from_numpy(np.random.default_rng(1).normal(size=(edge,) * 3 + (3,)))
    mesh.pad(field)
    read = mesh.read(field, moved, 0).double().sum(dim=(0, 1))
    mass = mesh.paint(moved).double() / mesh.UNITS
    painted = (mass[..., None] * field[:-1, :-1, :-1]).sum(dim=(0, 1, 2))
    np.testing.assert_allclose(read, painted, rtol=1e-4, atol=0.05)


def test_linear_fields_are_read_exactly():
    edge = 8
    field = torch.zeros(edge + 1, edge + 1, edge + 1, 1)
    field[..., 0] = 2.0 * torch.arange(edge + 1.0)[None, :, None]
    moved = torch.full((edge**2, edge, 3), 0.25)
    read = mesh.read(field, moved, 0)[..., 0].view(edge, edge, edge)
    expected = (2 * (torch.arange(edge) + 0.25))[None, :, None].expand(edge, edge, edge)
    torch.testing.assert_close(read, expected)


def test_batches_change_nothing(monkeypatch):
    # Lines of particles are worked on in batches; 3 lines at a time leave a remainder.
    edge = 16
    moved, field = displaced(edge), torch.rand(edge + 1, edge + 1, edge + 1, 3)
    mass, counts, read = mesh.paint(moved), count_particles(moved), mesh.read(field, moved, 0)
    monkeypatch.setattr(mesh, "batch_particles", lambda device: 3 * edge)
    assert len(list(mesh.batches(edge, moved.device))) == 86
    assert torch.equal(mesh.paint(moved), mass)
    assert torch.equal(count_particles(moved), counts)
    parts = [mesh.read(field, moved[lines], lines.start) for lines in mesh.batches(edge, moved.device)]
    assert torch.equal(torch.cat(parts), read)


def test_large_meshes_are_numbered_in_64_bits():
    assert mesh.index_type(1290) == torch.int32
    assert mesh.index_type(1291) == torch.int64


def test_particles_at_rest_and_a_common_shift():
    assert (count_particles(torch.zeros(25, 5, 3)) == 1).all()
    assert (count_particles(torch.full((25, 5, 3), -7.3)) == 1).all()


def test_one_particle_moves_through_the_face_of_the_box():
    displacement = torch.zeros(16, 4, 3)
    displacement.view(4, 4, 4, 3)[3, 0, 2] = torch.tensor([0.6, -1.2, 0.4])
    counts = count_particles(displacement)
    expected = torch.ones(4, 4, 4, dtype=torch.int16)
    expected[3, 0, 2] = 0
    expected[0, 3, 2] = 2
    assert torch.equal(counts, expected)


def test_counting_is_the_histogram():
    edge, moved = 12, displaced(12)
    inside = (positions(moved) + 0.5) % edge
    histogram, _ = np.histogramdd(inside, bins=edge, range=[(0, edge)] * 3)
    assert np.abs(count_particles(moved).numpy() - histogram).sum() <= 2  # one on a border may round


def to_origin(edge):
    grid = torch.meshgrid(*[torch.arange(float(edge))] * 3, indexing="ij")
    return -torch.stack(grid, dim=-1).view(edge**2, edge, 3)


def test_too_many_particles_for_int16():
    with pytest.raises(DataError, match="35937 particles: int16 counts end at 32767"):
        count_particles(to_origin(33))


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_in_threads(monkeypatch, threads):
    monkeypatch.setattr(mesh, "batch_particles", lambda device: 64)
    seen, before = [], torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        mesh.each_batch(lambda lines: seen.append((lines.start, torch.get_num_threads())), 8, torch.device("cpu"))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert sorted(start for start, _ in seen) == list(range(0, 64, 8))
    assert {each for _, each in seen} == {1}


def test_what_goes_wrong_in_a_batch_is_raised(monkeypatch):
    def work(lines):
        raise DataError(f"line {lines.start}")

    with pytest.raises(DataError, match="line 0"):
        mesh.each_batch(work, 8, torch.device("cpu"))
