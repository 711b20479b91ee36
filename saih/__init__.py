"""SAIH: how AI applications perform on an HPC system as their problem grows.

The harness: from a configuration to measured records. It knows no application by name. Its rooms, from the ground up
(each imports only what is above it here; tests/unit/test_house.py):

common        files, locks, /proc, terminal; imports nothing of ours
errors        errors for people
paths         ~ and $VARIABLES in paths
processes     child processes and signals
statistics    intervals of correlated blocks, paired differences
app           the contract of applications
telemetry     clocks, power, energy and neighbours around the timed blocks
emulate       slower storage, links and cores, by real means
interference  background reading beside a point
config        a configuration: its keys, its YAML, its points
measure       timed blocks, and when to stop
launch        MPI launchers, Slurm, site profiles
records       the record of a point, the folder of a run
groups        worker groups as the driver sees them
metrics       raw samples -> metrics
diagnosis     metrics -> bottlenecks, and what makes a point suspect
peaks         ceilings, measured and from datasheets
profile       the profiled pass
applications  finding an application, checking what it declares and answers
judge         raw samples -> metrics, diagnosis and status
worker        one MPI rank
sweep         which point is next, and how it is attempted
cli           the commands
"""

__version__ = "0.1.0"
