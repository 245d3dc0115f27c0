"""The core of SGLang's tree, written in Rust, called directly through its own binding: no allocator and no requests.

A prompt is a match, a lock, an eviction of what its new pages need where the pool is full, an insert, and an unlock. The
pages are numbers that nobody allocates; what the tree holds is counted, and is never more than the pool.
"""

from array import array

from cache_peers.peer import version_of
from cache_peers.streams import BLOCK_SIZE
from cache_peers.timing import Run, clock, hold, rss_mib

FULL = 0


class SglangTree:
    version = version_of("sglang")

    def __init__(self) -> None:
        import torch
        from sglang.srt.mem_cache.rust_tree_core.extension import bindings

        torch.set_num_threads(1)
        self.torch, self.bindings = torch, bindings

    def prompts(self, prompts: list[list[int]], pool: int) -> Run:
        bindings = self.bindings
        tokens = [array("q", prompt) for prompt in prompts]
        places = self.torch.arange(max(map(len, prompts)), dtype=self.torch.int64)
        run, before = Run(), rss_mib()
        tree = bindings.RustUnifiedTreeCoreBinding(
            bindings.TreeCoreInitParamsBinding(eviction_policy="lru", page_size=BLOCK_SIZE, device="cpu"), [FULL])
        hits, room = 0, pool * BLOCK_SIZE
        with clock(run, before):
            for prompt in tokens:
                length = len(prompt)
                # The last token is computed, so it is not looked for.
                found = tree.match_prefix(bindings.MatchParamsBinding(key=prompt[:length - 1]))
                cached, node = found.device_prefix_len, found.last_device_node_id
                hits += cached
                lock = tree.inc_lock_ref(node, [])
                need = -(-length // BLOCK_SIZE) * BLOCK_SIZE - cached
                if need > room:
                    room += self._evict(tree, need - room)
                whole = length // BLOCK_SIZE * BLOCK_SIZE
                held = tree.insert(bindings.InsertParamsBinding(
                    key=prompt[:whole], value=places[:whole], prev_prefix_len=cached))
                room -= whole - held.prefix_len
                tree.dec_lock_ref(node, bindings.DecLockRefParamsBinding(node_id=lock.node_id))
        run.ops, run.hit_tokens = len(prompts), hits
        hold("room and cached tokens", room + tree.evictable_size(), pool * BLOCK_SIZE)
        return run

    def _evict(self, tree, tokens: int) -> int:
        """Leaves, the least recently used first, until there is so much room."""
        freed: dict[int, int] = {}
        total = 0
        tree.evict_device_start(FULL, tokens)
        while total < tokens:
            step = tree.evict_device_next_node(FULL, freed)
            node = step.node_id
            total += step.tracker.get(FULL, 0)
            if node is not None:
                leaf = tree.evict_device_leaf(node)
                total += leaf.tracker.get(FULL, 0)
            elif not step.made_progress:
                break
            freed = {FULL: total}
        tree.evict_device_end(FULL)
        return total
