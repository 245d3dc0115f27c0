"""Makes oracle cases: `make.py OUT [--only TEXT] [--share K/N] [--committed] [--jobs N] [--verbose]`, or `make.py OUT --cuda`.

Every kernel of `triton_kernels/` for each of its targets, as a folder `NAME_smXX` of OUT; with `--cuda` every source
of `cuda_kernels/` instead, compiled by the nvcc that `NVCC` names, as `cuda_NAME_smXX`. All of the latter and the
former's `COMMITTED` lie in `cases/`. With `--share 1/3` one case in three is made, the second third by a hash of their names.
"""

import argparse
import importlib
import multiprocessing
import sys
import time
import traceback
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

# Small ones, so that a machine without Python tests each of these too.
COMMITTED = {
    "vector_add_sm80", "convert_bf16_e5m2_sm80", "philox_sm80", "chained_scan_sm90", "layer_norm_backward_f16_sm80",
    "matmul_m16_w1_sm80", "matmul_n8_sm90", "copies_that_arrive_sm90", "wgmma_f16_s32_nn_sm90",
    "wgmma_f16_s64_tn_sm90", "wgmma_i8_s32_sm90", "wgmma_f32_s32_sm90", "map_tile_f16_s32_x2_sm90",
    "tma_copy_f16_32_sm90", "tma_cube_sm90", "tma_row_sm90",
}


def modules():
    return sorted(path.stem for path in (HERE / "triton_kernels").glob("*.py"))


def kernels(module):
    return importlib.import_module(f"triton_kernels.{module}").kernels()


def jobs(only):
    """(module, index, target, name) of what is to be made."""
    found = []
    for module in modules():
        for index, kernel in enumerate(kernels(module)):
            for target in kernel.targets:
                name = f"{kernel.name}_sm{target}"
                if only is None or any(text in name for text in only):
                    found.append((module, index, target, name))
    names = [job[3] for job in found]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    return found


LOADED = {}


def make(job):
    module, index, target, name, out = job
    started = time.time()
    try:
        if module not in LOADED:
            LOADED[module] = list(kernels(module))
        LOADED[module][index].write(Path(out) / name, target)
        return name, time.time() - started, None
    except Exception:
        return name, time.time() - started, traceback.format_exc()


def cuda(options):
    for build in importlib.import_module("cuda_cases").CASES:
        case = build()
        name = f"cuda_{case.name}_sm{case.target.strip('sm_a')}"
        if options.only is None or any(text in name for text in options.only):
            case.write(Path(options.out) / name)
            print(name, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--only", action="append")
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--committed", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    options = parser.parse_args()
    if options.cuda:
        return cuda(options)
    turn, shares = (int(number) for number in options.share.split("/"))
    is_wanted = lambda name: zlib.crc32(name.encode()) % shares == turn and (not options.committed or name in COMMITTED)
    todo = [(*job, options.out) for job in jobs(options.only) if is_wanted(job[3])]
    started, failed = time.time(), 0
    # Triton keeps tables that depend on the first target that a process compiled for: each target has its own.
    for target in sorted({job[2] for job in todo}):
        with multiprocessing.Pool(options.jobs) as pool:
            for name, seconds, error in pool.imap_unordered(make, [job for job in todo if job[2] == target]):
                if error:
                    failed += 1
                    print(f"FAILED {name}\n{error}", flush=True)
                elif options.verbose:
                    print(f"{name} {seconds:.2f}s", flush=True)
    print(f"{len(todo) - failed} cases made, {failed} failed, {time.time() - started:.1f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
