"""The source of batches: data sets, readers and their order."""
