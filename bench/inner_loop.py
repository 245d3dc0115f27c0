#!/usr/bin/env python3
"""The machine code of the main loops: what a score costs beside its tensor-core work.

    python3 bench/inner_loop.py [kgen arguments of one kernel ...]

Emits each kernel with kgen, assembles it with ptxas and reads the result with nvdisasm (both from the CUDA
toolkit, or from the PyPI packages nvidia-cuda-nvcc and nvidia-cuda-nvdisasm; on the path, or named in PTXAS
and NVDISASM). For every loop that holds tensor-core instructions it prints

    scores    scores of a tile that one thread holds, from the loop's own products
    static    instructions of the loop that are no products, per score
    executed  the same without what a forward branch inside the loop can jump over: the accumulator's rescale
              while no row maximum grows

A loop of a kernel with a mask stands once for boundary tiles and once for tiles inside; the last column says
which by the number of selects.
"""

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

KERNELS = [
    "attention --head-dim 128",
    "causal_attention --head-dim 128",
    "sliding_window_attention --head-dim 128",
    "paged_full_attention --head-dim 128 --block-size 16",
    "paged_attention --head-dim 128 --block-size 16",
    "attention --head-dim 64",
    "causal_attention --head-dim 64",
    "paged_attention --head-dim 64 --block-size 16",
]


def tool(name, variable):
    path = os.environ.get(variable) or shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not on the path: install the CUDA toolkit, or name it in {variable}")
    return path


def instructions(cubin):
    """The instructions in order, and where each label stands."""
    text = subprocess.run([tool("nvdisasm", "NVDISASM"), "-c", cubin], check=True, capture_output=True, text=True)
    found, labels = [], {}
    for line in text.stdout.splitlines():
        if label := re.match(r"^(\.L_x_\d+):", line):
            labels[label.group(1)] = len(found)
        elif instruction := re.search(r"/\*[0-9a-f]{4,}\*/\s+(.*?);", line):
            found.append(instruction.group(1).strip())
    return found, labels


def opcode(instruction):
    return re.sub(r"^@!?U?P\w+\s+", "", instruction).split()[0].split(".")[0]


def loops(found, labels):
    """(first, last) of each loop: a branch to a label before it."""
    for index, instruction in enumerate(found):
        if branch := re.search(r"\bBRA\b.*?(\.L_x_\d+)", instruction):
            if labels.get(branch.group(1), len(found)) <= index:
                yield labels[branch.group(1)], index


def skippable(found, labels, first, last):
    """Instructions that conditional forward branches within the loop can jump over."""
    skipped = 0
    for index in range(first, last + 1):
        branch = re.search(r"^@\S+\s+BRA\b.*?(\.L_x_\d+)", found[index])
        if branch and index < labels.get(branch.group(1), 0) <= last:
            skipped += labels[branch.group(1)] - index - 1
    return skipped


def measure(arguments):
    head_dim = int(re.search(r"--head-dim (\d+)", arguments).group(1))
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = os.path.join(folder, "k.ptx"), os.path.join(folder, "k.cubin")
        kgen = os.environ.get("KGEN", "target/release/kgen")
        subprocess.run([kgen, "emit", *arguments.split(), "-o", ptx], check=True)
        subprocess.run([tool("ptxas", "PTXAS"), "-arch=sm_80", ptx, "-o", cubin], check=True)
        found, labels = instructions(cubin)
    for first, last in loops(found, labels):
        counts = collections.Counter(opcode(i) for i in found[first : last + 1])
        products = counts["HMMA"]
        if products == 0:
            continue
        # One m16n8k16 is 64 multiply-adds a lane; a score takes head_dim for Q K and head_dim for P V.
        scores = products * 16 * 8 * 16 / 32 / (2 * head_dim)
        other = last + 1 - first - products
        executed = other - skippable(found, labels, first, last)
        where = "boundary" if counts["FSEL"] > scores / 2 else "inside"
        print(
            f"{arguments:<56} {where:<9} {scores:6.0f} {products:6} {other / scores:8.2f} {executed / scores:9.2f}  "
            + " ".join(f"{name} {n}" for name, n in counts.most_common(9) if name != "HMMA")
        )


def main():
    kernels = [" ".join(sys.argv[1:])] if len(sys.argv) > 1 else KERNELS
    print(f"{'kernel':<56} {'loop':<9} {'scores':>6} {'HMMA':>6} {'static':>8} {'executed':>9}  most frequent")
    for kernel in kernels:
        measure(kernel)


main()
