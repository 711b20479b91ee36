"""Where the time of a step goes: a pass of a few steps under torch's profiler, after the timed blocks, never in them.

`run.profile` makes it and answers samples["profile"] (saih/records/record.py); the driver adds what layers cost
(costs.py).
"""
