/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions and PReLU for x86-64 with AVX2. Other operators use the
 * portable kernels, which are compiled for AVX2 too.
 */
#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline AVX2 __attribute__((always_inline))

/* --- convolutions
 *
 * One instruction multiplies two pairs of int16 and adds both products, in each of 8 lanes. Lanes
 * are output channels; two neighbouring taps of a kernel row are one step. A tile of the input is
 * widened to int16. */
#define LANES 8
#define SUMS 8 /* vectors of sums, in registers: of 8 pixels, or of 4 with two vectors each */
#define TILE_PIXELS 64
#define TILE_VALUES 8192
#define MAX_TAPS 1024

/* Constants that requantize 8 sums, for even and odd lanes. */
typedef struct scales {
    __m256i multiplier[2];
    __m256i addend[2];
    __m256i negative_addend[2];
    __m256i shift[2];
    __m256i surplus;
} scales;

/* A block of output channels of one group, ready to run. */
typedef struct block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* output channels of the block */
    uint32_t lanes;     /* of the block's weights, at least `outputs` */
    uint32_t run;       /* taps of a kernel row */
    uint32_t steps;     /* steps of a kernel row */
    uint32_t pixels;    /* maximum pixels of a tile; a multiple of SUMS */
    uint32_t stride;    /* of a tile's rows */
    int32_t plain;      /* whether requantize() is exact */
    __m256i start[2];   /* initial sums; like the next, for the first and the second 8 channels */
    scales scales[2];
    const int16_t *weights;
    const int16_t *tile;
} block;

AVX2_INLINE __m256i load_256(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* Reorder the weights from [taps][lanes] to int16 [two taps][lanes][tap], for all kernel rows. */
static AVX2 void arrange_weights(const block *b, int16_t *to, const int8_t *weights)
{
    const uint32_t wide = b->lanes < LANES ? LANES : b->lanes;

    memset(to, 0, (size_t)b->args->kernel_h * b->steps * 2 * wide * sizeof *to);
    for (uint32_t y = 0; y < b->args->kernel_h; y++, to += b->steps * 2 * wide) {
        for (uint32_t tap = 0; tap < b->run; tap++, weights += b->lanes) {
            int16_t *pairs = to + tap / 2 * 2 * wide + tap % 2;

            for (uint32_t lane = 0; lane < b->lanes; lane++) {
                pairs[2 * lane] = weights[lane];
            }
        }
    }
}

/* AVX2 has no arithmetic shift of 64 bits: 2^63 is added before a logical shift, and the surplus
 * subtracted after it. */
AVX2_INLINE int prepare_scales(scales *to, const esr_conv *args, uint32_t first, uint32_t count)
{
    int64_t multiplier[LANES], negative_addend[LANES], shift[LANES];
    uint64_t addend[LANES];
    uint32_t surplus[LANES];

    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t index = i % 2 * (LANES / 2) + i / 2;
        const esr_scale scale = args->scales[first + esr_min(i, count - 1)];
        esr_wide_scale wide;

        if (!esr_widen_scale(&wide, scale, args->out_zero_point)) {
            return 0;
        }
        multiplier[index] = wide.multiplier;
        addend[index] = ((uint64_t)1 << 63) + (uint64_t)wide.addend;
        negative_addend[index] = wide.negative_addend;
        shift[index] = wide.shift;
        surplus[i] = (uint32_t)((uint64_t)1 << (63 - wide.shift));
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        const uint32_t half = odd * (LANES / 2);

        to->multiplier[odd] = load_256(multiplier + half);
        to->addend[odd] = load_256(addend + half);
        to->negative_addend[odd] = load_256(negative_addend + half);
        to->shift[odd] = load_256(shift + half);
    }
    to->surplus = load_256(surplus);
    return 1;
}

AVX2_INLINE __m256i requantize_half(const scales *s, __m256i sums, uint32_t odd)
{
    const __m256i product = _mm256_mul_epi32(sums, s->multiplier[odd]);
    const __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), product);
    const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(product, s->addend[odd]),
                                         _mm256_and_si256(negative, s->negative_addend[odd]));

    return _mm256_srlv_epi64(sum, s->shift[odd]);
}

/* Requantize 8 sums, without clamping. */
AVX2_INLINE __m256i requantize(const scales *s, __m256i sums)
{
    const __m256i even = requantize_half(s, sums, 0);
    const __m256i odd = requantize_half(s, _mm256_srli_epi64(sums, 32), 1);

    return _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa),
                            s->surplus);
}

/* Convert 16 int32 to clamped int8. */
AVX2_INLINE __m128i pack(__m256i first, __m256i second, int32_t low, int32_t high)
{
    const __m256i words =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));

    return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)low)),
                        _mm_set1_epi8((char)high));
}

/* Store the 16 channels of one pixel (`two`), or 8 channels of two pixels. */
AVX2_INLINE void store_plain(const block *b, __m256i first, __m256i second, uint32_t pixel,
                             uint32_t count, int two)
{
    const esr_conv *args = b->args;
    const __m128i bytes = pack(requantize(&b->scales[0], first),
                               requantize(&b->scales[two], second), args->low, args->high);
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int8_t values[2 * LANES];

    if (two && b->outputs == 2 * LANES) {
        _mm_storeu_si128((__m128i *)(void *)out, bytes);
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

/* Copy pixels from `first` on to the tile. Values beyond the row's end are arbitrary. */
static AVX2 void fill_tile(const block *b, int16_t *tile, uint32_t first)
{
    const esr_conv *args = b->args;
    const uint32_t pixels = esr_min(args->pixels - first, b->pixels) + args->kernel_w - 1;

    for (uint32_t y = 0; y < args->kernel_h; y++, tile += b->stride) {
        const int8_t *from =
            esr_window_row(&args->in, y) + (size_t)first * args->in_channels + b->in_first;
        const uint32_t count = pixels * b->inputs;

        memset(tile + count, 0, (b->stride - count) * sizeof *tile);
        if (args->groups == 1) {
            widen(tile, from, count);
        } else {
            for (uint32_t i = 0; i < pixels; i++) {
                widen(tile + i * b->inputs, from + (size_t)i * args->in_channels, b->inputs);
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

/* Add the products of SUMS pixels, or of SUMS / 2 pixels with 16 channels each (`two`). */
AVX2_INLINE void add_products(const block *b, uint32_t pixel, __m256i *sums, int two)
{
    const size_t step = b->inputs;
    const __m256i *weights = (const __m256i *)(const void *)b->weights;
    const int16_t *row = b->tile + (size_t)pixel * step;

    for (uint32_t y = 0; y < b->args->kernel_h; y++, row += b->stride) {
        const int16_t *x = row;

        for (uint32_t i = 0; i < b->steps; i++, x += 2, weights += 1 + two) {
            const __m256i first = weights[0], second = weights[two];

#pragma GCC unroll 8
            for (uint32_t v = 0; v < SUMS; v += 2) {
                const __m256i taps = two_taps(x + (two ? v / 2 : v) * step);

                sums[v] = add(sums[v], taps, first);
                sums[v + 1] =
                    add(sums[v + 1], two ? taps : two_taps(x + (v + 1) * step), second);
            }
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

AVX2_INLINE void run_block(const block *b, int16_t *tile, int two)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = esr_min(b->args->pixels - first, b->pixels);

        fill_tile(b, tile, first);
        for (uint32_t pixel = 0; pixel < count; pixel += two ? SUMS / 2 : SUMS) {
            run_pixels(b, first, pixel, two);
        }
    }
}

static AVX2 void run_one(const block *b, int16_t *tile)
{
    run_block(b, tile, 0);
}

static AVX2 void run_two(const block *b, int16_t *tile)
{
    run_block(b, tile, 1);
}

/* Values from row to row of a tile: its pixels, and those that the last step reads beyond them. */
static uint32_t stride_of(const block *b, uint32_t pixels)
{
    return (pixels - 1 + b->args->kernel_w) * b->inputs + 1;
}

/* Choose the size of a tile. Returns 0 if the weights or the smallest tile do not fit, else 1. */
static int set_tile(block *b)
{
    if (b->args->kernel_h * b->steps * 2 > MAX_TAPS) {
        return 0;
    }
    b->pixels = esr_min(esr_round_up(b->args->pixels, SUMS), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_VALUES) {
        if (b->pixels == SUMS) {
            return 0;
        }
        b->pixels -= SUMS;
    }
    b->stride = stride_of(b, b->pixels);
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
    b->plain = prepare_scales(&b->scales[0], args, b->out_first, esr_min(b->outputs, LANES)) &&
               (second == 0 ||
                prepare_scales(&b->scales[1], args, b->out_first + LANES, second));
}

static AVX2 void avx2_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int8_t *weights = args->weights;
    int16_t arranged[MAX_TAPS * 2 * LANES] __attribute__((aligned(32)));
    int16_t tile[TILE_VALUES];
    block b;

    b.args = args;
    b.inputs = args->in_channels / args->groups;
    b.run = args->kernel_w * b.inputs;
    b.steps = (b.run + 1) / 2;
    b.weights = arranged;
    b.tile = tile;
    /* The portable kernel has no such limits. */
    if (esr_stride_w(args) != 1 || esr_dilation_h(args) != 1 || esr_dilation_w(args) != 1 ||
        !set_tile(&b)) {
        esr_conv_row(args);
        return;
    }
    for (b.out_first = 0; b.out_first < args->out_channels; b.out_first += b.outputs) {
        b.in_first = b.out_first / outputs * b.inputs;
        prepare_block(&b, outputs - b.out_first % outputs);
        arrange_weights(&b, arranged, weights);
        weights += (size_t)args->kernel_h * b.run * b.lanes;
        (b.lanes > LANES ? run_two : run_one)(&b, tile);
    }
}

/* --- PReLU */

/* An esr_branch in all lanes. */
typedef struct branch {
    __m256i high;
    __m256i low;
    __m256i addend;
    __m256i negative_addend;
    __m256i right;
} branch;

AVX2_INLINE branch branch_of(esr_scale scale)
{
    const esr_branch one = esr_branch_of(scale);
    const branch branch = {_mm256_set1_epi32(one.high), _mm256_set1_epi32(one.low),
                       _mm256_set1_epi32(one.addend), _mm256_set1_epi32(one.negative_addend),
                       _mm256_set1_epi32(one.right)};

    return branch;
}

typedef struct prelu {
    branch positive;
    branch negative;
    __m256i in_zero_point;
    __m256i out_zero_point;
} prelu;

AVX2_INLINE __m256i load_8(const int8_t *from)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

AVX2_INLINE __m256i choose(__m256i is_negative, __m256i positive, __m256i negative)
{
    return _mm256_blendv_epi8(positive, negative, is_negative);
}

AVX2_INLINE __m256i prelu_8(const prelu *s, const int8_t *in, const int8_t *alpha)
{
    const branch *p = &s->positive, *n = &s->negative;
    const __m256i x = _mm256_sub_epi32(load_8(in), s->in_zero_point);
    const __m256i negative_x = _mm256_srai_epi32(x, 31);
    const __m256i value =
        _mm256_mullo_epi32(x, choose(negative_x, _mm256_set1_epi32(1), load_8(alpha)));
    const __m256i low =
        _mm256_srai_epi32(_mm256_mullo_epi32(value, choose(negative_x, p->low, n->low)), 16);
    const __m256i high = _mm256_mullo_epi32(value, choose(negative_x, p->high, n->high));
    const __m256i negative =
        _mm256_and_si256(_mm256_srai_epi32(value, 31), n->negative_addend);
    const __m256i sum =
        _mm256_add_epi32(_mm256_add_epi32(high, low),
                         _mm256_add_epi32(choose(negative_x, p->addend, n->addend), negative));

    return _mm256_add_epi32(_mm256_srav_epi32(sum, choose(negative_x, p->right, n->right)),
                            s->out_zero_point);
}

AVX2_INLINE __m128i prelu_16(const prelu *s, const esr_prelu *args, const int8_t *in,
                              const int8_t *alpha)
{
    return pack(prelu_8(s, in, alpha), prelu_8(s, in + 8, alpha + 8), args->low, args->high);
}

static AVX2 void prelu_by_channel(const esr_prelu *args)
{
    const prelu s = {branch_of(args->positive), branch_of(args->negative),
                      _mm256_set1_epi32(args->in_zero_point),
                      _mm256_set1_epi32(args->out_zero_point)};
    const size_t count = (size_t)args->pixels * args->channels, whole = count / 16 * 16;
    int8_t alpha[ESR_MAX_ALPHAS + 16], rest[16] = {0};
    uint32_t channel = 0;

    esr_repeat_alphas(alpha, args, 16);
    for (size_t i = 0; i < whole; i += 16) {
        _mm_storeu_si128((__m128i *)(void *)(args->out + i),
                         prelu_16(&s, args, args->in + i, alpha + channel));
        channel = (channel + 16) % args->channels;
    }
    memcpy(rest, args->in + whole, count - whole);
    _mm_storeu_si128((__m128i *)(void *)rest, prelu_16(&s, args, rest, alpha + channel));
    memcpy(args->out + whole, rest, count - whole);
}

static void avx2_prelu_row(const esr_prelu *args)
{
    (esr_is_plain_prelu(args) ? prelu_by_channel : esr_prelu_row)(args);
}

const esr_x86_kernels esr_avx2 = {
    .conv_row = avx2_conv_row,
    .depthwise_row = esr_depthwise_row,
    .prelu_row = avx2_prelu_row,
    .lut_row = esr_lut_row,
    .add_row = esr_add_row,
    .copy_row = esr_copy_row,
#if ESR_FRAMES
    .any_conv_row = esr_any_conv_row,
    .any_depthwise_row = esr_any_depthwise_row,
#endif
};

#endif
