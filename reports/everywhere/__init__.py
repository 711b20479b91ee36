"""The same point on every device or node at once: which are odd."""
