"""Data sets of simulated universes that can be made at any size.

recipe     what a data set is: a few numbers, and how they follow the edge of a sample
universe   one cosmology -> particle counts: the physics
volumes    arrays of counts -> other views, sizes and spectra of them
storage    a data set as a folder: written whole, vouched for, read with every sample checked
making     a recipe, or a data set and an operation -> a data set, by any number of processes
foreign    published files -> a data set, linked or copied
"""
