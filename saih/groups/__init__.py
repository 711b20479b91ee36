"""Worker groups as the driver sees them: start, protocol, hangs, deaths."""
