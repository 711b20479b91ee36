"""One MPI rank: its loop, MPI, and the machine it sees. Imports torch late."""
