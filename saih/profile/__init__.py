"""The profiled pass: a few steps under torch's profiler, after the timed blocks, never in them.

`run.profile` makes it and answers samples["profile"] (saih/records/record.py); the driver adds what layers cost
(costs.py).
"""
