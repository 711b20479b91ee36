"""Charts -> SVG, with matplotlib."""
