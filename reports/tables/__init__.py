"""The tables: one file a section. Pure."""
