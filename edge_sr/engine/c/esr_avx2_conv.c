/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions for AVX2.
 *
 * One instruction multiplies two pairs of int16 and adds both products, in each of 8 lanes. Lanes
 * are output channels; two neighbouring taps of a run of inputs are one step. A tile of the input is
 * widened to int16.
 */
#include "esr_avx2.h"

#if ESR_X86

#define SUMS 8 /* vectors of sums, in registers: of 8 pixels, or of 4 with two vectors each */
#define TILE_PIXELS 64
#define TILE_VALUES 8192
#define MAX_TAPS 1024

/* A block of output channels of one group, ready to run. */
typedef struct block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* output channels of the block */
    uint32_t lanes;     /* of the block's weights, at least `outputs` */
    uint32_t taps;      /* runs of contiguous inputs per kernel row */
    uint32_t runs;      /* of the window */
    uint32_t run;       /* length of a run */
    uint32_t steps;     /* steps of a run */
    uint32_t pixels;    /* maximum pixels of a tile; a multiple of SUMS */
    uint32_t stride;    /* of a tile's rows */
    uint32_t filled;    /* the group whose inputs the tile holds, from 1; 0: none */
    int32_t plain;      /* whether requantize() is exact */
    __m256i start[2];   /* initial sums; like the next, for the first and the second 8 channels */
    scales scales[2];
    __m256i *weights;   /* reordered */
    int16_t *tile;
} block;

/* The weights of one tap: 16, 8 or 4 lanes. */
AVX2_INLINE __m128i load_tap(const int8_t *from, uint32_t lanes)
{
    int32_t word;

    if (lanes == 2 * LANES) {
        return _mm_loadu_si128((const __m128i *)(const void *)from);
    }
    if (lanes == LANES) {
        return _mm_loadl_epi64((const __m128i *)(const void *)from);
    }
    memcpy(&word, from, sizeof word);
    return _mm_cvtsi32_si128(word);
}

/* Reorder the weights from [taps][lanes] to int16 [two taps][lanes][tap], for all runs. */
AVX2_INLINE void arrange_lanes(const block *b, const int8_t *weights, uint32_t lanes)
{
    __m256i *to = b->weights;

    for (uint32_t i = 0; i < b->runs; i++) {
        for (uint32_t tap = 0; tap < b->run; tap += 2, weights += 2 * lanes) {
            const __m128i left = load_tap(weights, lanes);
            const __m128i right =
                tap + 1 < b->run ? load_tap(weights + lanes, lanes) : _mm_setzero_si128();

            *to++ = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(left, right));
            if (lanes > LANES) {
                *to++ = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(left, right));
            }
        }
        weights -= b->run % 2 * lanes;
    }
}

static ESR_NOINLINE AVX2 void arrange_weights(const block *b, const int8_t *weights)
{
    if (b->lanes == 2 * LANES) {
        arrange_lanes(b, weights, 2 * LANES);
    } else if (b->lanes == LANES) {
        arrange_lanes(b, weights, LANES);
    } else {
        arrange_lanes(b, weights, LANES / 2);
    }
}

/* Store the 16 channels of one pixel (`two`), or 8 channels of two pixels. */
AVX2_INLINE void store_plain(const block *b, __m256i first, __m256i second, uint32_t pixel,
                             uint32_t count, int two)
{
    const esr_conv *args = b->args;
    const __m128i bytes =
        pack_at(requantize(&b->scales[0], first), requantize(&b->scales[two], second),
                args->out_zero_point, args->low, args->high);
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int8_t values[2 * LANES];

    if (two && b->outputs == 2 * LANES) {
        _mm_storeu_si128((__m128i *)(void *)out, bytes);
        return;
    }
    if (b->outputs == LANES) {
        _mm_storel_epi64((__m128i *)(void *)out, bytes);
        if (count > 1) {
            _mm_storel_epi64((__m128i *)(void *)(out + args->out_channels),
                             _mm_unpackhi_epi64(bytes, bytes));
        }
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)values, bytes);
    for (uint32_t i = 0; i < count; i++, out += args->out_channels) {
        for (uint32_t j = 0; j < b->outputs; j++) {
            out[j] = values[i * LANES + j];
        }
    }
}

/* The same for scales out of the range of store_plain(). */
static AVX2 void store_any(const block *b, const __m256i *sums, uint32_t pixel, uint32_t count)
{
    const esr_conv *args = b->args;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int32_t values[2 * LANES];

    memcpy(values, sums, sizeof values);
    for (uint32_t i = 0; i < count; i++, out += args->out_channels) {
        for (uint32_t j = 0; j < b->outputs; j++) {
            out[j] = esr_store(esr_multiply(values[i * LANES + j],
                                            args->scales[b->out_first + j]),
                               args->out_zero_point, args->low, args->high);
        }
    }
}

/* --- tiles */

AVX2_INLINE void widen(int16_t *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* Columns of the input that the windows of neighbouring pixels cover. */
static uint32_t columns_of(const esr_conv *args, uint32_t pixels)
{
    return (pixels - 1) * args->stride_w + (args->kernel_w - 1) * esr_dilation_w(args) + 1;
}

/* Copy the windows of `count` pixels from `first` on, unless a block of the same group has. Values
 * beyond the row's end are arbitrary. */
static AVX2 void fill_tile(block *b, uint32_t first, uint32_t count)
{
    const esr_conv *args = b->args;
    const uint32_t columns = columns_of(args, count), group = b->in_first / b->inputs + 1;
    int16_t *to = b->tile;

    if (count == args->pixels && b->filled == group) {
        return;
    }
    b->filled = group;
    for (uint32_t y = 0; y < args->kernel_h; y++, to += b->stride) {
        const int8_t *from = esr_window_row(&args->in, y * esr_dilation_h(args)) +
                             (size_t)first * args->stride_w * args->in_channels + b->in_first;
        const uint32_t values = columns * b->inputs;

        memset(to + values, 0, (b->stride - values) * sizeof *to);
        if (args->groups == 1) {
            widen(to, from, values);
        } else {
            for (uint32_t i = 0; i < columns; i++) {
                widen(to + i * b->inputs, from + (size_t)i * args->in_channels, b->inputs);
            }
        }
    }
}

AVX2_INLINE __m256i two_taps(const int16_t *taps)
{
    int32_t word;

    memcpy(&word, taps, sizeof word);
    return _mm256_set1_epi32(word);
}

AVX2_INLINE __m256i add(__m256i sum, __m256i taps, __m256i weights)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(taps, weights));
}

/* Add the products of a run of inputs for SUMS pixels, or for SUMS / 2 pixels with 16 channels each
 * (`two`). */
AVX2_INLINE void add_run(const block *b, const int16_t *x, const __m256i *weights, __m256i *sums,
                         int two)
{
    const size_t step = (size_t)b->args->stride_w * b->inputs;

    for (uint32_t i = 0; i < b->steps; i++, x += 2, weights += 1 + two) {
        const __m256i first = weights[0], second = weights[two];

#pragma GCC unroll 8
        for (uint32_t v = 0; v < SUMS; v += 2) {
            const __m256i taps = two_taps(x + (two ? v / 2 : v) * step);

            sums[v] = add(sums[v], taps, first);
            sums[v + 1] = add(sums[v + 1], two ? taps : two_taps(x + (v + 1) * step), second);
        }
    }
}

AVX2_INLINE void add_products(const block *b, uint32_t pixel, __m256i *sums, int two)
{
    const size_t tap_step = (size_t)esr_dilation_w(b->args) * b->inputs;
    const __m256i *weights = b->weights;
    const int16_t *row = b->tile + (size_t)pixel * b->args->stride_w * b->inputs;

    for (uint32_t y = 0; y < b->args->kernel_h; y++, row += b->stride) {
        const int16_t *x = row;

        for (uint32_t tap = 0; tap < b->taps; tap++, x += tap_step) {
            add_run(b, x, weights, sums, two);
            weights += b->steps * (uint32_t)(1 + two);
        }
    }
}

AVX2_INLINE void run_pixels(const block *b, uint32_t first, uint32_t pixel, int two)
{
    const uint32_t left = b->args->pixels - first - pixel, pair = two ? 1 : 2;
    __m256i sums[SUMS];

    for (uint32_t v = 0; v < SUMS; v++) {
        sums[v] = b->start[two ? v % 2 : 0];
    }
    add_products(b, pixel, sums, two);
#pragma GCC unroll 8
    for (uint32_t v = 0; v < SUMS; v += 2) {
        /* A copy, so that the sums have no address and stay in registers. */
        const __m256i some[2] = {sums[v], sums[v + 1]};
        const uint32_t done = v / 2 * pair;

        if (done < left && b->plain) {
            store_plain(b, some[0], some[1], first + pixel + done, esr_min(left - done, pair),
                        two);
        } else if (done < left) {
            store_any(b, some, first + pixel + done, esr_min(left - done, pair));
        }
    }
}

AVX2_INLINE void run_block(block *b, int two)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = esr_min(b->args->pixels - first, b->pixels);

        fill_tile(b, first, count);
        for (uint32_t pixel = 0; pixel < count; pixel += two ? SUMS / 2 : SUMS) {
            run_pixels(b, first, pixel, two);
        }
    }
}

static ESR_NOINLINE AVX2 void run_one(block *b)
{
    run_block(b, 0);
}

static ESR_NOINLINE AVX2 void run_two(block *b)
{
    run_block(b, 1);
}

/* Values from row to row of a tile: its pixels, and those that the last step reads beyond them. */
static uint64_t stride_of(const block *b, uint32_t pixels)
{
    return (uint64_t)columns_of(b->args, pixels) * b->inputs + 1;
}

/* Choose the size of a tile. Returns 0 if the weights or the smallest tile do not fit, else 1. */
static int set_tile(block *b)
{
    if ((uint64_t)b->runs * b->steps * 2 > MAX_TAPS) {
        return 0;
    }
    b->pixels = esr_min(esr_round_up(b->args->pixels, SUMS), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_VALUES) {
        if (b->pixels == SUMS) {
            return 0;
        }
        b->pixels -= SUMS;
    }
    b->stride = (uint32_t)stride_of(b, b->pixels);
    return 1;
}

/* Prepare a block for `left` remaining channels: its lanes, initial sums and scales. */
AVX2_INLINE void prepare_block(block *b, uint32_t left)
{
    const esr_conv *args = b->args;
    int32_t bias[2 * LANES] = {0};
    uint32_t second;

    b->lanes = esr_conv_lanes(left);
    b->outputs = esr_min(left, b->lanes);
    second = b->outputs > LANES ? b->outputs - LANES : 0;
    memcpy(bias, args->bias + b->out_first, b->outputs * sizeof *bias);
    b->start[0] = load_256(bias);
    b->start[1] = load_256(bias + LANES);
    b->plain = prepare_scales(&b->scales[0], args->scales + b->out_first,
                              esr_min(b->outputs, LANES)) &&
               (second == 0 || prepare_scales(&b->scales[1],
                                              args->scales + b->out_first + LANES, second));
}

AVX2 void esr_avx2_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int whole = esr_dilation_w(args) == 1;
    const int8_t *weights = args->weights;
    __m256i arranged[MAX_TAPS];
    int16_t tile[TILE_VALUES];
    block b;

    b.args = args;
    b.inputs = args->in_channels / args->groups;
    b.taps = whole ? 1 : args->kernel_w;
    b.runs = args->kernel_h * b.taps;
    b.run = whole ? args->kernel_w * b.inputs : b.inputs;
    b.steps = (b.run + 1) / 2;
    b.weights = arranged;
    b.tile = tile;
    b.filled = 0;
    if (!set_tile(&b)) { /* the portable kernel has no such limits */
        esr_conv_row(args);
        return;
    }
    for (b.out_first = 0; b.out_first < args->out_channels; b.out_first += b.outputs) {
        b.in_first = b.out_first / outputs * b.inputs;
        prepare_block(&b, outputs - b.out_first % outputs);
        arrange_weights(&b, weights);
        weights += (size_t)b.runs * b.run * b.lanes;
        (b.lanes > LANES ? run_two : run_one)(&b);
    }
}

#endif
