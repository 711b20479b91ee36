"""Models that grow, and their costs.

A network as data (`network`), wider (`widen`) and deeper (`deepen`) with the same function, its cost at every size
(`cost`), and its weights in torch (`torch_weights`). No module here knows an application. All but `torch_weights` and
`checkpoint` work without torch.
"""
