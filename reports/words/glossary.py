"""Names and meanings of the core metrics, for people; saih/metrics/catalogue.py has their units and directions."""

from __future__ import annotations

MEANING: dict[str, tuple[str, str]] = {
    "samples_per_s": ("throughput", "Samples of all ranks a second."),
    "step_s": ("step time", "One training step, or one batch served, on the slowest rank."),
    "flop_per_sample": (
        "work per sample",
        "Algorithmic floating-point operations of the whole step, a multiply-add counted as two, whatever variant ran.",
    ),
    "executed_flop_per_sample": ("executed work per sample", "Floating-point operations that the variant executes."),
    "flop_per_s_per_device": ("rate per device", "Work per sample x throughput / devices."),
    "percent_of_peak": (
        "share of the datasheet peak",
        "Rate per device, of the dense peak that the vendor quotes for the datapath used.",
    ),
    "percent_of_measured_peak": (
        "share of the measured ceiling",
        "Rate per device, of the best sustained rate of matrix products and 3D convolutions measured on the same "
        "machine; its interval holds the ceiling's.",
    ),
    "peak_mem_bytes": ("peak memory", "The most memory a rank held while the point ran."),
    "input_wait_s": ("input wait", "Time a step waits for its batch, by a timer."),
    "storage_wait_s": (
        "storage wait",
        "Of the input wait, time in which the batch waited for was being fetched: from storage, or out of the page "
        "cache where that holds the data.",
    ),
    "decode_wait_s": ("decode wait", "Of the input wait, time in which the batch waited for was being decoded."),
    "exposed_input_wait_s": (
        "exposed input wait",
        "What waiting for input adds to the step: the step less the one beside which input is read but not waited for.",
    ),
    "input_contention_s": (
        "input contention",
        "What reading adds to a step that does not wait for it: readers compete with the step for the host.",
    ),
    "exposed_input_s": ("exposed input", "What input adds to the step, beyond what hides behind computing."),
    "h2d_s": ("host-device copy", "Time a step spends copying its batch to the device, by a timer."),
    "copy_wait_s": ("copy wait", "Time a step in which the device does nothing but wait for the copy of its batch."),
    "exposed_comm_s": ("exposed communication", "What communication adds to the step, beyond what hides."),
    "launch_gap_s": (
        "host gaps",
        "Time a step in which the device has no work from its host, though it waits for neither input nor "
        "communication; on a CPU an estimate of calling operations.",
    ),
    "read_s": (
        "reading",
        "Thread-seconds, added up over threads, spent reading the samples of a step; threads work side by side.",
    ),
    "decode_s": (
        "decoding",
        "Thread-seconds, added up over threads, spent decoding the samples of a step; threads work side by side.",
    ),
    "busy_s": ("busy time", "Time a step in which the device computes, in the profiled pass."),
    "forward_s": ("forward", "Busy time of the forward pass of a step."),
    "backward_s": ("backward", "Busy time of the backward pass of a step."),
    "optimiser_s": ("optimiser", "Busy time of the optimiser in a step."),
    "layer_bound_s": (
        "layers alone",
        "What the same kernels take, each layer run alone, and all else at the memory bandwidth. No bound: other "
        "kernels may be faster.",
    ),
    "intensity_flop_per_byte": (
        "arithmetic intensity",
        "Algorithmic operations of a step over the least bytes that its operations, as they ran, must move; real "
        "traffic is higher, or lower where a cache keeps data from layer to layer.",
    ),
    "dram_busy_percent": (
        "memory bandwidth used",
        "Share of the memory's datasheet bandwidth in use, counted by the hardware over the whole measurement.",
    ),
    "tensor_busy_percent": (
        "tensor cores busy",
        "Share of time in which tensor cores worked, counted by the hardware over the whole measurement.",
    ),
    "dram_bytes_per_step": (
        "traffic, counted",
        "Bytes that a step moved between the device and its memory, by hardware counters.",
    ),
    "counted_intensity_flop_per_byte": (
        "arithmetic intensity, counted",
        "Algorithmic operations of a step over the bytes that it moved, by hardware counters.",
    ),
    "read_bytes_per_s": ("read rate", "Bytes of samples read by all ranks a second."),
    "background_read_bytes_per_s": (
        "background read rate",
        "Bytes that the harness's readers took from the data set's storage meanwhile, over all hosts.",
    ),
    "energy_j_per_sample": ("energy per sample", "Energy of all devices for one sample."),
    "scaling_efficiency": (
        "scaling efficiency",
        "Throughput of a rank relative to that at the fewest ranks, all else equal. 1 is perfect. Weak: the batch of a "
        "rank stays. Strong: the batch of all ranks together stays, and they share it.",
    ),
    "parameters": ("parameters", "Trainable numbers of the model."),
    "rank_imbalance_percent": ("rank imbalance", "How much later the slowest rank ends than the mean rank."),
}


def label_of(name: str) -> str:
    """Return a metric's name for people."""
    return MEANING[name][0] if name in MEANING else name
