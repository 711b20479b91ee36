"""Input and storage: sources, background reading, what they cost."""
