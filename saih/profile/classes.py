"""Classes of operations and kernels, by their names. Pure.

The name of an operation of torch is the most reliable ("aten::cudnn_convolution"). Kernels are classified by the
operation that launched them, and by their own names if it is unknown.
"""

from __future__ import annotations

import re

CLASSES = (
    "convolution",
    "matrix product",
    "pool",
    "elementwise",
    "reduction",
    "copy",
    "random",
    "attention",
    "normalisation",
    "embedding",
    "optimiser",
    "fused",
    "communication",
    "other",
)
WHOLE = ("convolution", "matrix product", "pool", "attention", "normalisation", "embedding", "optimiser")
"""Classes whose operations consist of smaller ones, which count as parts of them."""
APART = ("aten::_to_copy", "aten::add_")
"""Operations inside those that are counted separately: a change of type (autocast), and the addition of a bias."""

_COMMUNICATION = re.compile(r"^(c10d::|gloo:|nccl:|mpi:|ucc:|record_param_comms|_c10d_functional)")
_FUSED = re.compile(r"^(triton_|Torch-Compiled Region|CompiledFunction|CompiledFxGraph|## Call|cpp_fused|graph_\d)")
_PATTERNS = (
    ("attention", r"attention|flash_attn"),
    ("convolution", r"conv(olution|\d|_|$)"),
    ("pool", r"pool"),
    ("normalisation", r"(batch|layer|group|instance|rms)_?norm"),
    ("embedding", r"embedding"),
    ("optimiser", r"^_fused_(sgd|adam|adamw|adagrad)$"),
    ("random", r"dropout|^(log_)?normal$|^rand|^(uniform|bernoulli|poisson|exponential|multinomial)$"),
    ("matrix product", r"^(\w*_)?(mm|bmm|addmm|baddbmm|addbmm|matmul|linear|mv|addmv|dot|vdot|einsum|gemm)$"),
    ("reduction", r"softmax|_loss(_nd|2d)?$|^cross_entropy"),
    ("copy", r"^_?(\w*to_copy|local_scalar_dense|index_put_impl)$"),
    ("elementwise", r"^_?amp_|^(bitwise|logical)_"),
)
_NAMED = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS)
_WORDS = {
    "copy": """
        to copy clone contiguous cat stack pin_memory fill zero zeros ones full zeros_like ones_like full_like new_zeros
        new_ones new_full gather scatter scatter_add index index_select index_put index_add roll flip repeat pad
        constant_pad_nd arange tril triu item
    """,
    "reduction": """
        sum nansum mean max amax min amin aminmax prod std var std_mean var_mean norm linalg_vector_norm argmax argmin
        any all cumsum cumprod logsumexp topk sort median count_nonzero bincount histc trace
    """,
    "elementwise": """
        add sub rsub mul mul_out div true_divide floor_divide pow exp expm1 log log1p log2 log10 sqrt rsqrt square tanh
        sigmoid log_sigmoid relu relu6 leaky_relu prelu gelu silu mish elu selu celu glu hardtanh hardsigmoid hardswish
        softplus softsign threshold clamp clamp_min clamp_max clip neg abs sign sgn where eq ne lt le gt ge lerp addcmul
        addcdiv reciprocal round floor ceil trunc frac remainder fmod sin cos tan asin acos atan atan2 sinh cosh erf
        erfc maximum minimum fmax fmin masked_fill isfinite isnan isinf xlogy nan_to_num
    """,
    "view": """
        empty empty_like empty_strided new_empty new_empty_strided resize as_strided view _unsafe_view _reshape_alias
        expand expand_as t transpose permute detach narrow slice select squeeze unsqueeze alias set resolve_conj
        resolve_neg broadcast_tensors movedim flatten unflatten reshape split split_with_sizes chunk unbind unfold
        view_as result_type lift_fresh is_pinned real diagonal
    """,
}
_BY_WORD = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_NODE = re.compile(r"^(autograd::engine::evaluate_function: )?(torch::autograd::)?(\w*?)(Backward\d*|AccumulateGrad)$")
_KERNELS = (
    ("communication", r"nccl|rccl|oneccl|allreduce|all_reduce"),
    ("fused", r"^triton_"),
    ("attention", r"flash|fmha|attention"),
    ("pool", r"pool"),
    ("normalisation", r"batch_?norm|layer_?norm|group_?norm|bn_fw|bn_bw"),
    ("embedding", r"embedding"),
    ("random", r"dropout|philox|distribution_|curand"),
    ("optimiser", r"fused(sgd|adam|adagrad)|fused_(sgd|adam)"),
    ("convolution", r"conv|implicit_gemm|implicit_con|dgrad|wgrad|fprop|winograd|cudnn|im2col|vol2col|col2im|miopen"),
    ("matrix product", r"gemm|gemv|cublas|xmma|cutlass|cijk_|splitk|dot_kernel|nvjet"),
    ("reduction", r"reduce|softmax|cunn_"),
    ("copy", r"copy|memcpy|memset|fill|catarray|gather|scatter|index|nchw|nhwc|transpose|permute"),
    ("elementwise", r"elementwise|multi_tensor|pointwise|activation"),
)
_KERNEL_NAMED = tuple((name, re.compile(pattern)) for name, pattern in _KERNELS)


def of_operation(name: str) -> str | None:
    """Return the class of an operation of torch; None if only the operations inside it determine it."""
    if _COMMUNICATION.match(name):
        return "communication"
    if _FUSED.match(name):
        return "fused"
    core = _core(name)
    known = _BY_WORD.get(core)
    if known is not None:
        return None if known == "view" else known
    return next((kind for kind, pattern in _NAMED if pattern.search(core)), None)


def of_kernel(name: str) -> str:
    """Return the class of a device's kernel, copy or memory set by its own name."""
    lower = name.lower()
    return next((kind for kind, pattern in _KERNEL_NAMED if pattern.search(lower)), "other")


def is_node(name: str) -> bool:
    """True if the name is of a node of the backward graph (or the engine's call of it), which only calls operations."""
    return _NODE.match(name) is not None


def moves_nothing(name: str) -> bool:
    """True if the operation is a view, or allocates memory without touching it."""
    return _BY_WORD.get(_core(name)) == "view"


def _core(name: str) -> str:
    """Return the bare name.

    "aten::leaky_relu_" -> leaky_relu, "AddmmBackward0" -> addmm, "aten::_foreach_mul_" -> mul.
    """
    node = _NODE.match(name)
    if node:
        words = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", node.group(3))
        return words.lower()
    bare = name.rpartition("::")[2]
    bare = re.sub(r"^_(foreach|softmax|log_softmax)", r"\1", bare).removeprefix("foreach_")
    return re.sub(r"_backward(_data|_input|_weight)?$", "", bare).rstrip("_")
