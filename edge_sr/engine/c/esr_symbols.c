/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the coder of symbols. esr_symbols.h specifies its arithmetic.
 */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_symbols.h"

#include "esr_range.h"
#include "esr_symbols_dots.h"

#include <string.h>

#ifndef ESR_HOT
#define ESR_HOT
#endif

#define GROUP ESR_SYMBOLS_GROUP
#define REACH 2  /* columns to each side that the network sees */
#define ROWS 3
#define LARGEST 127

#define ONE 1024
#define MEAN_MAX (LARGEST * ONE)
#define OUTPUT_MAX (1 << 24)
#define BIAS_MAX (1 << 24)
#define BIN_ZERO 5248
#define RESIDUAL_MAX 128
#define OFFSET_MAX (1 << 17)

#define HEADER_BYTES 16
#define TABLE (ESR_SYMBOLS_BINS * ESR_SYMBOLS_SIDES)
#define PROBABILITIES (2 * TABLE + ESR_SYMBOLS_BINS * ESR_SYMBOLS_STEPS)

/* The parts of a blob. */
typedef struct model {
    uint32_t channels;
    uint32_t hidden;
    const int8_t *kernel;
    const int8_t *out;
    const int16_t *before;
    const int16_t *spread;
    const int32_t *hidden_bias;
    const int32_t *hidden_multiplier;
    const int32_t *out_bias;
    const int32_t *out_multiplier;
    const uint16_t *probabilities;
} model;

enum { IDLE, ENCODING, DECODING, STOPPED };

struct esr_symbols {
    model model;
    uint32_t width;
    uint32_t y;
    uint32_t state;
    esr_symbols_dots dots;
    int8_t *rows; /* ROWS rows of width + 2 * REACH places, row y at y % ROWS */
    esr_range range;
    int32_t offsets[ESR_SYMBOLS_CHANNELS];
    int32_t sums[2 * ESR_SYMBOLS_CHANNELS > ESR_SYMBOLS_HIDDEN ? 2 * ESR_SYMBOLS_CHANNELS
                                                               : ESR_SYMBOLS_HIDDEN];
    int16_t values[ESR_SYMBOLS_CHANNELS];    /* the symbols of this column so far, then zeros */
    int16_t residuals[ESR_SYMBOLS_CHANNELS]; /* likewise */
    uint16_t probabilities[PROBABILITIES];
    int8_t hidden[ESR_SYMBOLS_HIDDEN];
    int8_t inputs[ESR_SYMBOLS_PLACES * ESR_SYMBOLS_CHANNELS + GROUP];
};

/* What predicts one symbol. */
typedef struct prediction {
    int32_t mean;
    int32_t center;
    int32_t rest;
    uint16_t *differs;
    uint16_t *side;
    uint16_t *more;
} prediction;

static uint32_t round_up(uint32_t value)
{
    return (value + GROUP - 1) / GROUP * GROUP;
}

static inline int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int32_t magnitude(int32_t value)
{
    return value < 0 ? -value : value;
}

static int in_range(const int32_t *values, uint32_t count, int32_t low, int32_t high)
{
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] < low || values[i] > high) {
            return 0;
        }
    }
    return 1;
}

static int has_valid_numbers(const model *m)
{
    for (uint32_t i = 0; i < PROBABILITIES; i++) {
        if (m->probabilities[i] < ESR_PROBABILITY_MIN ||
            m->probabilities[i] > ESR_PROBABILITY_MAX) {
            return 0;
        }
    }
    return in_range(m->hidden_bias, m->hidden, -BIAS_MAX, BIAS_MAX) &&
           in_range(m->hidden_multiplier, m->hidden, 0, INT32_MAX) &&
           in_range(m->out_bias, 2 * m->channels, -BIAS_MAX, BIAS_MAX) &&
           in_range(m->out_multiplier, 2 * m->channels, 0, INT32_MAX);
}

/* Whether a blob begins with a valid header. Sets the model's sizes. */
static int read_header(model *m, const uint8_t *bytes, size_t blob_bytes)
{
    if ((uintptr_t)bytes % ESR_SYMBOLS_ALIGNMENT != 0 || blob_bytes < HEADER_BYTES ||
        memcmp(bytes, "ESY1", 4) != 0) {
        return 0;
    }
    for (int i = 8; i < HEADER_BYTES; i++) {
        if (bytes[i] != 0) {
            return 0;
        }
    }
    m->channels = bytes[4] | (uint32_t)bytes[5] << 8;
    m->hidden = bytes[6] | (uint32_t)bytes[7] << 8;
    return m->channels >= 1 && m->channels <= ESR_SYMBOLS_CHANNELS && m->hidden >= GROUP &&
           m->hidden <= ESR_SYMBOLS_HIDDEN && m->hidden % GROUP == 0;
}

/* Find the parts of a blob. Returns 0 if it is damaged. */
static int read_model(model *m, const void *blob, size_t blob_bytes)
{
    uint32_t kernel_bytes, out_bytes, triangle, numbers;

    if (!read_header(m, blob, blob_bytes)) {
        return 0;
    }
    kernel_bytes = round_up(ESR_SYMBOLS_PLACES * m->channels) * m->hidden;
    out_bytes = m->hidden * 2 * m->channels;
    triangle = m->channels * round_up(m->channels);
    numbers = 2 * m->hidden + 4 * m->channels;
    if (blob_bytes != HEADER_BYTES + kernel_bytes + out_bytes + 4 * triangle + 4 * numbers +
                          2 * PROBABILITIES) {
        return 0;
    }
    m->kernel = (const int8_t *)blob + HEADER_BYTES;
    m->out = m->kernel + kernel_bytes;
    m->before = (const int16_t *)(const void *)(m->out + out_bytes);
    m->spread = m->before + triangle;
    m->hidden_bias = (const int32_t *)(const void *)(m->spread + triangle);
    m->hidden_multiplier = m->hidden_bias + m->hidden;
    m->out_bias = m->hidden_multiplier + m->hidden;
    m->out_multiplier = m->out_bias + 2 * m->channels;
    m->probabilities = (const uint16_t *)(const void *)(m->out_multiplier + 2 * m->channels);
    return has_valid_numbers(m);
}

static size_t memory_bytes_of(const model *m, uint32_t width)
{
    return sizeof(esr_symbols) + (size_t)ROWS * (width + 2 * REACH) * m->channels;
}

static inline int32_t scaled(int32_t sum, int32_t bias, int32_t multiplier)
{
    return (int32_t)(((int64_t)(64 * (sum + bias)) * multiplier + ((int64_t)1 << 31)) >> 32);
}

/* Gather the symbols that the network sees at a column. */
static void gather(esr_symbols *coder, uint32_t x)
{
    const uint32_t channels = coder->model.channels;
    const size_t row_bytes = (size_t)(coder->width + 2 * REACH) * channels;
    const size_t around = (size_t)(2 * REACH + 1) * channels;
    const int8_t *from = coder->rows + (size_t)x * channels;
    int8_t *to = coder->inputs;

    memcpy(to, from + (coder->y + 1) % ROWS * row_bytes, around);
    memcpy(to + around, from + (coder->y + 2) % ROWS * row_bytes, around);
    memcpy(to + 2 * around, from + coder->y % ROWS * row_bytes, (size_t)REACH * channels);
}

/* Compute the sums of one layer of the network. */
static void add_products(esr_symbols *coder, const int8_t *weights, const int8_t *inputs,
                         uint32_t groups, uint32_t outputs)
{
    uint8_t list[ESR_SYMBOLS_PLACES * ESR_SYMBOLS_CHANNELS / GROUP];
    esr_symbols_layer layer = {weights, inputs, list, 0, outputs};

    for (uint32_t group = 0; group < groups; group++, inputs += GROUP) {
        uint64_t halves[2];

        memcpy(halves, inputs, sizeof halves);
        list[layer.count] = (uint8_t)group;
        layer.count += (halves[0] | halves[1]) != 0;
    }
    coder->dots(coder->sums, &layer);
}

/* Run the network at a column: sums become its outputs. */
ESR_HOT static void run_network(esr_symbols *coder, uint32_t x)
{
    const model *m = &coder->model;
    const uint32_t outputs = 2 * m->channels;
    int32_t *sums = coder->sums;

    gather(coder, x);
    add_products(coder, m->kernel, coder->inputs,
                 round_up(ESR_SYMBOLS_PLACES * m->channels) / GROUP, m->hidden);
    for (uint32_t h = 0; h < m->hidden; h++) {
        coder->hidden[h] = (int8_t)clamp(
            scaled(sums[h], m->hidden_bias[h], m->hidden_multiplier[h]), 0, LARGEST);
    }
    add_products(coder, m->out, coder->hidden, m->hidden / GROUP, outputs);
    for (uint32_t o = 0; o < outputs; o++) {
        sums[o] = clamp(scaled(sums[o], m->out_bias[o], m->out_multiplier[o]), -OUTPUT_MAX,
                        OUTPUT_MAX);
    }
    memset(coder->values, 0, sizeof coder->values);
    memset(coder->residuals, 0, sizeof coder->residuals);
}

/* The sum of products of the channels before channel c. Values from c on are 0 up to a multiple of
 * ESR_SYMBOLS_STEP, so that whole vectors can be added. */
static inline int32_t sum_before(const int16_t *weights, const int16_t *values, uint32_t c)
{
    int32_t sum = 0;

    for (uint32_t b = 0; b < c; b += ESR_SYMBOLS_STEP) {
        sum = esr_symbols_add_step(sum, weights + b, values + b);
    }
    return sum;
}

static inline prediction predict(esr_symbols *coder, uint32_t c)
{
    const model *m = &coder->model;
    const uint32_t padded = round_up(m->channels);
    const int32_t spread = coder->sums[m->channels + c] +
                           (sum_before(m->spread + c * padded, coder->residuals, c) >> 6) +
                           (coder->offsets[c] >> 6);
    const int32_t bin = clamp((spread + BIN_ZERO) >> 8, 0, ESR_SYMBOLS_BINS - 1);
    prediction p;
    int32_t side;

    p.mean = clamp(coder->sums[c] + sum_before(m->before + c * padded, coder->values, c),
                   -MEAN_MAX, MEAN_MAX);
    p.center = (p.mean + ONE / 2) >> 10;
    p.rest = p.mean - ONE * p.center;
    side = clamp(magnitude(p.rest) >> 6, 0, ESR_SYMBOLS_SIDES - 1);
    p.differs = coder->probabilities + bin * ESR_SYMBOLS_SIDES + side;
    p.side = p.differs + TABLE;
    p.more = coder->probabilities + 2 * TABLE + bin * ESR_SYMBOLS_STEPS;
    return p;
}

/* Code one decision: `mask` (all ones for a 1, else 0) if `encodes`, else the one that it returns.
 * Adds to `error` by how much the probability was off. */
static inline uint32_t code(esr_range *range, esr_interval *in, uint16_t *probability, int encodes,
                            uint32_t mask, int32_t *error)
{
    const int32_t p = *probability;
    int32_t target;

    if (encodes) {
        esr_range_encode_at(range, in, (uint32_t)p, mask);
    } else {
        mask = esr_range_decode_at(range, in, (uint32_t)p);
    }
    target = ESR_PROBABILITY_MIN + (int32_t)(mask & (ESR_PROBABILITY_MAX - ESR_PROBABILITY_MIN));
    *probability = (uint16_t)(p + ((target - p) >> ESR_SYMBOLS_SHIFT));
    *error += (int32_t)(mask & 65536) - p;
    return mask;
}

static inline uint32_t mask_of(int condition)
{
    return 0u - (uint32_t)(condition != 0);
}

/* Code a symbol that is not the center. Returns it. */
static int32_t code_distance(esr_range *range, esr_interval *in, const prediction *p, int encodes,
                             int32_t symbol, int32_t *error)
{
    const int32_t distance = magnitude(symbol - p->center);
    int32_t up = symbol > p->center, ignored = 0, n = 1, limit;

    if (p->center == LARGEST || p->center == -LARGEST) {
        up = p->center < 0;
    } else {
        const uint32_t toward = mask_of(up == (p->rest >= 0));

        up = (code(range, in, p->side, encodes, toward, &ignored) != 0) == (p->rest >= 0);
    }
    limit = up ? LARGEST - p->center : LARGEST + p->center;
    while (n < limit) {
        uint16_t *more = p->more + (n < ESR_SYMBOLS_STEPS ? n : ESR_SYMBOLS_STEPS) - 1;

        if (code(range, in, more, encodes, mask_of(distance > n), error) == 0) {
            break;
        }
        n++;
    }
    return up ? p->center + n : p->center - n;
}

/* Code the symbols of a column: read them if `encodes`, else write them. */
static inline void code_column(esr_symbols *coder, esr_interval *in, int8_t *symbols, int encodes)
{
    esr_range *range = &coder->range;

    for (uint32_t c = 0; c < coder->model.channels; c++) {
        const prediction p = predict(coder, c);
        int32_t symbol = encodes ? symbols[c] : 0, error = 0;

        if (code(range, in, p.differs, encodes, mask_of(symbol != p.center), &error) != 0) {
            symbol = code_distance(range, in, &p, encodes, symbol, &error);
        } else {
            symbol = p.center;
        }
        symbols[c] = (int8_t)symbol;
        coder->values[c] = (int16_t)symbol;
        coder->residuals[c] = (int16_t)clamp(magnitude(ONE * symbol - p.mean) >> 6, 0, RESIDUAL_MAX);
        coder->offsets[c] = clamp(coder->offsets[c] + (error >> ESR_SYMBOLS_OFFSET_SHIFT),
                                  -OFFSET_MAX, OFFSET_MAX);
    }
}

/* The first symbol of the row that is coded. */
static int8_t *start_row(esr_symbols *coder)
{
    const size_t row_bytes = (size_t)(coder->width + 2 * REACH) * coder->model.channels;
    int8_t *row = coder->rows + coder->y % ROWS * row_bytes;

    memset(row, 0, row_bytes);
    return row + (size_t)REACH * coder->model.channels;
}

ESR_HOT static void code_row(esr_symbols *coder, int8_t *row, const int8_t *source)
{
    const uint32_t channels = coder->model.channels;
    esr_interval in = esr_range_load_interval(&coder->range);

    for (uint32_t x = 0; x < coder->width; x++, row += channels) {
        run_network(coder, x);
        if (source != NULL) {
            for (uint32_t c = 0; c < channels; c++) {
                row[c] = (int8_t)clamp(*source++, -LARGEST, LARGEST);
            }
            code_column(coder, &in, row, 1);
        } else {
            code_column(coder, &in, row, 0);
        }
    }
    esr_range_store_interval(&coder->range, &in);
    coder->y++;
}

size_t esr_symbols_bytes(const void *blob, size_t blob_bytes, uint32_t width)
{
    model m;

    if (blob == NULL || width < 1 || width > ESR_SYMBOLS_WIDTH ||
        !read_model(&m, blob, blob_bytes)) {
        return 0;
    }
    return memory_bytes_of(&m, width);
}

esr_symbols_status esr_symbols_open(esr_symbols **coder, const void *blob, size_t blob_bytes,
                                    uint32_t width, void *memory, size_t memory_bytes)
{
    esr_symbols *opened = memory;
    model m;

    if (coder == NULL || blob == NULL || memory == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    *coder = NULL;
    if (!read_model(&m, blob, blob_bytes)) {
        return ESR_SYMBOLS_BLOB;
    }
    if (width < 1 || width > ESR_SYMBOLS_WIDTH) {
        return ESR_SYMBOLS_SIZE;
    }
    if ((uintptr_t)memory % ESR_SYMBOLS_ALIGNMENT != 0 ||
        memory_bytes < memory_bytes_of(&m, width)) {
        return ESR_SYMBOLS_MEMORY;
    }
    memset(opened, 0, memory_bytes_of(&m, width));
    opened->model = m;
    opened->width = width;
    opened->state = IDLE;
    opened->dots = esr_symbols_choose_dots();
    opened->rows = (int8_t *)(opened + 1);
    memcpy(opened->probabilities, m.probabilities, sizeof opened->probabilities);
    *coder = opened;
    return ESR_SYMBOLS_OK;
}

esr_symbols_status esr_symbols_start_encoding(esr_symbols *coder, esr_put put, void *user)
{
    if (coder == NULL || put == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    if (coder->state != IDLE) {
        return ESR_SYMBOLS_STATE;
    }
    esr_range_start(&coder->range, user);
    coder->range.put = put;
    coder->state = ENCODING;
    return ESR_SYMBOLS_OK;
}

esr_symbols_status esr_symbols_encode_row(esr_symbols *coder, const int8_t *row)
{
    if (coder == NULL || row == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    if (coder->state != ENCODING) {
        return ESR_SYMBOLS_STATE;
    }
    code_row(coder, start_row(coder), row);
    if (coder->range.stopped != 0) {
        coder->state = STOPPED;
        return ESR_SYMBOLS_STOPPED;
    }
    return ESR_SYMBOLS_OK;
}

esr_symbols_status esr_symbols_start_decoding(esr_symbols *coder, esr_take take, void *user)
{
    if (coder == NULL || take == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    if (coder->state != IDLE) {
        return ESR_SYMBOLS_STATE;
    }
    esr_range_start(&coder->range, user);
    coder->range.take = take;
    esr_range_open(&coder->range);
    coder->state = DECODING;
    return ESR_SYMBOLS_OK;
}

esr_symbols_status esr_symbols_decode_row(esr_symbols *coder, int8_t *row)
{
    int8_t *decoded;

    if (coder == NULL || row == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    if (coder->state != DECODING) {
        return ESR_SYMBOLS_STATE;
    }
    decoded = start_row(coder);
    code_row(coder, decoded, NULL);
    memcpy(row, decoded, (size_t)coder->width * coder->model.channels);
    return ESR_SYMBOLS_OK;
}

esr_symbols_status esr_symbols_finish(esr_symbols *coder)
{
    if (coder == NULL) {
        return ESR_SYMBOLS_NULL;
    }
    if (coder->state == ENCODING) {
        esr_range_finish(&coder->range);
        coder->state = coder->range.stopped != 0 ? STOPPED : IDLE;
        return coder->state == STOPPED ? ESR_SYMBOLS_STOPPED : ESR_SYMBOLS_OK;
    }
    if (coder->state != DECODING) {
        return ESR_SYMBOLS_STATE;
    }
    coder->state = IDLE;
    return ESR_SYMBOLS_OK;
}
