"""Numbers and words as text."""
