"""Models that grow: a network as data (`network`), wider (`widen`) and deeper (`deepen`) with the same function,
what it costs at every size (`cost`), and its weights in torch (`torch_weights`).

Nothing here knows an application. All but `torch_weights` work without torch.
"""
