"""Who is timed: each name, how it is made, and which package it comes from. Made late, in a process of its own.

A peer has a `version` and some of these calls, each of which is one run of a workload:
`a(trace)`, `b(prompts, appended)`, `prompts(prompts, pool)`.
"""

import importlib.metadata
from collections.abc import Callable


def version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def vllm(hash_name: str | None) -> Callable[[], object]:
    def make() -> object:
        from cache_peers.vllm_peer import Vllm
        return Vllm(hash_name)
    return make


def sglang() -> object:
    from cache_peers.sglang_peer import Sglang
    return Sglang()


def sglang_rust_tree() -> object:
    from cache_peers.sglang_tree_peer import SglangTree
    return SglangTree()


# The default hash, the fastest one, and none.
PEERS: dict[str, Callable[[], object]] = {
    "vllm": vllm("sha256"),
    "vllm-xxhash": vllm("xxhash"),
    "vllm-no-prefix-caching": vllm(None),
    "sglang": sglang,
    "sglang-rust-tree": sglang_rust_tree,
}
