/*
 * Convolutions and PReLU for x86-64 with AVX2; the rest is left to the portable kernels, which are
 * compiled for AVX2 too.
 */
#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline AVX2 __attribute__((always_inline))

/* --- convolutions
 *
 * An instruction multiplies two pairs of 16 bits and adds both products, in each of 8 lanes. Lanes
 * are output channels; two neighbouring taps of a kernel's row are one step. A tile of the input is
 * widened to 16 bits. */
#define LANES 8
#define SUMS 8 /* vectors that stay in registers: of 8 pixels, or of 4 that take two each */
#define TILE_PIXELS 64
#define TILE_HALVES 8192
#define MOST_TAPS 1024

/* What turns 8 sums into outputs: constants of even and odd lanes. */
typedef struct scales {
    __m256i multiplier[2];
    __m256i rest[2];
    __m256i below[2];
    __m256i shift[2];
    __m256i surplus;
} scales;

/* A block of output channels of one group, ready to run. */
typedef struct block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* of the block */
    uint32_t lanes;     /* in which its weights come, at least as many */
    uint32_t run;       /* taps of a kernel's row */
    uint32_t steps;     /* of a kernel's row */
    uint32_t pixels;    /* of a tile at most; a multiple of SUMS */
    uint32_t stride;    /* of a tile's rows */
    int32_t plain;      /* whether requantize() is exact */
    __m256i start[2];   /* of the sums, like the next for the first and the second 8 channels */
    scales scales[2];
    const int16_t *weights;
    const int16_t *tile;
} block;

/* From [taps][lanes] to [two taps][lanes][tap] of 16 bits, all rows of the kernel. */
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

/* There is no signed shift of 64 bits here, so that 2^63 is added before and taken out after it. */
AVX2_INLINE int prepare_scales(scales *to, const esr_conv *args, uint32_t first, uint32_t count)
{
    int64_t multiplier[LANES], below[LANES], shift[LANES];
    uint64_t rest[LANES];
    uint32_t surplus[LANES];

    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t place = i % 2 * (LANES / 2) + i / 2;
        const esr_scale scale = args->scales[first + esr_least(i, count - 1)];
        esr_wide_scale wide;

        if (!esr_widen_scale(&wide, scale, args->out_zero_point)) {
            return 0;
        }
        multiplier[place] = wide.multiplier;
        rest[place] = ((uint64_t)1 << 63) + (uint64_t)wide.rest;
        below[place] = wide.below;
        shift[place] = wide.shift;
        surplus[i] = (uint32_t)((uint64_t)1 << (63 - wide.shift));
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        const uint32_t half = odd * (LANES / 2);

        to->multiplier[odd] = _mm256_loadu_si256((const __m256i *)(const void *)(multiplier + half));
        to->rest[odd] = _mm256_loadu_si256((const __m256i *)(const void *)(rest + half));
        to->below[odd] = _mm256_loadu_si256((const __m256i *)(const void *)(below + half));
        to->shift[odd] = _mm256_loadu_si256((const __m256i *)(const void *)(shift + half));
    }
    to->surplus = _mm256_loadu_si256((const __m256i *)(const void *)surplus);
    return 1;
}

AVX2_INLINE __m256i requantize_half(const scales *s, __m256i sums, uint32_t odd)
{
    const __m256i product = _mm256_mul_epi32(sums, s->multiplier[odd]);
    const __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), product);
    const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(product, s->rest[odd]),
                                         _mm256_and_si256(negative, s->below[odd]));

    return _mm256_srlv_epi64(sum, s->shift[odd]);
}

/* 8 sums as outputs that are not clamped yet. */
AVX2_INLINE __m256i requantize(const scales *s, __m256i sums)
{
    const __m256i even = requantize_half(s, sums, 0);
    const __m256i odd = requantize_half(s, _mm256_srli_epi64(sums, 32), 1);

    return _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa),
                            s->surplus);
}

/* 16 values of 32 bits as clamped bytes. */
AVX2_INLINE __m128i pack(__m256i first, __m256i second, int32_t low, int32_t high)
{
    const __m256i halves =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));

    return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)low)),
                        _mm_set1_epi8((char)high));
}

/* Both halves' sums of one pixel; without a second half, those of two pixels. */
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

/* The same for any scales. */
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

/* What is behind the row's end is filled with something. */
static AVX2 void fill_tile(const block *b, int16_t *tile, uint32_t first)
{
    const esr_conv *args = b->args;
    const uint32_t pixels = esr_least(args->pixels - first, b->pixels) + args->kernel_w - 1;

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

/* Of SUMS pixels, or with two halves of half as many. */
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
        /* A copy, so that those above have no address and stay in registers. */
        const __m256i some[2] = {sums[v], sums[v + 1]};
        const uint32_t done = v / 2 * pair;

        if (done < left && b->plain) {
            store_plain(b, some[0], some[1], first + pixel + done, esr_least(left - done, pair),
                        two);
        } else if (done < left) {
            store_any(b, some, first + pixel + done, esr_least(left - done, pair));
        }
    }
}

AVX2_INLINE void run_block(const block *b, int16_t *tile, int two)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = esr_least(b->args->pixels - first, b->pixels);

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

/* A row of a tile, and what a step reads behind it. */
static uint32_t stride_of(const block *b, uint32_t pixels)
{
    return (pixels - 1 + b->args->kernel_w) * b->inputs + 1;
}

/* Whether the weights and a tile fit in the memory here. */
static int set_tile(block *b)
{
    if (b->args->kernel_h * b->steps * 2 > MOST_TAPS) {
        return 0;
    }
    b->pixels = esr_least(esr_round_up(b->args->pixels, SUMS), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_HALVES) {
        if (b->pixels == SUMS) {
            return 0;
        }
        b->pixels -= SUMS;
    }
    b->stride = stride_of(b, b->pixels);
    return 1;
}

/* What comes out is the same as esr_conv_row()'s, which does what does not fit here. */
AVX2_INLINE void prepare_block(block *b, uint32_t left)
{
    const esr_conv *args = b->args;
    int32_t bias[2 * LANES] = {0};
    uint32_t second;

    b->lanes = esr_conv_lanes(left);
    b->outputs = esr_least(left, b->lanes);
    second = b->outputs > LANES ? b->outputs - LANES : 0;
    memcpy(bias, args->bias + b->out_first, b->outputs * sizeof *bias);
    b->start[0] = _mm256_loadu_si256((const __m256i *)(const void *)bias);
    b->start[1] = _mm256_loadu_si256((const __m256i *)(const void *)(bias + LANES));
    b->plain = prepare_scales(&b->scales[0], args, b->out_first, esr_least(b->outputs, LANES)) &&
               (second == 0 ||
                prepare_scales(&b->scales[1], args, b->out_first + LANES, second));
}

static AVX2 void avx2_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int8_t *weights = args->weights;
    int16_t arranged[MOST_TAPS * 2 * LANES] __attribute__((aligned(32)));
    int16_t tile[TILE_HALVES];
    block b;

    b.args = args;
    b.inputs = args->in_channels / args->groups;
    b.run = args->kernel_w * b.inputs;
    b.steps = (b.run + 1) / 2;
    b.weights = arranged;
    b.tile = tile;
    if (!set_tile(&b)) {
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

/* An esr_side in all lanes. */
typedef struct side {
    __m256i high;
    __m256i low;
    __m256i rest;
    __m256i below;
    __m256i right;
} side;

AVX2_INLINE side side_of(esr_scale scale)
{
    const esr_side one = esr_side_of(scale);
    const side side = {_mm256_set1_epi32(one.high), _mm256_set1_epi32(one.low),
                       _mm256_set1_epi32(one.rest), _mm256_set1_epi32(one.below),
                       _mm256_set1_epi32(one.right)};

    return side;
}

typedef struct slopes {
    side positive;
    side negative;
    __m256i in_zero_point;
    __m256i out_zero_point;
} slopes;

AVX2_INLINE __m256i load_8(const int8_t *from)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

AVX2_INLINE __m256i choose(__m256i is, __m256i positive, __m256i negative)
{
    return _mm256_blendv_epi8(positive, negative, is);
}

AVX2_INLINE __m256i slopes_8(const slopes *s, const int8_t *in, const int8_t *alpha)
{
    const side *p = &s->positive, *n = &s->negative;
    const __m256i x = _mm256_sub_epi32(load_8(in), s->in_zero_point);
    const __m256i is = _mm256_srai_epi32(x, 31);
    const __m256i value =
        _mm256_mullo_epi32(x, choose(is, _mm256_set1_epi32(1), load_8(alpha)));
    const __m256i low =
        _mm256_srai_epi32(_mm256_mullo_epi32(value, choose(is, p->low, n->low)), 16);
    const __m256i high = _mm256_mullo_epi32(value, choose(is, p->high, n->high));
    const __m256i below = _mm256_and_si256(_mm256_srai_epi32(value, 31), n->below);
    const __m256i sum =
        _mm256_add_epi32(_mm256_add_epi32(high, low),
                         _mm256_add_epi32(choose(is, p->rest, n->rest), below));

    return _mm256_add_epi32(_mm256_srav_epi32(sum, choose(is, p->right, n->right)),
                            s->out_zero_point);
}

AVX2_INLINE __m128i slopes_16(const slopes *s, const esr_slopes *args, const int8_t *in,
                              const int8_t *alpha)
{
    return pack(slopes_8(s, in, alpha), slopes_8(s, in + 8, alpha + 8), args->low, args->high);
}

static AVX2 void prelu_row(const esr_slopes *args)
{
    const slopes s = {side_of(args->positive), side_of(args->negative),
                      _mm256_set1_epi32(args->in_zero_point),
                      _mm256_set1_epi32(args->out_zero_point)};
    const size_t count = (size_t)args->pixels * args->channels, whole = count / 16 * 16;
    int8_t alpha[ESR_MOST_ALPHAS + 16], rest[16] = {0};
    uint32_t channel = 0;

    esr_repeat_alphas(alpha, args, 16);
    for (size_t i = 0; i < whole; i += 16) {
        _mm_storeu_si128((__m128i *)(void *)(args->out + i),
                         slopes_16(&s, args, args->in + i, alpha + channel));
        channel = (channel + 16) % args->channels;
    }
    memcpy(rest, args->in + whole, count - whole);
    _mm_storeu_si128((__m128i *)(void *)rest, slopes_16(&s, args, rest, alpha + channel));
    memcpy(args->out + whole, rest, count - whole);
}

static void avx2_slopes_row(const esr_slopes *args)
{
    (esr_is_plain_prelu(args) ? prelu_row : esr_slopes_row)(args);
}

const esr_x86_kernels esr_avx2 = {avx2_conv_row, esr_depthwise_row, avx2_slopes_row,
                                  esr_table_row, esr_sum_row,       esr_copy_row};

#endif
