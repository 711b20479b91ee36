"""Background reading at the request of a point."""
