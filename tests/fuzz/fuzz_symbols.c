/*
 * libFuzzer target: decodes hostile parts with a hostile context model. scripts/fuzz_symbols.sh
 * builds and runs it.
 *
 * The first four bytes select the shape; the next ones overwrite bytes of a model of zeros, so that
 * most models are accepted. The decoded symbols must be equal after encoding and decoding them
 * again. Buffers have their exact sizes on the heap, so that AddressSanitizer detects an access to
 * the first byte outside.
 */
#include "esr_symbols.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 16
#define TABLES (2 * ESR_SYMBOLS_BINS * ESR_SYMBOLS_SIDES + ESR_SYMBOLS_BINS * ESR_SYMBOLS_STEPS)

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void require(int good)
{
    if (!good) {
        abort();
    }
}

static uint32_t round_up(uint32_t value)
{
    return (value + 15) / 16 * 16;
}

/* A model whose weights repeat the fuzzer's bytes. */
static uint8_t *model(uint32_t channels, const uint8_t *data, size_t size, size_t *bytes)
{
    const uint32_t hidden = 16;
    const size_t weights = round_up(12 * channels) * hidden + hidden * 2 * channels +
                           4 * channels * round_up(channels);
    const size_t numbers = 2 * hidden + 4 * channels;
    uint8_t *blob;

    *bytes = HEADER + weights + 4 * numbers + 2 * TABLES;
    blob = allocate(*bytes);
    memset(blob, 0, *bytes);
    memcpy(blob, "ESY1", 4);
    blob[4] = (uint8_t)channels, blob[6] = (uint8_t)hidden;
    for (size_t i = 0; size > 0 && i < weights; i++) {
        blob[HEADER + i] = data[i % size];
    }
    for (size_t i = 0; size > 0 && i < numbers; i++) {
        memcpy(blob + HEADER + weights + 4 * i + 1, data + i % size, 1);
        blob[HEADER + weights + 4 * i + 3] = data[i % size] & 1;
    }
    for (size_t i = 0; i < TABLES; i++) {
        blob[*bytes - 2 * i - 1] = 0x40;
    }
    if (size > 1 && data[0] == 255) { /* damage it anywhere */
        blob[data[1] * 8u % *bytes] = data[size - 1];
    }
    return blob;
}

static void code(const void *blob, size_t blob_bytes, const uint32_t shape[3], esr_bytes *bytes,
                 int8_t *rows, int encodes)
{
    const size_t needed = esr_symbols_bytes(blob, blob_bytes, shape[1]);
    void *memory = allocate(needed);
    esr_symbols *coder;

    require(esr_symbols_open(&coder, blob, blob_bytes, shape[1], memory, needed) ==
            ESR_SYMBOLS_OK);
    require((encodes ? esr_symbols_start_encoding(coder, esr_put_bytes, bytes)
                     : esr_symbols_start_decoding(coder, esr_take_bytes, bytes)) ==
            ESR_SYMBOLS_OK);
    for (uint32_t y = 0; y < shape[0]; y++, rows += shape[1] * shape[2]) {
        require((encodes ? esr_symbols_encode_row(coder, rows)
                         : esr_symbols_decode_row(coder, rows)) == ESR_SYMBOLS_OK);
    }
    require(esr_symbols_finish(coder) == ESR_SYMBOLS_OK);
    require(esr_symbols_finish(coder) == ESR_SYMBOLS_STATE);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t shape[3];
    size_t blob_bytes, count, head;
    uint8_t *blob;

    if (size < 4) {
        return 0;
    }
    shape[0] = data[0] % 5 + 1u, shape[1] = data[1] % 9 + 1u, shape[2] = data[2] % 40 + 1u;
    head = data[3] < size - 4 ? data[3] : size - 4;
    blob = model(shape[2], data + 4, head, &blob_bytes);
    count = (size_t)shape[0] * shape[1] * shape[2];
    if (esr_symbols_bytes(blob, blob_bytes, shape[1]) > 0) {
        int8_t *rows = allocate(count), *again = allocate(count);
        esr_bytes from = {allocate(size - 4 - head), size - 4 - head, 0};
        esr_bytes to = {allocate(count * 356 + 8), count * 356 + 8, 0};

        if (from.room > 0) {
            memcpy(from.bytes, data + 4 + head, from.room);
        }
        code(blob, blob_bytes, shape, &from, rows, 0);
        code(blob, blob_bytes, shape, &to, rows, 1);
        to.room = to.used, to.used = 0;
        code(blob, blob_bytes, shape, &to, again, 0);
        require(memcmp(rows, again, count) == 0);
        free(rows), free(again), free(from.bytes), free(to.bytes);
    }
    free(blob);
    return 0;
}
