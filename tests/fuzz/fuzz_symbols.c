/*
 * libFuzzer target: decodes hostile segments with hostile context models. scripts/fuzz_symbols.sh
 * builds and runs it.
 *
 * The first eight bytes select the shape, the lengths of the segments, and whether the numbers of
 * the model are brought into their ranges. The model's content, then the segments, are taken from
 * the bytes that follow. The decoded symbols must be equal after encoding and decoding them again,
 * and no part may be larger than docs/reference/tcz.md says. Buffers have their exact sizes on the
 * heap, so that AddressSanitizer detects an access to the first byte outside.
 */
#include "esr_symbols.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 8u
#define BINS_BYTES (2u * 45u * (2u * 8u + 4u))
#define MIN_PROBABILITY 31u
#define MAX_PROBABILITY 65504u
#define BIAS_MAX (1u << 24)

typedef struct shape {
    uint32_t channels, hidden, rows, width, rows_per_part;
    size_t count; /* symbols */
} shape;

typedef struct model {
    uint8_t *bytes;
    size_t size;
} model;

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

static uint32_t up(uint32_t value)
{
    return (value + 15u) / 16u * 16u;
}

static uint32_t load(const uint8_t *bytes, uint32_t count)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < count; i++) {
        value |= (uint32_t)bytes[i] << 8 * i;
    }
    return value;
}

static void store(uint8_t *bytes, uint32_t value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

/* Bring biases, multipliers and probabilities into their ranges. */
static void repair(const model *m, const shape *s)
{
    uint8_t *at = m->bytes + m->size - BINS_BYTES - 4u * (2u * s->hidden + 4u * s->channels);
    const uint32_t counts[4] = {s->hidden, s->hidden, 2u * s->channels, 2u * s->channels};

    for (uint32_t kind = 0; kind < 4; kind++) {
        for (uint32_t i = 0; i < counts[kind]; i++, at += 4) {
            const uint32_t value = load(at, 4);
            const uint32_t bias = value % BIAS_MAX;

            store(at, kind % 2 ? value >> 1 : value >> 31 ? 0u - bias : bias, 4);
        }
    }
    for (; at < m->bytes + m->size; at += 2) {
        store(at, MIN_PROBABILITY + load(at, 2) % (MAX_PROBABILITY - MIN_PROBABILITY + 1u), 2);
    }
}

/* A model whose content repeats the data, changed a little each time. */
static model make_model(const shape *s, const uint8_t *data, size_t size, int repairs)
{
    const size_t weights = (size_t)up(12u * s->channels) * s->hidden +
                           2u * s->hidden * s->channels +
                           4u * (size_t)s->channels * up(s->channels);
    model m;

    m.size = 16u + weights + 4u * (2u * s->hidden + 4u * s->channels) + BINS_BYTES;
    m.bytes = allocate(m.size);
    memset(m.bytes, 0, m.size);
    for (size_t i = 16; size > 0 && i < m.size; i++) {
        m.bytes[i] = (uint8_t)(data[(i - 16u) % size] + (i - 16u) / size * 37u);
    }
    memcpy(m.bytes, "ESY1", 4);
    store(m.bytes + 4, s->channels, 2);
    store(m.bytes + 6, s->hidden, 2);
    if (repairs) {
        repair(&m, s);
    }
    return m;
}

/* A coder in memory of its exact size; null if the model is refused. */
static esr_symbols *open_coder(const model *m, uint32_t width)
{
    const size_t bytes = esr_symbols_bytes(m->bytes, m->size, width);
    void *memory = allocate(bytes);
    esr_symbols *coder = NULL;

    if (bytes == 0) {
        require(esr_symbols_open(&coder, m->bytes, m->size, width, memory, bytes) != ESR_SYMBOLS_OK);
        free(memory);
        return NULL;
    }
    require(esr_symbols_open(&coder, m->bytes, m->size, width, memory, bytes - 1) ==
            ESR_SYMBOLS_MEMORY);
    require(esr_symbols_open(&coder, m->bytes, m->size, width, memory, bytes) == ESR_SYMBOLS_OK);
    require((void *)coder == memory);
    return coder;
}

static uint32_t rows_of_part(const shape *s, uint32_t y)
{
    return s->rows - y < s->rows_per_part ? s->rows - y : s->rows_per_part;
}

static void decode_part(esr_symbols *coder, const shape *s, uint32_t y, int8_t *symbols,
                        esr_bytes *from)
{
    require(esr_symbols_start_decoding(coder, esr_take_bytes, from) == ESR_SYMBOLS_OK);
    for (uint32_t i = 0; i < rows_of_part(s, y); i++) {
        int8_t *row = symbols + (size_t)(y + i) * s->width * s->channels;

        require(esr_symbols_decode_row(coder, row) == ESR_SYMBOLS_OK);
    }
    require(esr_symbols_finish(coder) == ESR_SYMBOLS_OK);
}

/* Decode the segments; all but the last have the same length. */
static void decode(esr_symbols *coder, const shape *s, int8_t *symbols, const uint8_t *data,
                   size_t size, size_t each)
{
    for (uint32_t y = 0; y < s->rows; y += s->rows_per_part) {
        const size_t count = y + s->rows_per_part < s->rows && each < size ? each : size;
        esr_bytes from = {allocate(count), count, 0};

        if (count > 0) {
            memcpy(from.bytes, data, count);
        }
        decode_part(coder, s, y, symbols, &from);
        free(from.bytes);
        data += count, size -= count;
    }
}

/* Encode a part. Returns the coder's status. */
static esr_symbols_status encode_part(esr_symbols *coder, const shape *s, uint32_t y,
                                      const int8_t *symbols, esr_bytes *to)
{
    esr_symbols_status status = esr_symbols_start_encoding(coder, esr_put_bytes, to);

    for (uint32_t i = 0; status == ESR_SYMBOLS_OK && i < rows_of_part(s, y); i++) {
        status = esr_symbols_encode_row(coder,
                                        symbols + (size_t)(y + i) * s->width * s->channels);
    }
    return status == ESR_SYMBOLS_OK ? esr_symbols_finish(coder) : status;
}

/* Encode and decode the symbols, and check that a full buffer stops the encoder. */
static void round_trip(const model *m, const shape *s, const int8_t *symbols)
{
    esr_symbols *writer = open_coder(m, s->width), *reader = open_coder(m, s->width);
    int8_t *decoded = allocate(s->count);
    esr_bytes bytes = {NULL, 0, 0};

    require(writer != NULL && reader != NULL);
    for (uint32_t y = 0; y < s->rows; y += s->rows_per_part) {
        bytes.room = (size_t)356 * rows_of_part(s, y) * s->width * s->channels + 8;
        bytes.bytes = allocate(bytes.room);
        bytes.used = 0;
        require(encode_part(writer, s, y, symbols, &bytes) == ESR_SYMBOLS_OK && bytes.used > 0);
        bytes.room = bytes.used, bytes.used = 0;
        decode_part(reader, s, y, decoded, &bytes);
        free(bytes.bytes);
    }
    require(memcmp(symbols, decoded, s->count) == 0);
    free(writer), free(reader), free(decoded);
    writer = open_coder(m, s->width);
    bytes.room = bytes.used = 0;
    require(encode_part(writer, s, 0, symbols, &bytes) == ESR_SYMBOLS_STOPPED);
    require(esr_symbols_start_encoding(writer, esr_put_bytes, &bytes) == ESR_SYMBOLS_STATE);
    free(writer);
}

/* Open the data itself as a model. */
static void try_raw(const uint8_t *data, size_t size)
{
    model m = {allocate(size), size};
    esr_symbols *coder;

    if (size > 0) {
        memcpy(m.bytes, data, size);
    }
    coder = open_coder(&m, 3);
    free(coder), free(m.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shape s;
    model m;
    esr_symbols *coder;
    int8_t *symbols;

    if (size < HEAD) {
        return 0;
    }
    try_raw(data + HEAD, size - HEAD);
    s.channels = data[0] % 4 == 3 ? data[0] / 4u + 1u : data[0] % 4u + 1u;
    s.hidden = data[1] % 16 == 15 ? 128 : 16 * (data[1] % 2u + 1u);
    s.rows = data[2] % 8 + 1u, s.width = data[3] % 12 + 1u;
    s.rows_per_part = data[4] % 4 + 1u;
    s.count = (size_t)s.channels * s.rows * s.width;
    m = make_model(&s, data + HEAD, size - HEAD, data[5] % 8 != 0);
    coder = open_coder(&m, s.width);
    if (coder != NULL) {
        symbols = allocate(s.count);
        decode(coder, &s, symbols, data + HEAD, size - HEAD, data[6]);
        round_trip(&m, &s, symbols);
        free(coder), free(symbols);
    }
    free(m.bytes);
    return 0;
}
