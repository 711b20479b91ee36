"""Arrays of counts, and what can be made of them without a simulation.

symmetries     the 48 of the cube, shifts of periodic boxes; `views` is the same in torch, on the fly
resize, tile   fewer, more or wider voxels
spectrum       P(k) and cross-correlation: whether what came out is still cosmology
"""
