"""CosmoFlow: a 3D convolutional network reads four cosmological parameters off the matter in a cube of the universe.

Source: the MLPerf HPC reference, github.com/mlcommons/hpc/cosmoflow, after Mathuriya et al. 2018, arXiv:1808.04728.
Every module names its differences from the reference.

Without torch (the command line and the driver stop here):
    application            APP, the application's first half
    dials                  the numbers that set its size, and the legal points
    cost, process_memory   layers -> FLOPs, parameters, bytes
    metrics                figures of its own in the records
    input/settings         the configuration's `data`, and its data set at an edge
    input/prefetch         the depth of reading ahead, and the parts of a batch
    input/prepare          makes or checks the data set of a sweep (imports its tools when called)
    network/architecture   dials -> layers
    network/layer_costs    the layers by which a step's time is reported, each with its cost

With torch, in a worker:
    network/module         the network and its initialisation
    training/precision     the settings of fp32, tf32, bf16 and fp16
    training/optimizer     SGD as defined by Keras, the learning-rate rule
    training/sanity        checks of a step's results
    training/step          the training step: the application's second half
    input/dataset          the data set of a point, opened
    input/sample_order     the samples of every step
    input/sources          run.input -> batches, and their source
    input/batches          samples -> batches on the device
    input/kept_batches     one batch again and again, for variants without input or without waiting for it
    input/loader           the threads that read batches ahead
    input/timers           the times of reading, and of waiting for it
    input/once_per_host    tasks of one rank of a host for all of its ranks
    input/evidence         the real source of the samples: page cache, direct reads, storage
"""

from apps.cosmoflow.application import APP

__all__ = ["APP"]
