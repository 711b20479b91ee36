"""Where batches come from: data sets, readers and their order."""
