"""A sweep: which point is next, how it is attempted, and when it ends."""
