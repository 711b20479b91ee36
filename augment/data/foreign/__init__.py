"""Data sets that others published: the original CosmoFlow files and MLPerf HPC's TFRecords.

convert        files -> a data set that links to them or copies them; `survey` looks through them first
published      one file's samples; `tfrecord` is that format
"""
