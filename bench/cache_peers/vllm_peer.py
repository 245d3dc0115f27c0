"""vLLM's v1 cache manager, called as its scheduler calls it; no GPU and no model take part.

A prompt is one request: its blocks are hashed as it is made, the longest prefix that is cached is looked up, slots for
the rest are allocated, and it is freed. A is the block pool alone.
"""

from cache_peers.peer import version_of
from cache_peers.streams import A_POOL, B_POOL, BLOCK_SIZE, blocks_of
from cache_peers.timing import Run, clock, hold, rss_mib


class Vllm:
    """With prefix caching as it is by default (`sha256`), with another hash, or without (`None`)."""

    version = version_of("vllm")

    def __init__(self, hash_name: str | None = "sha256") -> None:
        import torch
        from vllm.sampling_params import SamplingParams
        from vllm.utils.hashing import get_hash_fn_by_name
        from vllm.v1.core.block_pool import BlockPool
        from vllm.v1.core.kv_cache_manager import KVCacheManager
        from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
        from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
        from vllm.v1.request import Request

        torch.set_num_threads(1)
        self.caching = hash_name is not None
        self.block_hasher = None
        if hash_name is not None:
            hash_fn = get_hash_fn_by_name(hash_name)
            init_none_hash(hash_fn)
            self.block_hasher = get_request_block_hasher(BLOCK_SIZE, hash_fn)
        self.block_pool, self.manager, self.request_type = BlockPool, KVCacheManager, Request
        self.group = KVCacheGroupSpec(["layer"], FullAttentionSpec(
            block_size=BLOCK_SIZE, num_kv_heads=1, head_size=16, dtype=torch.float16))
        self.config = KVCacheConfig
        self.sampling = SamplingParams(max_tokens=4_096)

    def _manager(self, pool: int):
        # One block of a pool is the null block, which nobody gets.
        config = self.config(num_blocks=pool + 1, kv_cache_tensors=[], kv_cache_groups=[self.group])
        return self.manager(config, max_model_len=8_192, scheduler_block_size=BLOCK_SIZE,
                            hash_block_size=BLOCK_SIZE, enable_caching=self.caching)

    def _request(self, name: str, prompt: list[int]):
        return self.request_type(name, prompt, self.sampling, None, block_hasher=self.block_hasher)

    def a(self, trace: list[int]) -> Run:
        run, before = Run(), rss_mib()
        pool = self.block_pool(A_POOL + 1, enable_caching=self.caching, hash_block_size=BLOCK_SIZE)
        live, ops = [], 0
        with clock(run, before):
            for step in trace:
                if step >= 0:
                    blocks = pool.get_new_blocks(step)
                    live.append(blocks)
                    ops += step
                else:
                    j = -1 - step
                    blocks = live[j]
                    live[j] = live[-1]
                    live.pop()
                    pool.free_blocks(blocks)
                    ops += len(blocks)
        run.ops = ops
        hold("free and live blocks", pool.get_num_free_blocks() + sum(map(len, live)), A_POOL)
        return run

    def b(self, prompts: list[list[int]], appended: list[list[int]]) -> Run:
        run, before = Run(), rss_mib()
        manager = self._manager(B_POOL)
        requests = [self._request(str(i), prompt) for i, prompt in enumerate(prompts)]
        for request in requests:
            hold("slots for a prompt", manager.allocate_slots(request, request.num_tokens) is not None, True)
            request.num_computed_tokens = request.num_tokens
        steps = len(appended[0])
        with clock(run, before):
            for s in range(steps):
                for request, tokens in zip(requests, appended):
                    request.append_output_token_ids(tokens[s])
                    if manager.allocate_slots(request, 1) is None:
                        raise MemoryError("the pool is empty")
                    request.num_computed_tokens += 1
            used = B_POOL - manager.block_pool.get_num_free_blocks()
            for request in requests:
                manager.free(request)
        run.ops = steps * len(requests)
        hold("blocks at the end", used, sum(blocks_of(len(prompt) + steps) for prompt in prompts))
        hold("free blocks", manager.block_pool.get_num_free_blocks(), B_POOL)
        return run

    def prompts(self, prompts: list[list[int]], pool: int) -> Run:
        run, before = Run(), rss_mib()
        manager = self._manager(pool)
        hits = 0
        with clock(run, before):
            for p, prompt in enumerate(prompts):
                request = self._request(str(p), prompt)
                computed, count, _ = manager.get_computed_blocks(request)
                if manager.allocate_slots(request, len(prompt) - count, count, computed) is None:
                    raise MemoryError("the pool is empty")
                hits += count
                manager.free(request)
        run.ops, run.hit_tokens = len(prompts), hits
        hold("free blocks", manager.block_pool.get_num_free_blocks(), pool)
        return run
