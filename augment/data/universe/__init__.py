"""One universe, from its cosmology to the counts that a network reads.

simulate       runs all of it; `memory` predicts its memory
cosmology      the power and the growth of structure
noise, lpt     the start: white noise, a linear field, second-order displacements
cola           steps of a particle mesh from there; `force` is its pull, `mesh` paints and reads, `fourier` transforms
counts         particles into voxels
"""
