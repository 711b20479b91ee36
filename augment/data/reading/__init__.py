"""How a data set's bytes are read, decoded and checked."""
