#!/usr/bin/env bash
# Fuzz the entropy coder with hostile segments: scripts/fuzz_coder.sh [SECONDS] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-1800}
folder=${2:-build/fuzz-coder}

mkdir -p "$folder/corpus" "$folder/found"
clang -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -Iedge_sr/engine/c tests/fuzz/fuzz_coder.c edge_sr/engine/c/esr_coder.c -o "$folder/fuzz_coder"
"$folder/fuzz_coder" -max_total_time="$seconds" -timeout=20 -max_len=4096 \
    -artifact_prefix="$folder/found/" -print_final_stats=1 "$folder/corpus"
