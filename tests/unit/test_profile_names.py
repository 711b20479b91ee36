"""What kind of work an operation or a kernel is, and the least bytes it moves."""

import pytest
import torch
from torch import nn
from torch.autograd import profiler

from saih.profile import classes, trace, tree
from saih.profile.pieces import traffic

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::cudnn_convolution", "convolution"),
        ("aten::mkldnn_convolution", "convolution"),
        ("aten::convolution_backward", "convolution"),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", "convolution"),
        ("aten::resolve_conj", None),
        ("aten::addmm", "matrix product"),
        ("AddmmBackward0", "matrix product"),
        ("aten::_scaled_mm", "matrix product"),
        ("aten::matmul", "matrix product"),
        ("aten::max_pool3d_with_indices_backward", "pool"),
        ("aten::adaptive_avg_pool2d", "pool"),
        ("aten::leaky_relu_", "elementwise"),
        ("aten::threshold_backward", "elementwise"),
        ("aten::_foreach_mul_", "elementwise"),
        ("torch::distributed::reducer::mul_out", "elementwise"),
        ("aten::_softmax_backward_data", "reduction"),
        ("aten::mse_loss_backward", "reduction"),
        ("aten::mean", "reduction"),
        ("aten::_to_copy", "copy"),
        ("aten::zero_", "copy"),
        ("aten::native_dropout", "random"),
        ("aten::normal_", "random"),
        ("aten::native_layer_norm", "normalisation"),
        ("aten::cudnn_batch_norm", "normalisation"),
        ("aten::_scaled_dot_product_flash_attention", "attention"),
        ("aten::embedding_dense_backward", "embedding"),
        ("aten::_fused_adamw_", "optimiser"),
        ("c10d::allreduce_", "communication"),
        ("gloo:all_reduce", "communication"),
        ("record_param_comms", "communication"),
        ("Torch-Compiled Region: 0/0", "fused"),
        ("MeanBackward0", "reduction"),
        ("aten::t", None),
        ("torch::autograd::AccumulateGrad", None),
        ("my_library::special", None),
    ],
)
def test_an_operation_has_its_class(name, kind):
    assert classes.of_operation(name) == kind
    assert kind is None or kind in classes.CLASSES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "communication"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64", "convolution"),
        ("void cudnn::cnn::wgrad_alg0_engine<float, 512, 6, 5, 3, 3, 3, false, 512>(int)", "convolution"),
        ("nvjet_hsh_128x256_64x4_2x1_v_bz_TNT", "matrix product"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x128_16x5_nn_align4>", "matrix product"),
        ("void at::native::(anonymous namespace)::max_pool_forward_nchw<float, float>(int)", "pool"),
        ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float>>", "reduction"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>", "copy"),
        ("void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl<tanh>>", "elementwise"),
        ("triton_red_fused_mean_mul_3", "fused"),
        ("Memcpy DtoD (Device -> Device)", "copy"),
        ("Memset (Device)", "copy"),
        ("my_kernel", "other"),
    ],
)
def test_a_kernel_goes_by_its_own_name_where_nothing_launched_it(name, kind):
    assert classes.of_kernel(name) == kind


def test_views_move_nothing():
    assert classes.moves_nothing("aten::as_strided")
    assert classes.moves_nothing("detach")
    assert not classes.moves_nothing("aten::copy_")


N = 1000
MB = N * N


def grid(dtype=torch.float32):
    return torch.ones(N, N, dtype=dtype)


def conv(**how):
    return nn.functional.conv3d(torch.ones(2, 3, 8, 8, 8), torch.ones(5, 3, 3, 3, 3), torch.ones(5), **how)


def sgd():
    parameters, gradients, momenta = ([torch.ones(7, 3), torch.ones(5)] for _ in range(3))
    how = {"weight_decay": 0, "momentum": 0.9, "lr": 0.1, "dampening": 0, "nesterov": False, "maximize": False}
    torch._fused_sgd_(parameters, gradients, momenta, **how, is_first_step=False)


def pooled_gradient():
    x = torch.ones(1, 2, 8, 8, 8, requires_grad=True)
    nn.functional.max_pool3d(x, 2).backward(torch.ones(1, 2, 4, 4, 4))


@pytest.mark.parametrize(
    ("name", "run", "expected"),
    [
        ("aten::add", lambda: grid() + grid(), 12 * MB),
        ("aten::add", lambda: grid() + torch.ones(N), 8 * MB + 4 * N),
        ("aten::relu_", lambda: grid().relu_(), 8 * MB),
        ("aten::relu", lambda: grid(torch.bfloat16).relu(), 4 * MB),
        ("aten::eq", lambda: grid() == grid(), 9 * MB),
        ("aten::sum", lambda: grid().sum(), 4 * MB),
        ("aten::to", lambda: grid().to(torch.bfloat16), 6 * MB),
        ("aten::to", lambda: grid().to(torch.float32), 0),
        ("aten::clone", lambda: grid().clone(), 8 * MB),
        ("aten::cat", lambda: torch.cat([torch.ones(10), torch.ones(6)]), None),
        ("aten::zero_", lambda: grid().zero_(), 4 * MB),
        ("aten::mm", lambda: torch.mm(torch.ones(10, 20), torch.ones(20, 30)), 4 * (200 + 600 + 300)),
        ("aten::bmm", lambda: torch.bmm(torch.ones(3, 10, 20), torch.ones(3, 20, 30)), 12 * (200 + 600 + 300)),
        ("aten::addmm", lambda: torch.addmm(torch.ones(30), torch.ones(10, 20), torch.ones(20, 30)), 4 * 1130),
        ("aten::linear", lambda: nn.functional.linear(torch.ones(4, 20), torch.ones(7, 20)), 4 * (80 + 140 + 28)),
        ("aten::conv3d", lambda: conv(), 4 * (3072 + 405 + 5 + 2 * 5 * 6**3)),
        ("aten::conv3d", lambda: conv(padding=1), 4 * (3072 + 405 + 5 + 2 * 5 * 8**3)),
        ("aten::conv3d", lambda: conv(padding="same"), 4 * (3072 + 405 + 5 + 2 * 5 * 8**3)),
        ("aten::conv3d", lambda: conv(stride=2), 4 * (3072 + 405 + 5 + 2 * 5 * 3**3)),
        ("aten::uniform_", lambda: grid().uniform_(), 4 * MB),
        ("aten::index_select", lambda: grid().index_select(0, torch.tensor([1, 2])), 16),
        ("aten::_fused_sgd_", sgd, 20 * 26),
        ("aten::max_pool3d_with_indices_backward", pooled_gradient, 4 * (128 + 1024) + 8 * 128 + 4 * 1024),
    ],
)
def test_least_bytes_of_real_operations(tmp_path, name, run, expected):
    """Inputs once and the output once, in numbers of 2, 4 or 8 bytes; nothing for what only changes its view."""
    with profiler.profile(record_shapes=True) as profiling:
        run()
    profiling.export_chrome_trace(str(tmp_path / "trace.json"))
    roots = tree.grow(trace.read(tmp_path / "trace.json"))
    nodes = [node for tops in roots.values() for node in tree.every(tops) if node.event.name == name]
    wholes = [node for node in nodes if node.whole is node]
    item_bytes = 4 if name == "aten::_fused_sgd_" else None
    assert traffic(wholes[-1], item_bytes) == expected
