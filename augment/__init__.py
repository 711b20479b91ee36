"""What makes a problem larger: more and larger data (`augment.data`), larger networks (`augment.model`).

Nothing here knows of MPI: work that can be divided takes shard=(rank, size) and reports through a callback.
"""
