"""Energy, power, clocks, temperature, throttling, memory and neighbours of the devices while a point is measured.

    readings.py   what cannot be had is null with a reason; series of samples; energy by part
    nvml.py       one GPU, by the driver's library; gpm.py: its hardware counters
    rapl.py       energy of CPU packages and memory
    cpu.py        clocks and throttling of cores; what others take of them
    quota.py      periods in which a control group's CPU quota held a rank back
    gpu.py, host.py   what is read of a rank's GPU, and of a host, over a measurement
    sampler.py    the thread that takes samples
    watch.py      Telemetry: all of these around the timed blocks
    energy.py     joules a sample, with scope and method; pure

Who reads what: a GPU belongs to the rank that uses it; the packages, the throttle counters and the load of others to
the first rank of their host. Nothing here raises towards the measurement, and nothing imports torch on its own. Why it
makes a point suspect is told by saih/diagnosis/suspect.py.
"""
