"""Traces as the profiler writes them on a GPU, made by hand, so that every figure of the breakdown is known.

Times are microseconds. The form is that of the chrome traces which torch's profiler exports (pytorch/kineto,
libkineto/src/output_json.cpp): operations and calls on the host's threads, kernels and copies on the device's streams,
linked by "External id" (operation) and "correlation" (call).
"""

import pytest

from saih.profile.breakdown import breakdown
from saih.profile.trace import events_of

MAIN, ENGINE, LOADER = 100, 200, 300
COMPUTE, SIDE = 7, 20
US = 1e-6


class Trace:
    """Builds the events; ``layers``, ``steps`` and so on are given to `told`."""

    def __init__(self, length):
        self._raw, self._ids = [], 0
        self.span("saih.pass", 0, length)

    def _add(self, cat, name, tid, ts, dur, **args):
        self._raw.append(
            {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": tid, "ts": ts, "dur": dur, "args": args}
        )

    def span(self, name, begin, end, tid=MAIN):
        self._add("user_annotation", name, tid, begin, end - begin)
        # the device's copy of it, which must not count
        self._add("gpu_user_annotation", name, COMPUTE, begin, end - begin)

    def op(self, name, begin, end, tid=MAIN, shapes=(), types=(), **args):
        self._ids += 1
        inputs = {"Input Dims": list(shapes), "Input type": list(types)}
        self._add("cpu_op", name, tid, begin, end - begin, **{"External id": self._ids}, **inputs, **args)
        return self._ids

    def call(self, begin, tid=MAIN, name="cudaLaunchKernel"):
        self._ids += 1
        self._add("cuda_runtime", name, tid, begin, 2, correlation=self._ids)
        return self._ids

    def kernel(self, name, begin, end, op=None, call=None, stream=COMPUTE, cat="kernel", **args):
        linked = {key: value for key, value in (("External id", op), ("correlation", call)) if value is not None}
        self._add(cat, name, stream, begin, end - begin, stream=stream, **linked, **args)

    def told(self, steps=1, layers=None, item_bytes=None):
        other = [{"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "python"}}, {"ph": "s", "cat": "ac2g"}]
        return breakdown(events_of({"traceEvents": other + self._raw}), steps, "cuda", layers, item_bytes)


def classes(found, key="classes"):
    return {each["class"]: each for each in found[key]}


def test_launch_gaps_leave_the_device_idle():
    trace = Trace(100)
    for begin in (10, 30, 50):
        op = trace.op("aten::add_", begin - 8, begin - 2, shapes=[[10]], types=["float"])
        trace.kernel("vectorized_elementwise_kernel", begin, begin + 5, op)
    found = trace.told()
    assert found["step_s"] == pytest.approx(100 * US)
    assert found["busy_s"] == pytest.approx(15 * US)
    assert found["idle_s"] == pytest.approx(85 * US)
    assert found["operations"] == 3
    assert classes(found)["elementwise"]["bytes"] == 3 * 80


def test_what_was_before_the_pass_does_not_count():
    trace = Trace(100)
    for begin in (-100, 0):
        trace.span("saih.region:input", begin + 1, begin + 10)
        trace.kernel("Memcpy HtoD (Pinned -> Device)", begin + 2, begin + 8, cat="gpu_memcpy", bytes=1000)
        trace.span("saih.region:forward", begin + 10, begin + 20)
        trace.kernel("gemm", begin + 20, begin + 50, trace.op("aten::mm", begin + 11, begin + 12))
    found = trace.told()
    assert found["busy_s"] == pytest.approx(30 * US)
    assert found["phases"]["forward"] == pytest.approx(30 * US)
    assert found["exposed_input_s"] == pytest.approx(9 * US)
    assert found["h2d_s"] == pytest.approx(6 * US)
    assert found["operations"] == 1


def test_kernels_that_run_at_once_share_the_time():
    """0 to 10 alone, 10 to 20 both, 20 to 40 the other alone: 15 and 25 of 40."""
    trace = Trace(100)
    a = trace.op("aten::mm", 0, 1)
    b = trace.op("aten::relu", 1, 2)
    trace.kernel("sm90_xmma_gemm", 0, 20, a)
    trace.kernel("elementwise", 10, 40, b, stream=SIDE)
    found = trace.told()
    assert found["busy_s"] == pytest.approx(40 * US)
    assert classes(found)["matrix product"]["busy_s"] == pytest.approx(15 * US)
    assert classes(found)["elementwise"]["busy_s"] == pytest.approx(25 * US)


def test_communication_is_exposed_only_where_nothing_else_runs():
    """NCCL from 20 to 60; kernels to 45, a copy from 50 to 55: exposed are 45 to 50 and 55 to 60."""
    trace = Trace(100)
    op = trace.op("aten::mm", 0, 1)
    trace.kernel("gemm", 0, 45, op)
    comms = trace.op("record_param_comms", 2, 3)
    trace.kernel(
        "ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)", 20, 60, comms, stream=SIDE
    )
    trace.kernel("Memcpy HtoD (Pinned -> Device)", 50, 55, stream=30, cat="gpu_memcpy", bytes=1000)
    found = trace.told()
    assert found["comm_s"] == pytest.approx(40 * US)
    assert found["exposed_comm_s"] == pytest.approx(10 * US)
    assert found["busy_s"] == pytest.approx(45 * US)
    assert found["h2d_s"] == pytest.approx(5 * US)
    assert found["idle_s"] == pytest.approx(40 * US)
    assert classes(found)["communication"] == {
        "class": "communication",
        "busy_s": pytest.approx(40 * US),
        "count": 1,
        "bytes": None,
    }
    assert found["operations"] == 1


def test_input_is_exposed_where_the_device_waits_for_it():
    """The host is at the input from 0 to 30, a copy runs from 25 to 50; the last step's kernel ends at 10."""
    trace = Trace(100)
    trace.span("saih.region:input", 0, 30)
    trace.span("saih.region:forward", 30, 60)
    before = trace.op("aten::mm", 1, 2)
    trace.kernel("gemm", 0, 10, before)
    trace.kernel("Memcpy HtoD (Pageable -> Device)", 25, 50, call=trace.call(24), cat="gpu_memcpy", bytes=4000)
    op = trace.op("aten::mm", 31, 33)
    trace.kernel("gemm", 50, 90, op)
    trace.kernel("Memcpy DtoH (Device -> Pageable)", 92, 95, call=trace.call(91), cat="gpu_memcpy", bytes=4)
    found = trace.told()
    assert found["exposed_input_s"] == pytest.approx(40 * US)
    assert found["h2d_s"] == pytest.approx(28 * US)
    assert found["busy_s"] == pytest.approx(50 * US)


def test_backward_kernels_belong_to_the_layer_whose_forward_made_them():
    """Backward is launched by another thread of the host, while the main thread waits."""
    trace = Trace(200)
    trace.span("saih.region:forward", 0, 40)
    trace.span("saih.layer:one", 5, 15)
    first = trace.op("aten::conv3d", 6, 14, **{"Sequence number": 1, "Fwd thread id": 0})
    trace.span("saih.layer:two", 20, 30)
    second = trace.op("aten::linear", 21, 29, **{"Sequence number": 2, "Fwd thread id": 0})
    after = trace.op("aten::mean", 32, 35, **{"Sequence number": 3, "Fwd thread id": 0})
    for op, name, begin, end in ((first, "implicit_gemm", 10, 30), (second, "gemm", 30, 40), (after, "reduce", 40, 42)):
        trace.kernel(name, begin, end, op)
    trace.span("saih.region:backward", 40, 120)
    for number, name, begin in ((3, "MeanBackward0", 45), (2, "AddmmBackward0", 60), (1, "ConvolutionBackward0", 80)):
        told = {"Sequence number": number, "Fwd thread id": 1}
        trace.op(f"autograd::engine::evaluate_function: {name}", begin, begin + 14, ENGINE, **told)
        trace.op(name, begin + 1, begin + 13, ENGINE, **told)
        inner = {"MeanBackward0": "aten::div", "AddmmBackward0": "aten::mm"}.get(name, "aten::convolution_backward")
        op = trace.op(inner, begin + 2, begin + 12, ENGINE)
        trace.kernel(f"kernel of {name}", begin + 5, begin + 5 + 10 * number, op, trace.call(begin + 4, ENGINE))
    trace.span("saih.region:optimiser", 150, 190)
    sgd = trace.op("aten::_fused_sgd_", 151, 155, shapes=[[[5], [3]]] * 3, types=["TensorList"] * 3)
    trace.kernel("multi_tensor_apply_kernel<FusedSgd>", 160, 170, sgd)
    found = trace.told(layers=["one", "two"], item_bytes=4)
    one, two = found["layers"]
    assert (one["forward_s"], one["backward_s"]) == (pytest.approx(20 * US), pytest.approx(10 * US))
    # 15 of its 20 beside the kernel of the mean's gradient, of which it gets half
    assert (two["forward_s"], two["backward_s"]) == (pytest.approx(10 * US), pytest.approx(12.5 * US))
    assert found["phases"] == {
        "forward": pytest.approx(32 * US),
        "backward": pytest.approx(45 * US),
        "optimiser": pytest.approx(10 * US),
        "other": 0,
    }
    outside = classes(found, "outside")
    assert set(outside) == {"reduction", "elementwise", "optimiser"}
    assert outside["optimiser"]["bytes"] == (3 + 2) * 8 * 4
    assert found["busy_s"] == pytest.approx(sum(found["phases"].values()))


def test_work_of_a_thread_without_operations_is_in_no_phase():
    """A loader's copies within the device, while the main thread is in forward."""
    trace = Trace(100)
    trace.span("saih.region:forward", 0, 50)
    op = trace.op("aten::mm", 1, 3)
    trace.kernel("gemm", 5, 15, op)
    trace.kernel("Memcpy DtoD (Device -> Device)", 20, 24, call=trace.call(18, LOADER), cat="gpu_memcpy", bytes=500)
    trace.kernel("Memset (Device)", 30, 33, call=trace.call(19, LOADER), cat="gpu_memset", bytes=64)
    found = trace.told()
    assert found["phases"]["forward"] == pytest.approx(10 * US)
    assert found["phases"]["other"] == pytest.approx(7 * US)
    assert found["h2d_s"] == 0
    assert classes(found)["copy"] == {
        "class": "copy",
        "busy_s": pytest.approx(7 * US),
        "count": 2,
        "bytes": 1000 + 64,
    }


def test_a_kernel_without_a_linked_operation_goes_by_its_call():
    """Launched by a library within an operation: the call lies inside it."""
    trace = Trace(100)
    trace.span("saih.region:forward", 0, 50)
    trace.span("saih.layer:one", 1, 20)
    trace.op("aten::max_pool3d_with_indices", 2, 18)
    trace.kernel("some_kernel", 20, 30, call=trace.call(10))
    found = trace.told(layers=["one"])
    assert found["layers"][0]["forward_s"] == pytest.approx(10 * US)
    assert set(classes(found)) == {"pool"}


def test_a_kernel_that_nothing_is_known_of_goes_by_its_name():
    trace = Trace(100)
    trace.op("aten::mm", 0, 1)
    trace.kernel("triton_poi_fused_add_0", 0, 10)
    trace.kernel("cudnn::cnn::wgrad2d_grouped_direct_kernel", 10, 30)
    trace.kernel("what is this", 30, 35)
    found = trace.told()
    assert {name: each["bytes"] for name, each in classes(found).items()} == {
        "convolution": None,
        "fused": None,
        "other": None,
    }
    assert "bytes" in found["why"]


def test_a_change_of_type_inside_a_layer_counts_as_a_copy():
    """Autocast turns weights into bfloat16 within the convolution's operation: read 4, write 2 bytes a number."""
    trace = Trace(100)
    trace.span("saih.layer:one", 0, 50)
    outer = trace.op("aten::conv3d", 1, 40)
    trace.op("aten::to", 2, 10)
    trace.op("aten::_to_copy", 3, 9)
    cast = trace.op("aten::copy_", 4, 8, shapes=[[100], [100], []], types=["c10::BFloat16", "float", "Scalar"])
    trace.kernel("unrolled_elementwise_kernel<direct_copy>", 10, 14, cast)
    trace.kernel("sm90_implicit_gemm", 14, 34, outer)
    found = trace.told(layers=["one"])
    assert classes(found)["copy"]["busy_s"] == pytest.approx(4 * US)
    assert classes(found)["copy"]["bytes"] == 600
    assert classes(found)["convolution"]["busy_s"] == pytest.approx(20 * US)
    assert found["layers"][0]["forward_s"] == pytest.approx(24 * US)
    assert found["outside"] == []


def test_figures_are_per_step():
    trace = Trace(300)
    for step in range(3):
        op = trace.op("aten::mm", 100 * step + 1, 100 * step + 2, shapes=[[2, 3], [3, 5]], types=["float", "float"])
        trace.kernel("gemm", 100 * step + 10, 100 * step + 40, op)
    found = trace.told(steps=3)
    assert found["step_s"] == pytest.approx(100 * US)
    assert found["busy_s"] == pytest.approx(30 * US)
    assert found["operations"] == 1
    assert classes(found)["matrix product"]["bytes"] == 4 * (6 + 15 + 10)


def test_a_trace_without_kernels_is_no_profile():
    trace = Trace(100)
    trace.op("aten::mm", 0, 1)
    assert trace.told() == {"why": {"profile": "the profiled steps held no work of torch on the GPU"}}
