"""Services of the host: its page cache, its own disk, and the kernel's counters."""
