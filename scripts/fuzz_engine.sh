#!/usr/bin/env bash
# Fuzz the engine's plan reader with libFuzzer: scripts/fuzz_engine.sh [SECONDS] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-1800}
folder=${2:-build/fuzz}

mkdir -p "$folder/corpus" "$folder/found"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
"${PYTHON:-$python}" tests/fuzz/seed_plans.py "$folder/seeds"
clang -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -Iedge_sr/engine/c tests/fuzz/fuzz_plan.c edge_sr/engine/c/*.c -o "$folder/fuzz_plan"
"$folder/fuzz_plan" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
    -artifact_prefix="$folder/found/" -print_final_stats=1 "$folder/corpus" "$folder/seeds"
