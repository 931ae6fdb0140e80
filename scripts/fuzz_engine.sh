#!/usr/bin/env bash
# Fuzz the engine with hostile plans: scripts/fuzz_engine.sh [SECONDS] [FOLDER] [KERNELS]
# KERNELS: portable, dsp or mve (dsp and mve are emulated); use a separate folder for each.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-1800}
folder=${2:-build/fuzz}
kernels=${3:-portable}
case $kernels in
portable) layout=0 flags=() ;;
dsp) layout=1 flags=(-include tests/engine/emulated_dsp.h) ;;
mve) layout=2 flags=(-include tests/engine/emulated_mve.h) ;;
*) echo "unknown kernels '$kernels'; available: portable, dsp, mve" >&2 && exit 2 ;;
esac

mkdir -p "$folder/corpus" "$folder/found"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
"${PYTHON:-$python}" tests/fuzz/seed_plans.py "$folder/seeds" "$layout"
clang -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "-DESR_LAYOUT=$layout" "${flags[@]}" -Iedge_sr/engine/c \
    tests/fuzz/fuzz_plan.c edge_sr/engine/c/*.c -o "$folder/fuzz_plan"
"$folder/fuzz_plan" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
    -artifact_prefix="$folder/found/" -print_final_stats=1 "$folder/corpus" "$folder/seeds"
