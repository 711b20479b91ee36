"""CosmoFlow: a 3D convolutional network reads four cosmological parameters off the matter in a cube of the universe.

Source: the MLPerf HPC reference, github.com/mlcommons/hpc/cosmoflow, after Mathuriya et al. 2018, arXiv:1808.04728.
Every module says where it follows the reference and where it goes beyond.

Without torch (the command line and the driver stop here):
    application   APP, the application's first half
    dials         the numbers that set its size, and which points are legal
    data          the configuration's `data`, and the file it means at an edge
    architecture  dials -> layers
    cost          layers -> FLOPs, parameters, bytes
    layers        the layers that a step's time is told by, each with its cost
    metrics       figures of its own in the records
    prepare       makes or checks the data set of a sweep (imports its tools when called)

With torch, in a worker:
    model         the network and its initialisation
    precision     what fp32, tf32, bf16 and fp16 switch on
    optimizer     SGD as Keras defines it, the learning-rate rule
    order         which samples when
    dataset       the data set of a point, opened
    sources       run.input -> batches, and where they come from
    batches       samples -> batches on the device
    loader        the threads that read them ahead
    hosts         what one rank of a host does for all
    evidence      where samples really came from: page cache, direct reads, storage
    sanity        can a step be believed?
    training      the training step: the application's second half
"""

from apps.cosmoflow.application import APP

__all__ = ["APP"]
