"""SGLang's cache, called as its server calls it: its default tree, its paged allocator and its rows, on the processor.

A prompt is one request that ends with its first token: the longest prefix that is cached is looked up and locked, pages
for the rest are allocated and written to the request's row, and when it is released the tree keeps what it can key.
"""

from array import array

from cache_peers.peer import version_of
from cache_peers.streams import A_POOL, B_POOL, BLOCK_SIZE, blocks_of
from cache_peers.timing import Run, clock, hold, rss_mib

CONTEXT = 8_192


class Sglang:
    version = version_of("sglang")

    def __init__(self) -> None:
        import torch
        from sglang.srt.managers import schedule_batch
        from sglang.srt.mem_cache import allocation, common
        from sglang.srt.mem_cache.allocator.paged import PagedTokenToKVPoolAllocator
        from sglang.srt.mem_cache.cache_init_params import CacheInitParams
        from sglang.srt.mem_cache.memory_pool import ReqToTokenPool
        from sglang.srt.mem_cache.unified_cache.component_type import ComponentType
        from sglang.srt.mem_cache.unified_radix_cache import UnifiedRadixCache
        from sglang.srt.sampling.sampling_params import SamplingParams
        from sglang.srt.runtime_context import publish
        from sglang.srt.server_args import ServerArgs

        torch.set_num_threads(1)
        publish(ServerArgs(model_path="none", device="cpu", page_size=BLOCK_SIZE), role="scheduler")
        self.torch, self.allocation, self.common = torch, allocation, common
        self.request_type, self.ended = schedule_batch.Req, schedule_batch.FINISH_LENGTH
        self.allocator_type, self.rows_type = PagedTokenToKVPoolAllocator, ReqToTokenPool
        self.params, self.tree_type, self.full = CacheInitParams, UnifiedRadixCache, ComponentType.FULL
        self.sampling = SamplingParams(max_new_tokens=1)

    def _allocator(self, pool: int):
        return self.allocator_type(pool * BLOCK_SIZE, BLOCK_SIZE, self.torch.float16, "cpu", None, need_sort=False)

    def _tree(self, pool: int, requests: int):
        rows = self.rows_type(requests, CONTEXT, "cpu", enable_memory_saver=False)
        return self.tree_type(self.params(
            disable=False, req_to_token_pool=rows, token_to_kv_pool_allocator=self._allocator(pool),
            page_size=BLOCK_SIZE, tree_components=(self.full,)))

    def a(self, trace: list[int]) -> Run:
        run, before = Run(), rss_mib()
        allocator = self._allocator(A_POOL)
        live, ops = [], 0
        with clock(run, before):
            for step in trace:
                if step >= 0:
                    tokens = allocator.alloc(step * BLOCK_SIZE)
                    live.append(tokens)
                    ops += step
                else:
                    j = -1 - step
                    tokens = live[j]
                    live[j] = live[-1]
                    live.pop()
                    allocator.free_segment(tokens, start_pos=0)
                    ops += len(tokens) // BLOCK_SIZE
        run.ops = ops
        hold("free and live tokens", allocator.available_size() + sum(map(len, live)), A_POOL * BLOCK_SIZE)
        return run

    def _extend(self, tree, request, length: int) -> None:
        """Pages for what is not cached, and the whole prompt's places in the request's row."""
        torch, cached = self.torch, request.prefix_len
        prefix = tree.prefix_device_indices(request)
        prefix_lens, seq_lens = torch.tensor([cached]), torch.tensor([length])
        last = prefix[-1:] if cached else torch.full((1,), -1)
        places = self.allocation.alloc_paged_token_slots_extend(
            tree, prefix_lens, prefix_lens, seq_lens, seq_lens, last, length - cached)
        [row] = tree.req_to_token_pool.alloc([request])
        tree.req_to_token_pool.write((row, slice(0, cached)), prefix)
        tree.req_to_token_pool.write((row, slice(cached, length)), places)
        request.kv.kv_allocated_len = request.kv.kv_committed_len = length

    def prompts(self, prompts: list[list[int]], pool: int) -> Run:
        tokens = [array("q", prompt) for prompt in prompts]
        run, before = Run(), rss_mib()
        tree, hits = self._tree(pool, requests=1), 0
        with clock(run, before):
            for p, prompt in enumerate(tokens):
                length = len(prompt)
                request = self.request_type(str(p), "", prompt, self.sampling)
                self.common.match_kv_cache(request, tree, max_prefix_len=length - 1)
                hits += request.prefix_len
                request.lock = tree.lock(request.last_node)
                request.kv.cache_protected_len = request.prefix_len
                self._extend(tree, request, length)
                request.finished_reason = self.ended(1)
                self.common.release_kv_cache(request, tree, checkpoint=True)
        run.ops, run.hit_tokens = len(prompts), hits
        available = tree.token_to_kv_pool_allocator.available_size()
        hold("free and cached tokens", available + tree.evictable_size(), pool * BLOCK_SIZE)
        return run

    def b(self, prompts: list[list[int]], appended: list[list[int]]) -> Run:
        """One call a step for all sequences. What the server counts for each request and step is counted once at the end,
        which is in its favour."""
        torch = self.torch
        run, before = Run(), rss_mib()
        tree = self._tree(B_POOL, requests=len(prompts))
        requests = []
        for i, prompt in enumerate(prompts):
            request = self.request_type(str(i), "", array("q", prompt), self.sampling)
            self.common.match_kv_cache(request, tree, max_prefix_len=len(prompt) - 1)
            request.lock = tree.lock(request.last_node)
            self._extend(tree, request, len(prompt))
            requests.append(request)
        rows = torch.tensor([request.kv.req_pool_idx for request in requests])
        lens, steps = torch.tensor([len(prompt) for prompt in prompts]), len(appended[0])
        outputs = [array("q", tokens) for tokens in appended]
        table, allocator = tree.req_to_token_pool, tree.token_to_kv_pool_allocator
        with clock(run, before):
            for _ in range(steps):
                last = table.req_to_token[rows, lens - 1]
                places = lens.clone()
                lens = lens + 1
                got = self.allocation.alloc_paged_token_slots_decode(tree, lens, lens, last)
                table.write((rows, places), got.to(torch.int32))
            used = B_POOL - allocator.available_size() // BLOCK_SIZE
            for request, ids in zip(requests, outputs):
                request.output_ids.extend(ids)
                request.kv.kv_allocated_len += steps
                request.kv.kv_committed_len += steps
                request.finished_reason = self.ended(steps)
                self.common.release_kv_cache(request, tree, checkpoint=True)
        run.ops = steps * len(requests)
        hold("blocks at the end", used, sum(blocks_of(len(prompt) + steps) for prompt in prompts))
        hold("free and cached tokens", allocator.available_size() + tree.evictable_size(), B_POOL * BLOCK_SIZE)
        return run
