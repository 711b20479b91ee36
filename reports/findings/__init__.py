"""The findings: one file a section. Pure."""
