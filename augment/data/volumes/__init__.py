"""Arrays of counts, and operations on them without a simulation.

symmetries     the 48 of the cube, shifts of periodic boxes; `views` is the same in torch, on the fly
resize, tile   fewer, more or wider voxels
spectrum       P(k) and cross-correlation: checks that the result is still cosmology
"""
