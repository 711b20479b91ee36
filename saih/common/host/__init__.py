"""Resources that this process may use: cores, CPU time, memory, files, shared memory. Imports nothing of ours.

A host's total says little: control groups (cgroups(7), versions 1 and 2), resource limits (getrlimit(2)) and bindings
to cores leave a process a part. Where the kernel does not tell, nothing limits as far as is known.
"""
