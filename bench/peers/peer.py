"""What a peer is: a name, the package it needs, and how it is brought to run a batch. Needs no torch."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Skip(Exception):
    """Why a peer does not take a batch; no failure."""


@dataclass
class Call:
    """A batch that a peer is ready to compute.

    `run` computes it and gives the peer's own output tensor; `rows` views that as `[batch, q_len, heads,
    head_dim]`. Where `run` writes into a tensor that was made beforehand, `out` is that tensor.
    """

    run: Callable[[], Any]
    rows: Callable[[Any], Any]
    out: Any = None


@dataclass(frozen=True)
class Peer:
    """An implementation: `module` has the function that `prepare` names, of a batch to a Call or a Skip."""

    who: str
    module: str
    prepare: str
    package: str
    on_cpu: bool
    about: str

    def why_not_importable(self) -> str | None:
        """Why its package cannot be used; None where it can."""
        try:
            importlib.import_module(self.package)
        except ModuleNotFoundError as error:
            if error.name == self.package.split(".")[0]:
                return f"{error.name} is not installed"
            return f"{self.package} does not import: {error}"
        except Exception as error:  # A package built for another torch fails in ways of its own.
            return f"{self.package} does not import: {type(error).__name__}: {error}"
        return None

    def load(self) -> Callable[[Any], Call]:
        return getattr(importlib.import_module(f"peers.{self.module}"), self.prepare)


#: In the order in which they are timed: those that are the hardest to beat first.
PEERS = [
    Peer("sdpa-cudnn", "scaled_dot_product", "prepare_cudnn", "torch", False, "torch SDPA, cuDNN backend"),
    Peer("fa3", "flash_attention", "prepare_fa3", "flash_attn_interface", False, "FlashAttention-3"),
    Peer("fa3-fwd", "flash_attention", "prepare_fa3_fwd", "fa3_fwd_interface", False, "FlashAttention-3, no pages"),
    Peer("flashinfer", "flash_infer", "prepare", "flashinfer", False, "FlashInfer"),
    Peer("triton", "triton_peer", "prepare", "triton", True, "our plain Triton kernels"),
    Peer("sdpa-flash", "scaled_dot_product", "prepare_flash", "torch", False, "torch SDPA, flash backend"),
    Peer("flex", "flex", "prepare", "torch", True, "torch FlexAttention, compiled; paged: PagedAttention"),
    Peer("fa2", "flash_attention", "prepare_fa2", "flash_attn", False, "FlashAttention-2"),
    Peer("naive", "naive", "prepare", "torch", True, "matmul, softmax, matmul"),
]
