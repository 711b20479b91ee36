"""What the host adds: its page cache, its own disk, and what the kernel counts."""
