"""One peer on one workload, on a GPU with timings or on a processor without. Needs torch."""

import gc

import torch

from peers import timing
from peers.batch import Batch
from peers.check import check
from peers.peer import Peer, Skip
from peers.rows import Measured
from peers.workload import Workload, one_line


class DeviceLost(Exception):
    """The device takes no more work from this process, as after an illegal access. Carries the row."""

    def __init__(self, row: Measured) -> None:
        super().__init__(row.error)
        self.row = row


class Session:
    """A device, and the batch that is on it: all peers of a workload get the same tensors."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.on_gpu = device.type == "cuda"
        self.flush = timing.Flush(device) if self.on_gpu else None
        self.batch: Batch | None = None
        torch.set_grad_enabled(False)

    def tensors(self, workload: Workload) -> Batch:
        if self.batch is None or self.batch.workload != workload:
            self.release()
            self.batch = Batch(workload, self.device)
        return self.batch

    def release(self) -> None:
        """Gives back the batch and what earlier calls left in caches."""
        self.batch = None
        self.tidy()

    def tidy(self) -> None:
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()

    def run(self, peer: Peer, workload: Workload) -> Measured:
        """What came of it, whatever it is; raises only where nothing more can run here."""
        row = Measured(peer.who, workload)
        try:
            self.fill(row, peer)
        except Skip as skip:
            row.skipped = one_line(str(skip))
        except torch.OutOfMemoryError as error:
            row.error = one_line(f"out of memory: {error}")
        except Exception as error:
            row.error = one_line(f"{type(error).__name__}: {error}")
        try:
            # What a failed call left in its frames is gone by now.
            self.tidy()
            if self.on_gpu:
                torch.cuda.synchronize()
        except Exception:
            row.error = row.error or "the device was lost after it"
            raise DeviceLost(row) from None
        return row

    def fill(self, row: Measured, peer: Peer) -> None:
        if row.workload.kv_dtype:
            raise Skip(f"keys and values of {row.workload.kv_dtype}: no peer is written for a cache of another type")
        batch = self.tensors(row.workload)
        call = peer.load()(batch)
        if not self.on_gpu:
            row.right, row.checked = check(batch, call.rows(call.run()))
            return
        timed = timing.measure(call, self.flush)
        row.median_us, row.p10_us, row.p90_us = timed.median_us, timed.p10_us, timed.p90_us
        row.samples, row.method = timed.samples, timed.method
        row.right, row.checked = check(batch, call.rows(timed.result))
