"""Data sets of simulated universes that can be made at any size.

recipe     what a data set is: a few numbers, and how they follow the edge of a sample
make       recipe -> file; the work can be shared by any number of processes
simulate   one cosmology -> particle counts, by way of noise, lpt and counts
cosmology  the power and the growth of structure
store      the HDF5 layout, and reading it; `write` writes it
published  the original files and MLPerf HPC's TFRecords; `convert` makes a universe file of them
symmetries, resize, tile   more, smaller and larger volumes without a simulation
spectrum   P(k) and cross-correlation: whether what came out is still cosmology
"""
