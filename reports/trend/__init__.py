"""How performance goes as the problem grows."""
