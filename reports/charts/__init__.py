"""The charts as plain data: one file a section. Pure."""
