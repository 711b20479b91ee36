"""Background reading that a point may ask for."""
