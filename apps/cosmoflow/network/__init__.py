"""CosmoFlow's layers: their sizes, their costs, and the torch module."""
