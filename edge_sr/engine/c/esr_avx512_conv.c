/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions for AVX-512.
 *
 * One instruction multiplies four unsigned bytes with four signed ones and adds the products, in
 * each of 16 lanes. Lanes are output channels; four neighbouring taps of a run of inputs are one
 * step. A tile of the input is copied with its sign bits flipped, which adds 128 to each value; the
 * sums are reduced by what this adds to them.
 *
 * The weights of a step are reordered: for long rows once a row, in memory; for short ones whenever
 * they are needed, and two or four blocks of output channels run together.
 */
#include "esr_avx512.h"

#if ESR_X86

#include <string.h>

#define MOST_VECTORS 16 /* vectors of sums, in registers */
#define MOST_BLOCKS 4   /* blocks of output channels that share the loads of inputs */
#define PACKED_VECTORS 12
#define LONG 24 /* pixels from which on a row is long */
#define TILE_PIXELS 96
#define TILE_BYTES 24576
#define MAX_STEPS 1024

/* A block of output channels of one group. Slots beyond the channels are arbitrary. */
typedef struct block {
    uint32_t out_first; /* its first output channel */
    uint32_t outputs;   /* its output channels, at most the lanes of its weights */
    int32_t plain;      /* whether requantize() is exact */
    const int8_t *weights;
    __m512i start;      /* initial sums; if weights are reordered in memory, without the excess */
    wide_scales scales;
} block;

/* A row, and the blocks that run together. Two pixels share a vector if a block has at most 8
 * channels, and four if it has at most 4. */
typedef struct job {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t taps;      /* runs of contiguous inputs per kernel row */
    uint32_t run;       /* length of a run */
    uint32_t steps;     /* steps of a run */
    uint32_t all_steps; /* steps of a window */
    size_t apart;       /* bytes from the weights of a block to those of the next */
    uint32_t lanes;     /* of the weights of the blocks */
    uint32_t packed;    /* pixels of a vector: 1, 2 or 4 */
    uint32_t slots;     /* lanes of each pixel */
    uint32_t vectors;   /* vectors of sums of each block */
    uint32_t pixels;    /* maximum pixels of a tile; a multiple of vectors * packed */
    uint32_t stride;    /* of a tile's rows, in bytes */
    int32_t in_memory;  /* whether weights are reordered in memory */
    uint32_t filled;    /* the group whose inputs the tile holds, from 1; 0: none */
    __m512i order;      /* indices of a step's weights */
    __m512i spread;     /* indices of a vector's taps in 64 inputs, if it holds several pixels */
    __m512i gather;     /* indices of the outputs of four vectors */
    block blocks[MOST_BLOCKS];
    __m512i *arranged;
    uint8_t *tile;
} job;

/* --- preparation */

/* Reorder a step's weights from [four taps][lanes] to [pixels of a vector][lanes][four taps].
 * `whole`: the mask has all bytes; such a load needs no arithmetic unit. */
AVX512_INLINE __m512i arrange(const job *j, const int8_t *weights, __mmask64 mask, int whole)
{
    return _mm512_permutexvar_epi8(j->order, whole ? _mm512_loadu_si512(weights)
                                                   : _mm512_maskz_loadu_epi8(mask, weights));
}

/* Prepare the indices for arrange(). */
AVX512_INLINE void prepare_order(job *j)
{
    const __m512i lane = _mm512_and_si512(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32((int32_t)j->lanes - 1));
    const __m512i taps = _mm512_set1_epi32((int32_t)(j->lanes * 0x03020100));

    j->order = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101)), taps);
}

/* Add what the flipped sign bits add to sums. */
AVX512_INLINE __m512i add_excess(__m512i sums, __m512i weights)
{
    return _mm512_dpbusd_epi32(sums, _mm512_set1_epi8((char)INT8_MIN), weights);
}

/* Reorder the weights of a run of inputs in memory. Adds the excess to four vectors of sums. */
AVX512_INLINE void arrange_run(const job *j, __m512i *to, const int8_t *weights, __m512i *sums,
                               int is_full)
{
    const uint32_t step = TAPS * j->lanes, whole = j->run / TAPS, rest = j->run % TAPS;
    const __mmask64 mask = first_bytes(step);
    uint32_t i = 0;

    for (; i + 4 <= whole; i += 4) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++, weights += step) {
            const __m512i w = arrange(j, weights, mask, is_full);

            to[i + k] = w;
            sums[k] = add_excess(sums[k], w);
        }
    }
    for (; i < j->steps; i++, weights += step) {
        to[i] = arrange(j, weights, i < whole ? mask : first_bytes(rest * j->lanes), 0);
        sums[0] = add_excess(sums[0], to[i]);
    }
}

/* Reorder a block's weights in memory. Returns the excess. */
AVX512_INLINE __m512i arrange_weights(const job *j, const int8_t *weights)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i sums[4] = {zero, zero, zero, zero}, *to = j->arranged;

    for (uint32_t i = 0; i < j->args->kernel_h * j->taps; i++) {
        if (j->lanes == LANES) {
            arrange_run(j, to, weights, sums, 1);
        } else {
            arrange_run(j, to, weights, sums, 0);
        }
        to += j->steps;
        weights += (size_t)j->run * j->lanes;
    }
    return _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]),
                            _mm512_add_epi32(sums[2], sums[3]));
}

/* Prepare a block: its initial sums and scales, and its weights if they are reordered in memory. */
static ESR_NOINLINE AVX512 void prepare_block(const job *j, block *b)
{
    const esr_conv *args = j->args;
    const __m512i lane = _mm512_and_si512(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32((int32_t)j->lanes - 1));

    b->start = _mm512_permutexvar_epi32(
        lane, _mm512_maskz_loadu_epi32(first_lanes(b->outputs), args->bias + b->out_first));
    if (j->in_memory) {
        b->start = _mm512_sub_epi32(b->start, arrange_weights(j, b->weights));
    }
    b->plain = widen_scales(&b->scales, args->scales + b->out_first, b->outputs, j->lanes);
}

/* Prepare the indices of a vector's taps in the input, if it holds several pixels. */
AVX512_INLINE void prepare_spread(job *j)
{
    uint8_t spread[BYTES];

    for (uint32_t pixel = 0, i = 0; i < BYTES; pixel++) {
        for (const uint32_t end = i + TAPS * j->slots; i < end; i++) {
            spread[i] = (uint8_t)(pixel * j->args->stride_w * j->inputs + i % TAPS);
        }
    }
    j->spread = _mm512_loadu_si512(spread);
}

/* Prepare the indices of the outputs of four vectors in pack()'s result. */
AVX512_INLINE void prepare_gather(job *j, uint32_t outputs)
{
    uint8_t gather[BYTES];

    if (outputs == LANES) { /* often, and without a loop */
        j->gather = _mm512_setr_epi32(
            0x03020100, 0x13121110, 0x23222120, 0x33323130, 0x07060504, 0x17161514, 0x27262524,
            0x37363534, 0x0b0a0908, 0x1b1a1918, 0x2b2a2928, 0x3b3a3938, 0x0f0e0d0c, 0x1f1e1d1c,
            0x2f2e2d2c, 0x3f3e3d3c);
        return;
    }
    for (uint32_t i = 0, slot = 0, output = 0; i < BYTES; i++) {
        const uint32_t lane = slot + output;

        gather[i] = (uint8_t)(lane % LANES / 4 * 16 + lane / LANES * 4 + lane % 4);
        if (++output == outputs) {
            output = 0;
            slot += j->slots;
        }
    }
    j->gather = _mm512_loadu_si512(gather);
}

/* --- tiles */

/* Copy the first `bytes` of a row with flipped sign bits. Bytes after them are arbitrary. */
AVX512_INLINE void fill_row(uint8_t *to, const int8_t *from, uint32_t bytes, uint32_t stride)
{
    const __m512i flip = _mm512_set1_epi8((char)INT8_MIN);
    uint32_t i = 0;

    for (; i + BYTES <= bytes; i += BYTES) {
        _mm512_store_si512(to + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), flip));
    }
    _mm512_store_si512(
        to + i,
        _mm512_xor_si512(_mm512_maskz_loadu_epi8(first_bytes(bytes - i), from + i), flip));
    for (i += BYTES; i < stride; i += BYTES) {
        _mm512_store_si512(to + i, flip);
    }
}

/* The same for the group's channels of `columns` pixels. */
static AVX512 void fill_group_row(const job *j, uint8_t *to, const int8_t *from, uint32_t columns)
{
    memset(to, 0, j->stride);
    for (; columns > 0; columns--, from += j->args->in_channels) {
        for (uint32_t i = 0; i < j->inputs; i++) {
            *to++ = (uint8_t)from[i] ^ 0x80;
        }
    }
}

/* Columns of the input that the windows of neighbouring pixels cover. */
static uint32_t columns_of(const esr_conv *args, uint32_t pixels)
{
    return (pixels - 1) * args->stride_w + (args->kernel_w - 1) * esr_dilation_w(args) + 1;
}

/* Copy the windows of `count` pixels from `first` on, unless a block of the same group has. */
AVX512_INLINE void fill_tile(job *j, uint32_t first, uint32_t count)
{
    const esr_conv *args = j->args;
    const uint32_t columns = columns_of(args, count), group = j->in_first / j->inputs + 1;
    uint8_t *to = j->tile;

    if (count == args->pixels && j->filled == group) {
        return;
    }
    j->filled = group;
    for (uint32_t y = 0; y < args->kernel_h; y++, to += j->stride) {
        const int8_t *from = esr_window_row(&args->in, y * esr_dilation_h(args)) +
                             (size_t)first * args->stride_w * args->in_channels + j->in_first;

        if (args->groups == 1) {
            fill_row(to, from, columns * j->inputs, j->stride);
        } else {
            fill_group_row(j, to, from, columns);
        }
    }
}

/* Bytes from row to row of a tile: its pixels, and those that the last step reads beyond them. */
static uint64_t stride_of(const job *j, uint32_t pixels)
{
    return ((uint64_t)columns_of(j->args, pixels) * j->inputs + 2 * BYTES - 1) / BYTES * BYTES;
}

/* Whether a row of `pixels` takes fewer vectors of `more` pixels than of `fewer`, or as many. */
static int prefers(uint32_t pixels, uint32_t more, uint32_t fewer)
{
    return esr_round_up(pixels, more) <= esr_round_up(pixels, fewer);
}

/* The vectors of sums of each block that compute a row with the fewest vectors. */
static uint32_t vectors_for(uint32_t pixels, int in_memory)
{
    if (in_memory) {
        return prefers(pixels, 16, 12) ? 16 : 12;
    }
    if (pixels > 4) {
        return prefers(pixels, 8, 6) ? 8 : 6;
    }
    return pixels > 2 ? 4 : 2;
}

/* Choose the size of a tile. Returns 0 if the smallest one does not fit, else 1. */
static int set_tile(job *j)
{
    const uint32_t step = j->vectors * j->packed;

    j->pixels = esr_min(esr_round_up(j->args->pixels, step), TILE_PIXELS / step * step);
    while (j->args->kernel_h * stride_of(j, j->pixels) > TILE_BYTES) {
        if (j->pixels == step) {
            return 0;
        }
        j->pixels -= step;
    }
    j->stride = (uint32_t)stride_of(j, j->pixels);
    return 1;
}

/* Choose how blocks are computed when `left` channels of a group are left. Returns 0 if even the
 * smallest tile does not fit, else 1. */
static AVX512 int choose(job *j, uint32_t left)
{
    const uint32_t pixels = j->args->pixels;
    const int is_long = pixels > LONG || (pixels > 8 && left < 2 * LANES);

    j->lanes = esr_conv_lanes(left);
    j->in_memory = is_long && j->all_steps <= MAX_STEPS;
    j->packed = j->in_memory ? LANES / j->lanes : 1;
    if ((j->packed - 1) * (uint64_t)j->args->stride_w * j->inputs + TAPS > BYTES) {
        j->packed = 1;
    }
    j->vectors = j->packed > 1 ? PACKED_VECTORS : vectors_for(pixels, j->in_memory);
    if (!set_tile(j)) {
        j->in_memory = 0;
        j->packed = 1;
        j->vectors = 2;
        if (!set_tile(j)) {
            return 0;
        }
    }
    j->slots = LANES / j->packed;
    j->filled = 0;
    prepare_order(j);
    if (j->packed > 1) {
        prepare_spread(j);
    }
    return 1;
}

/* Whether the last choice holds when `left` channels are left. */
static int is_chosen(uint32_t before, uint32_t left)
{
    return before != 0 && (before < 2 * LANES) == (left < 2 * LANES) &&
           esr_conv_lanes(before) == esr_conv_lanes(left);
}

/* --- sums */

/* Broadcast four taps to all lanes; if `packed`, each pixel's taps to its own lanes. */
AVX512_INLINE __m512i four_taps(const job *j, const uint8_t *taps, int packed)
{
    int32_t word;

    if (packed) {
        return _mm512_permutexvar_epi8(j->spread, _mm512_loadu_si512(taps));
    }
    memcpy(&word, taps, sizeof word);
    return _mm512_set1_epi32(word);
}

/* The sums of a few pixels: `vectors` (an even number) of each of `blocks` blocks. */
typedef struct sums {
    __m512i of[MOST_VECTORS];
    __m512i excess[MOST_BLOCKS]; /* what the flipped sign bits have added */
} sums;

/* Add the products of a step. `w`: the weights of each block. */
AVX512_INLINE void add_step(const job *j, sums *s, const uint8_t *x, size_t step, const __m512i *w,
                            uint32_t vectors, uint32_t blocks, int packed)
{
#pragma GCC unroll 8
    for (uint32_t v = 0; v < vectors; v += 2, x += 2 * step) {
        const __m512i left = four_taps(j, x, packed), right = four_taps(j, x + step, packed);

#pragma GCC unroll 4
        for (uint32_t b = 0; b < blocks; b++) {
            __m512i *two = s->of + b * vectors + v;

            two[0] = _mm512_dpbusd_epi32(two[0], left, w[b]);
            two[1] = _mm512_dpbusd_epi32(two[1], right, w[b]);
        }
    }
}

/* The same for the next step, whose weights are in memory in the file's order. */
AVX512_INLINE void arrange_step(const job *j, sums *s, const uint8_t *x, size_t step,
                                const int8_t *weights, __mmask64 mask, int is_whole,
                                uint32_t vectors, uint32_t blocks)
{
    __m512i w[MOST_BLOCKS];

#pragma GCC unroll 4
    for (uint32_t b = 0; b < blocks; b++) {
        w[b] = arrange(j, weights + b * j->apart, mask, is_whole);
        s->excess[b] = add_excess(s->excess[b], w[b]);
    }
    add_step(j, s, x, step, w, vectors, blocks, 0);
}

/* Add the products of a run of inputs. `number`: of the run in the window. */
AVX512_INLINE void add_run(const job *j, sums *s, const uint8_t *x, uint32_t number,
                           uint32_t vectors, uint32_t blocks, int packed, int in_memory)
{
    const size_t step = (size_t)j->args->stride_w * j->inputs * (packed ? j->packed : 1);
    const __m512i *arranged = j->arranged + (size_t)number * j->steps;
    const int8_t *weights = j->blocks[0].weights + (size_t)number * j->run * j->lanes;
    const uint32_t whole = j->run / TAPS, bytes = TAPS * j->lanes;
    const __mmask64 mask = first_bytes(bytes);

    if (in_memory) {
        for (uint32_t i = 0; i < j->steps; i++, x += TAPS) {
            add_step(j, s, x, step, arranged + i, vectors, 1, packed);
        }
        return;
    }
    for (uint32_t i = 0; i < whole; i++, x += TAPS, weights += bytes) {
        arrange_step(j, s, x, step, weights, mask, blocks > 1, vectors, blocks);
    }
    if (whole < j->steps) {
        arrange_step(j, s, x, step, weights, first_bytes(j->run % TAPS * j->lanes), 0, vectors,
                     blocks);
    }
}

AVX512_INLINE void add_products(const job *j, sums *s, uint32_t pixel, uint32_t vectors,
                                uint32_t blocks, int packed, int in_memory)
{
    const size_t tap_step = (size_t)esr_dilation_w(j->args) * j->inputs;
    const uint8_t *row = j->tile + (size_t)pixel * j->args->stride_w * j->inputs;

    for (uint32_t y = 0; y < j->args->kernel_h; y++, row += j->stride) {
        for (uint32_t tap = 0; tap < j->taps; tap++) {
            add_run(j, s, row + tap * tap_step, y * j->taps + tap, vectors, blocks, packed,
                    in_memory);
        }
    }
}

/* --- outputs */

/* Saturate four vectors to bytes and add the zero point: lane l of vector v becomes byte
 * l / 4 * 16 + v * 4 + l % 4. */
AVX512_INLINE __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d, int32_t zero_point)
{
    const __m512i point = _mm512_set1_epi16((int16_t)zero_point);

    return _mm512_packs_epi16(_mm512_adds_epi16(_mm512_packs_epi32(a, b), point),
                              _mm512_adds_epi16(_mm512_packs_epi32(c, d), point));
}

/* Requantize and clamp four vectors. */
AVX512_INLINE __m512i bytes_of(const job *j, const wide_scales *s, const __m512i *sums,
                               int is_relu)
{
    const __m512i bytes = pack(requantize(s, sums[0], is_relu), requantize(s, sums[1], is_relu),
                               requantize(s, sums[2], is_relu), requantize(s, sums[3], is_relu),
                               j->args->out_zero_point);

    return _mm512_permutexvar_epi8(j->gather, clamp(bytes, j->args->low, j->args->high));
}

AVX512_INLINE void store_16(int8_t *out, __m128i bytes)
{
    _mm_storeu_si128((__m128i *)(void *)out, bytes);
}

/* Store the vectors of a block with all channels, which hold `count` pixels. */
AVX512_INLINE void store_all(const job *j, const block *b, const __m512i *sums, uint32_t pixel,
                             uint32_t count, int is_relu)
{
    const wide_scales scales = b->scales; /* a copy, which stores cannot change */
    const uint32_t bytes = count * b->outputs, step = 4 * j->packed * b->outputs;
    int8_t *out = j->args->out + (size_t)pixel * b->outputs;

    for (uint32_t done = 0; done < bytes; done += step, sums += 4) {
        _mm512_mask_storeu_epi8(out + done, first_bytes(esr_min(bytes - done, step)),
                                bytes_of(j, &scales, sums, is_relu));
    }
}

/* The same for a block of several, one pixel in each vector. */
AVX512_INLINE void store_some(const job *j, const block *b, const __m512i *sums, uint32_t pixel,
                              uint32_t count, int is_relu)
{
    const esr_conv args = *j->args;
    const wide_scales scales = b->scales;
    const __mmask16 mask = first_lanes(b->outputs);
    int8_t *out = args.out + (size_t)pixel * args.out_channels + b->out_first;
    uint32_t i = 0;

    for (; i + 4 <= count && b->outputs == LANES; i += 4, out += 4 * (size_t)args.out_channels) {
        const __m512i bytes = bytes_of(j, &scales, sums + i, is_relu);

        store_16(out, _mm512_castsi512_si128(bytes));
        store_16(out + args.out_channels, _mm512_extracti32x4_epi32(bytes, 1));
        store_16(out + 2 * (size_t)args.out_channels, _mm512_extracti32x4_epi32(bytes, 2));
        store_16(out + 3 * (size_t)args.out_channels, _mm512_extracti32x4_epi32(bytes, 3));
    }
    for (; i < count; i++, out += args.out_channels) {
        store_lanes(out, mask, requantize(&scales, sums[i], is_relu), args.out_zero_point,
                    args.low, args.high);
    }
}

/* The same for several pixels in each vector. */
AVX512_INLINE void store_packed(const job *j, const block *b, const __m512i *sums, uint32_t pixel,
                                uint32_t count)
{
    const esr_conv args = *j->args;
    int8_t *out = args.out + (size_t)pixel * args.out_channels + b->out_first, bytes[LANES];

    for (uint32_t i = 0; i < count; i++, out += args.out_channels) {
        if (i % j->packed == 0) {
            store_lanes(bytes, first_lanes(LANES), requantize(&b->scales, *sums++, 0),
                        args.out_zero_point, args.low, args.high);
        }
        memcpy(out, bytes + i % j->packed * j->slots, b->outputs);
    }
}

/* The same for scales out of the range of requantize(). */
static AVX512 void store_any(const job *j, const block *b, const __m512i *sums, uint32_t pixel,
                             uint32_t count)
{
    const esr_conv *args = j->args;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int32_t values[LANES];

    for (uint32_t i = 0; i < count; i++, out += args->out_channels) {
        const uint32_t slot = i % j->packed * j->slots;

        if (slot == 0) {
            memcpy(values, &sums[i / j->packed], sizeof values);
        }
        for (uint32_t k = 0; k < b->outputs; k++) {
            out[k] = esr_store(esr_multiply(values[slot + k], args->scales[b->out_first + k]),
                               args->out_zero_point, args->low, args->high);
        }
    }
}

/* Store the sums of one block. */
AVX512_INLINE void store_block(const job *j, const block *b, const __m512i *sums, uint32_t pixel,
                               uint32_t count, int is_relu)
{
    if (!b->plain) {
        store_any(j, b, sums, pixel, count);
    } else if (b->outputs == j->args->out_channels && j->vectors % 4 == 0) {
        store_all(j, b, sums, pixel, count, is_relu);
    } else if (j->packed == 1) {
        store_some(j, b, sums, pixel, count, is_relu);
    } else {
        store_packed(j, b, sums, pixel, count);
    }
}

static ESR_NOINLINE AVX512 void store(const job *j, const block *b, const __m512i *sums,
                                      uint32_t pixel, uint32_t count)
{
    if (j->args->low >= j->args->out_zero_point) {
        store_block(j, b, sums, pixel, count, 1);
    } else {
        store_block(j, b, sums, pixel, count, 0);
    }
}

/* --- rows */

/* Compute vectors * packed pixels, or the rest of the row. `pixel` is relative to the tile. */
AVX512_INLINE void run_pixels(const job *j, uint32_t first, uint32_t pixel, uint32_t vectors,
                              uint32_t blocks, int packed, int in_memory)
{
    const uint32_t count =
        esr_min(j->args->pixels - first - pixel, vectors * (packed ? j->packed : 1));
    __m512i done[MOST_VECTORS];
    sums s;

#pragma GCC unroll 16
    for (uint32_t i = 0; i < vectors * blocks; i++) {
        s.of[i] = j->blocks[i / vectors].start;
        s.excess[i / vectors] = _mm512_setzero_si512();
    }
    add_products(j, &s, pixel, vectors, blocks, packed, in_memory);
#pragma GCC unroll 16
    for (uint32_t i = 0; i < vectors * blocks; i++) {
        /* Another array, so that the sums have no address and stay in registers. */
        done[i] = in_memory ? s.of[i] : _mm512_sub_epi32(s.of[i], s.excess[i / vectors]);
    }
    for (uint32_t b = 0; b < blocks; b++) {
        store(j, &j->blocks[b], done + b * vectors, first + pixel, count);
    }
}

AVX512_INLINE void run_blocks(job *j, uint32_t vectors, uint32_t blocks, int packed, int in_memory)
{
    for (uint32_t first = 0; first < j->args->pixels; first += j->pixels) {
        const uint32_t count = esr_min(j->args->pixels - first, j->pixels);

        fill_tile(j, first, count);
        for (uint32_t pixel = 0; pixel < count; pixel += vectors * (packed ? j->packed : 1)) {
            run_pixels(j, first, pixel, vectors, blocks, packed, in_memory);
        }
    }
}

static ESR_NOINLINE AVX512 void run_packed(job *j)
{
    run_blocks(j, PACKED_VECTORS, 1, 1, 1);
}

#define RUN(vectors, blocks)                                                                     \
    static ESR_NOINLINE AVX512 void run_##vectors##_##blocks(job *j)                             \
    {                                                                                            \
        run_blocks(j, vectors, blocks, 0, vectors > 8);                                          \
    }

RUN(16, 1)
RUN(12, 1)
RUN(8, 2)
RUN(8, 1)
RUN(6, 2)
RUN(6, 1)
RUN(4, 4)
RUN(4, 1)
RUN(2, 4)
RUN(2, 1)

/* The blocks that run together: enough to hide the latency of an addition. */
static uint32_t blocks_for(const job *j, uint32_t left)
{
    const uint32_t blocks = j->vectors > 8 ? 1 : j->vectors > 4 ? 2 : 4;

    return j->lanes == LANES && blocks * LANES <= left ? blocks : 1;
}

static void run(job *j, uint32_t blocks)
{
    switch (j->packed > 1 ? 0 : j->vectors) {
    case 0:
        run_packed(j);
        break;
    case 16:
        run_16_1(j);
        break;
    case 12:
        run_12_1(j);
        break;
    case 8:
        (blocks > 1 ? run_8_2 : run_8_1)(j);
        break;
    case 6:
        (blocks > 1 ? run_6_2 : run_6_1)(j);
        break;
    case 4:
        (blocks > 1 ? run_4_4 : run_4_1)(j);
        break;
    default:
        (blocks > 1 ? run_2_4 : run_2_1)(j);
        break;
    }
}

/* Compute the next blocks of a group, of which `left` channels are left, from channel `first` on.
 * Returns the number of channels computed. */
static AVX512 uint32_t run_next(job *j, const int8_t **weights, uint32_t first, uint32_t left)
{
    const uint32_t count = blocks_for(j, left);
    uint32_t done = 0;

    j->apart = (size_t)j->args->kernel_h * j->taps * j->run * j->lanes;
    for (uint32_t i = 0; i < count; i++) {
        block *b = &j->blocks[i];

        b->out_first = first + done;
        b->outputs = esr_min(left - done, j->lanes);
        b->weights = *weights;
        prepare_block(j, b);
        *weights += j->apart;
        done += b->outputs;
    }
    prepare_gather(j, j->blocks[0].outputs);
    run(j, count);
    return done;
}

AVX512 void esr_avx512_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int8_t *weights = args->weights;
    __m512i arranged[MAX_STEPS];
    uint8_t tile[TILE_BYTES] __attribute__((aligned(BYTES)));
    job j;

    j.args = args;
    j.inputs = args->in_channels / args->groups;
    j.taps = esr_dilation_w(args) == 1 ? 1 : args->kernel_w;
    j.run = esr_dilation_w(args) == 1 ? args->kernel_w * j.inputs : j.inputs;
    j.steps = (j.run + TAPS - 1) / TAPS;
    j.all_steps = args->kernel_h * j.taps * j.steps;
    j.arranged = arranged;
    j.tile = tile;
    j.in_first = 0;
    for (uint32_t first = 0, before = 0; first < args->out_channels; first += outputs) {
        for (uint32_t done = 0; done < outputs;) {
            const uint32_t left = outputs - done;

            if (!is_chosen(before, left) && !choose(&j, left)) {
                esr_conv_row(args); /* which has no such limits */
                return;
            }
            before = left;
            done += run_next(&j, &weights, first + done, left);
        }
        j.in_first += j.inputs;
    }
}

#endif
