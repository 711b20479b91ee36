"""SAIH: how AI applications perform on an HPC system as their problem grows.

The harness: from a configuration to measured records. It knows no application by name.
"""

__version__ = "0.1.0"
