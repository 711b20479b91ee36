"""The profiled pass: a few steps under torch's profiler, after the timed blocks, never in them.

`run.profile` runs it and returns samples["profile"] (saih/records/record.py); the driver adds the cost of layers
(costs.py).
"""
