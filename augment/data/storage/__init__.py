"""A data set as a folder.

sets           opening one; `manifest` vouches for it, `names` are its files'
arrays         arrays of HDF5 files, checked before room is made
store, write   one universe's file, read and written whole; `lock` keeps writers apart
reader         samples into memory, each checked; `codecs`, `files` and `transfer` stand behind it
cache, staging the page cache and copies on a host's own storage; `host` says what that has
verify         finds damage by `checksum` (`crc` is the arithmetic)
"""
