"""torch's scaled_dot_product_attention with one backend at a time, so that none stands in for another.

Needs torch.
"""

import functools
import warnings
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from peers.batch import Batch
from peers.peer import Call, Skip


def prepare(backend: SDPBackend, batch: Batch) -> Call:
    workload = batch.workload
    if workload.window is not None or workload.softcap is not None or workload.alibi:
        raise Skip("takes no window, cap or bias without a tensor of the scores' size")
    if not workload.is_even:
        raise Skip("takes sequences of one length only")
    options = {"enable_gqa": workload.group > 1}
    if workload.needs_causal and workload.q_len == workload.longest:
        options["is_causal"] = True
    elif workload.needs_causal and backend == SDPBackend.FLASH_ATTENTION:
        options["attn_mask"] = causal_lower_right(workload.q_len, workload.longest)
    elif workload.needs_causal:
        raise Skip("its causal mask is aligned top-left: no appending")
    q, k, v = batch.heads_first()

    def run() -> torch.Tensor:
        with sdpa_kernel(backend):
            return scaled_dot_product_attention(q, k, v, **options)

    refuse_or_run(run)
    return Call(run, lambda out: out.transpose(1, 2))


def refuse_or_run(run: Callable[[], torch.Tensor]) -> None:
    """Skips with what torch warns about where the backend does not take the shape."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run()
        except RuntimeError as error:
            if "No available kernel" not in str(error):
                raise
            reasons = [str(each.message).split(" (Triggered")[0] for each in caught]
            raise Skip("not taken: " + ("; ".join(reasons) or str(error))) from None


prepare_cudnn = functools.partial(prepare, SDPBackend.CUDNN_ATTENTION)
prepare_flash = functools.partial(prepare, SDPBackend.FLASH_ATTENTION)
