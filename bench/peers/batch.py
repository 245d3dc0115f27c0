"""The tensors of a batch, made on the device, and views of them in the layouts that peers take.

Needs torch.
"""

import torch

from peers.peer import Skip
from peers.workload import Workload

DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16}


class Batch:
    """Queries, and keys and values either dense or in the blocks of a pool.

    | tensor | shape |
    |---|---|
    | `q` | `[batch, q_len, heads, head_dim]` |
    | `k`, `v`, dense | `[batch, longest, kv_heads, head_dim]` |
    | `k`, `v`, paged | `[blocks, block_size, kv_heads, head_dim]` (NHD) |
    | `block_table`, paged | `[batch, blocks of the longest]`, i32 |
    | `kv_lens` | `[batch]`, i32 |
    | `slopes` | `[heads]`, f32 |

    All are standard normal, keys past a sequence's end too: a peer that counts them gives a wrong result.
    """

    def __init__(self, workload: Workload, device: torch.device, seed: int = 0) -> None:
        self.workload = workload
        self.device = device
        self.dtype = DTYPES[workload.dtype]
        self.scale = workload.head_dim ** -0.5
        self.multiprocessors = 4
        if device.type == "cuda":
            self.multiprocessors = torch.cuda.get_device_properties(device).multi_processor_count
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.q = self.normal(workload.batch, workload.q_len, workload.heads, workload.head_dim)
        self.kv_lens = torch.tensor(workload.kv_lens, dtype=torch.int32, device=device)
        # ALiBi's own: a geometric series over the heads.
        heads = torch.arange(1, workload.heads + 1, dtype=torch.float32, device=device)
        self.slopes = torch.exp2(-8.0 * heads / workload.heads)
        self.block_table: torch.Tensor | None = None
        if workload.block_size is None:
            shape = (workload.batch, workload.longest, workload.kv_heads, workload.head_dim)
        else:
            self.block_table, blocks = self.shuffled_blocks(workload.block_size)
            shape = (blocks, workload.block_size, workload.kv_heads, workload.head_dim)
        self.k, self.v = self.normal(*shape), self.normal(*shape)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device, dtype=self.dtype)

    def shuffled_blocks(self, block_size: int) -> tuple[torch.Tensor, int]:
        """A table that gives each sequence blocks from all over the pool, and how many there are."""
        counts = [-(-length // block_size) for length in self.workload.kv_lens]
        order = torch.randperm(sum(counts), generator=self.generator, device=self.device).to(torch.int32)
        table = torch.zeros(len(counts), max(counts), dtype=torch.int32, device=self.device)
        first = 0
        for row, count in enumerate(counts):
            table[row, :count] = order[first : first + count]
            first += count
        return table, sum(counts)

    def sequence(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of one sequence, `[kv_len, kv_heads, head_dim]`."""
        length = self.workload.kv_lens[index]
        if self.block_table is None:
            return self.k[index, :length], self.v[index, :length]
        blocks = self.block_table[index, : -(-length // self.workload.block_size)].long()
        return self.k[blocks].flatten(0, 1)[:length], self.v[blocks].flatten(0, 1)[:length]

    def dense(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values as `[batch, longest, kv_heads, head_dim]`: of a paged batch a copy."""
        if self.block_table is None:
            return self.k, self.v
        if not self.workload.is_even:
            raise Skip("needs a contiguous cache of sequences of one length")
        pairs = [self.sequence(index) for index in range(self.workload.batch)]
        return torch.stack([k for k, _ in pairs]), torch.stack([v for _, v in pairs])

    def heads_first(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Contiguous q, k and v as `[batch, heads, length, head_dim]`."""
        k, v = self.dense()
        return tuple(each.transpose(1, 2).contiguous() for each in (self.q, k, v))

    def pages(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pool of keys, pool of values and table; of a dense batch each sequence is one large block."""
        if self.block_table is not None:
            return self.k, self.v, self.block_table
        own = torch.arange(self.workload.batch, dtype=torch.int32, device=self.device)
        return self.k, self.v, own[:, None]

    def starts(self, lengths: list[int]) -> torch.Tensor:
        """Where each of several runs begins and the last ends, i32: `[0, a, a + b, ...]`."""
        sums = [0]
        for length in lengths:
            sums.append(sums[-1] + length)
        return torch.tensor(sums, dtype=torch.int32, device=self.device)

    def ragged(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """q, k and v without gaps, one sequence after another: `[tokens, heads, head_dim]`."""
        pairs = [self.sequence(index) for index in range(self.workload.batch)]
        k, v = torch.cat([k for k, _ in pairs]), torch.cat([v for _, v in pairs])
        return self.q.flatten(0, 1), k, v

    def poisoned(self) -> torch.Tensor:
        """An output, `[batch, q_len, heads, head_dim]`, of NaN: what is not written shows."""
        return torch.full_like(self.q, float("nan"))
