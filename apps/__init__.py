"""The applications that get scaled, one folder each."""
