#!/usr/bin/env bash
# Fuzz the symbol coder with hostile models and parts: scripts/fuzz_symbols.sh [SECONDS] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-1800}
folder=${2:-build/fuzz-symbols}

mkdir -p "$folder/corpus" "$folder/found"
clang -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -Iedge_sr/engine/c tests/fuzz/fuzz_symbols.c edge_sr/engine/c/esr_coder.c \
    edge_sr/engine/c/esr_symbols.c edge_sr/engine/c/esr_symbols_dots.c -o "$folder/fuzz_symbols"
"$folder/fuzz_symbols" -max_total_time="$seconds" -timeout=20 -max_len=4096 \
    -artifact_prefix="$folder/found/" -print_final_stats=1 "$folder/corpus"
