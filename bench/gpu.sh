#!/usr/bin/env bash
# Everything that a GPU can tell of flashpage, in one command, in the time there is:
#
#     bench/gpu.sh [-o DIR] [--seconds N] [--quick] [--dry-run] [--device cuda:0]
#
#   1. correctness  the catalogue on the GPU against the f64 reference; a row that fails does not stop the rest
#   2. parity       the same launch.json on the GPU and on the emulator
#   3. bench        our kernels, timed, beside a copy and a large matrix product
#   4. peers        what PyTorch has, on the same workloads, timed the same way; the best two before all others
#   5. experiments  choices of a schedule that only a GPU can settle, as one table
#   6. report       results.json, report.md and plots
#
# The machine needs the driver, and for the peers python3 with torch and triton. kgen is taken from KGEN, from
# release/ in CARGO_TARGET_DIR or target/, or from the path, or built where there is cargo. Every step writes as it goes
# and has a limit, and the report is made again after each: a run that is cut off keeps what it had.
#
# --seconds says how long all of it may take, 600 if it is not given and 60 at the least. Every step gets a share of what
# is left when it begins, so what one leaves over the next ones have, and begins with the rows that say the most. 360 are
# meant for the whole catalogue, parity, and prefill and decode beside the best two peers. --quick is --seconds 120 with
# fewer workloads. --dry-run needs no GPU: every step on the emulator with tiny shapes, without a time anywhere.
#
# COMMIT names the commit where there is no git. Exit status: 0 where every step ran and all of it holds, 1 where not,
# 2 where it could not begin.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$root/target}

usage() { sed -n '4s/^# *//p' "$0"; }
die() { printf 'bench/gpu.sh: %s\n' "$1" >&2; exit 2; }

out="" suite=full device=cuda:0 dry="" seconds=""
while [ $# -gt 0 ]; do
  case "$1" in
    -o) out=${2:-}; [ -n "$out" ] || die "-o takes a folder"; shift ;;
    --device) device=${2:-}; [ -n "$device" ] || die "--device takes a GPU, as in cuda:0"; shift ;;
    --seconds)
      seconds=${2:-}
      [[ $seconds =~ ^[0-9]{2,5}$ ]] && [ "$((10#$seconds))" -ge 60 ] || die "--seconds takes a number, at least 60"
      seconds=$((10#$seconds)); shift ;;
    --quick) suite=quick ;;
    --dry-run) dry=1 ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown argument \`$1\`: $(usage)" ;;
  esac
  shift
done
if [ "$suite" = quick ]; then seconds=${seconds:-120}; fi
seconds=${seconds:-600}
begun=$SECONDS

# The steps, each with its share of the time.
steps=(check parity bench peers experiments)
declare -A share=([check]=24 [parity]=8 [bench]=24 [peers]=34 [experiments]=10)
# A row that has not come after so many seconds is given up.
patience=30
# Making the report takes a few seconds each time.
report_seconds=3

# What step NAME may take: its share of what is left, shared with those after it.
limit_of() {
  local name=$1 left sum=0 later="" each
  for each in "${steps[@]}"; do
    [ "$each" != "$name" ] || later=1
    [ -z "$later" ] || sum=$((sum + share[$each]))
  done
  left=$((seconds - (SECONDS - begun) - report_seconds * ${#steps[@]}))
  local limit=$((left * share[$name] / sum))
  printf '%d' $((limit > 10 ? limit : 10))
}

find_kgen() {
  local candidate
  for candidate in "${KGEN:-}" "$target/release/kgen" "$(command -v kgen)"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then printf '%s' "$candidate"; return; fi
  done
  if command -v cargo >/dev/null; then
    cargo build --release --bin kgen --manifest-path "$root/Cargo.toml" >&2 && printf '%s' "$target/release/kgen"
  fi
}
kgen=$(find_kgen)
[ -n "$kgen" ] || die "there is no kgen: build it with \`cargo build --release\`, or name it in KGEN"
"$kgen" --version >/dev/null || die "$kgen does not run: name another in KGEN"

commit=${COMMIT:-$(git -C "$root" rev-parse --short HEAD 2>/dev/null)$(
  [ -n "$(git -C "$root" status --porcelain 2>/dev/null)" ] && printf -- '-dirty')}
commit=${commit:-unknown}

recorded=(--suite "$suite" --commit "$commit")
if [ -n "$dry" ]; then
  recorded=(--emulated --suite dry-run --commit "$commit")
  device=emulator
elif ! "$kgen" doctor | grep -q '^ok  *GPU and driver'; then
  # Says what is missing and what there is instead.
  "$kgen" bench --device "$device" >/dev/null
  exit 2
fi

out=${out:-"$target/gpu-run"}
mkdir -p "$out" || die "$out: cannot make this folder"
out=$(cd "$out" && pwd)
[ -z "$(ls -A "$out" 2>/dev/null)" ] || die "$out is not empty: name another folder with -o, or remove it"

now() { date +%s.%N; }
record() { "$kgen" doctor --record "$out/machine.json" "${recorded[@]}" "$@"; }
record || die "$out/machine.json cannot be written"

# Clocks, power and temperature every few seconds, and in which step.
sample() {
  command -v nvidia-smi >/dev/null || return 0
  local values
  values=$(timeout 10 nvidia-smi --id=0 --format=csv,noheader \
    --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu 2>/dev/null) || return 0
  printf '%s: %s\n' "$(cat "$out/.step" 2>/dev/null)" "$values °C" >>"$out/.samples"
}
sampler() { while sleep 5; do sample; done; }
sampler_pid=""
if [ -z "$dry" ]; then sampler >/dev/null 2>&1 & sampler_pid=$!; fi
trap '[ -n "$sampler_pid" ] && kill "$sampler_pid" 2>/dev/null; rm -f "$out/.samples" "$out/.step"' EXIT

failed=0
# step NAME: runs the function of this name, which begins nothing after `limit` seconds, with a harder limit; keeps what it
# prints, and how it ended.
step() {
  local name=$1 most began status message
  most=$(limit_of "$name")
  printf '%s' "$name" >"$out/.step"
  printf '== %s, %d s\n' "$name" "$most"
  began=$(now)
  # What is begun in time may come to its end.
  limit=$((most * 9 / 10)) timeout --kill-after=5 "$most" bash -c "$name" >"$out/$name.log" 2>&1
  status=$?
  message=""
  if [ $status -ne 0 ]; then
    failed=1
    message=$(tail -n 1 "$out/$name.log" | tr -d '\000-\037"\\' | cut -c1-300)
    [ $status -ne 124 ] && [ $status -ne 137 ] || message="cut off after $most s"
  fi
  tail -n 1 "$out/$name.log"
  printf '{"step": "%s", "status": %d, "seconds": %.1f, "message": "%s"}\n' \
    "$name" $status "$(echo "$(now) $began" | awk '{ print $1 - $2 }')" "$message" >>"$out/steps.jsonl"
  if [ -s "$out/.samples" ]; then record --samples "$out/.samples"; fi
  "$kgen" report "$out" >"$out/report.log" 2>&1 || { failed=1; tail -n 1 "$out/report.log"; }
}

# Most of the time goes into the driver's compiler, so several processes have a part each.
check() {
  local part parts=${CHECK_PROCESSES:-4} pids=() status=0 every=1
  [ -z "$dry" ] || parts=2 every=8
  for ((part = 0; part < parts; part++)); do
    "$kgen" check --device "$device" --every $((parts * every)) --offset $((part * every)) --seconds "$limit" --patience $patience \
      --append "$out/check.jsonl" >"$out/check.$part.log" 2>&1 &
    pids+=($!)
  done
  for part in "${pids[@]}"; do wait "$part" || status=1; done
  for ((part = 0; part < parts; part++)); do
    cat "$out/check.$part.log"
    rm -f "$out/check.$part.log"
  done
  # The parts' last lines, as one.
  awk '/^[0-9]+ of [0-9]+ hold/ { good += $1; all += $3; left += $5 }
    END { printf "%d of %d hold", good, all; if (left) printf "; %d were not begun in time", left; print "" }' \
    "$out/check.log"
  return $status
}

# A case for each way that kernels differ; the foreign ones come with the project, where it is there.
make_cases() {
  local cases=$1
  "$kgen" case causal_attention --dtype bf16 --head-dim 128 --q-len 200 --heads 2 -o "$cases/causal_bf16_d128" &&
    "$kgen" case attention --dtype f16 --head-dim 64 --q-len 130 --kv-len 300 --heads 4 --kv-heads 2 -o "$cases/full_f16_d64" &&
    "$kgen" case paged_attention --head-dim 128 --q-len 1,1,33 --kv-len 500,17,64 --heads 8 --kv-heads 2 -o "$cases/paged_mixed" &&
    "$kgen" case paged_full_attention --dtype bf16 --head-dim 64 --block-size 24 --layout hnd --q-len 1,1 --kv-len 300,31 --heads 8 --kv-heads 1 -o "$cases/decode_hnd" &&
    "$kgen" case sliding_window_attention --head-dim 64 --q-len 150 --set window=40 -o "$cases/window" &&
    "$kgen" case softcap_attention --head-dim 64 --q-len 70 --set cap=5 -o "$cases/softcap" &&
    "$kgen" case alibi_attention --head-dim 128 --q-len 70 -o "$cases/alibi"
}

parity() {
  local cases="$out/cases" foreign=()
  mkdir -p "$cases"
  make_cases "$cases" || return
  [ -d "$root/tests/oracle/cases" ] && foreign=("$root/tests/oracle/cases")
  "$kgen" parity --device "$device" --seconds "$limit" --patience $patience --append "$out/parity.jsonl" "$cases" "${foreign[@]}"
  local status=$?
  rm -rf "$cases"
  return $status
}

peers() {
  local python=${PYTHON:-python3} dry_run=()
  if ! command -v "$python" >/dev/null; then
    printf '%s is not on the path: no peers; name a Python that has torch and triton in PYTHON\n' "$python"
    return 1
  fi
  "$kgen" bench --list --json --suite "$bench_suite" >"$out/workloads.json" || return
  [ -n "$dry" ] && dry_run=(--dry-run)
  # Its clock starts when Python has.
  "$python" "$here/peers.py" "$out/workloads.json" -o "$out/peers.jsonl" --seconds $((limit * 9 / 10)) "${dry_run[@]}"
}

bench() {
  local how=(--device "$device")
  [ -n "$dry" ] && how=(--dry-run)
  "$kgen" bench --suite "$bench_suite" --seconds "$limit" --patience $patience --append "$out/bench.jsonl" "${how[@]}"
}

experiments() {
  local how=(--device "$device")
  [ -n "$dry" ] && how=(--dry-run)
  "$kgen" experiments --seconds "$limit" --patience $patience --append "$out/experiments.jsonl" "${how[@]}"
}

bench_suite=$suite
[ -z "$dry" ] || bench_suite=tiny
# PyTorch brings a cuBLAS, which kgen multiplies with for a ceiling.
if [ -z "$dry" ] && [ -z "${CUBLAS:-}" ]; then
  CUBLAS=$("${PYTHON:-python3}" -c 'import glob, os, sysconfig
found = sorted(glob.glob(os.path.join(sysconfig.get_path("purelib"), "nvidia", "*", "lib", "libcublas.so.*")))
print(found[-1] if found else "")' 2>/dev/null) && [ -n "$CUBLAS" ] && export CUBLAS || unset CUBLAS
fi
export -f check make_cases parity bench peers experiments
export kgen device out root here dry bench_suite patience

for name in "${steps[@]}"; do step "$name"; done

cat "$out/report.log"
exit $failed
