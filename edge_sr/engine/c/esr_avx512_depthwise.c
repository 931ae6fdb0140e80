/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: depthwise convolutions for AVX-512.
 *
 * Lanes are output channels; a step is a column of four rows of the kernel, whose products one
 * instruction adds in each lane. A tile of the input holds the values of four rows side by side,
 * with flipped sign bits, as esr_avx512_conv.c explains.
 */
#include "esr_avx512.h"

#if ESR_X86

#include <string.h>

#define TILE_BYTES 24576
#define MAX_STEPS 128

/* 16 output channels; if there are fewer, and windows of neighbouring pixels follow each other in
 * the input, a vector holds several pixels. */
typedef struct job {
    const esr_conv *args;
    uint32_t fours;      /* groups of four rows of the kernel */
    uint32_t multiplier; /* outputs of each input */
    uint32_t period;     /* channels of a pixel, if a vector holds several; else 16 */
    uint32_t pixels;     /* maximum pixels of a tile */
    uint32_t stride;     /* from four rows of a tile to the next, in bytes */
    uint32_t first;      /* output channel */
    uint32_t outputs;    /* in each vector */
    uint32_t steps;      /* of the window */
    __m512i spread;      /* the input of each lane, if there are several outputs of each */
    __m512i start;       /* initial sums */
    wide_scales scales;
    int32_t plain;       /* whether requantize() is exact */
    __m512i weights[MAX_STEPS];
    const uint8_t *tile;
} job;

/* Interleave four vectors of 16 bytes: bytes 4 * i to 4 * i + 3 are byte i % period of each. */
AVX512_INLINE __m512i interleave(const __m128i *rows, uint32_t period)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i byte = _mm512_and_si512(lane, _mm512_set1_epi32((int32_t)period - 1));
    const __m512i order = _mm512_add_epi32(
        _mm512_mullo_epi32(byte, _mm512_set1_epi32(0x01010101)), _mm512_set1_epi32(0x30201000));
    __m512i all = _mm512_castsi128_si512(rows[0]);

    all = _mm512_inserti32x4(all, rows[1], 1);
    all = _mm512_inserti32x4(all, rows[2], 2);
    all = _mm512_inserti32x4(all, rows[3], 3);
    return _mm512_permutexvar_epi8(order, all);
}

/* --- tiles */

AVX512_INLINE void fill_16(uint8_t *to, const int8_t *const *rows, size_t first, __mmask16 mask,
                           int is_whole)
{
    __m128i values[4];

#pragma GCC unroll 4
    for (uint32_t y = 0; y < 4; y++) {
        const int8_t *from = rows[y] + first;

        values[y] = is_whole ? _mm_loadu_si128((const __m128i *)(const void *)from)
                             : _mm_maskz_loadu_epi8(mask, from);
    }
    _mm512_store_si512(to, _mm512_xor_si512(interleave(values, LANES),
                                            _mm512_set1_epi8((char)INT8_MIN)));
}

/* Columns of the input that the windows of neighbouring pixels cover. */
static uint32_t columns_of(const esr_conv *args, uint32_t pixels)
{
    return (pixels - 1) * args->stride_w + (args->kernel_w - 1) * esr_dilation_w(args) + 1;
}

/* Copy the windows of `count` pixels from `first` on. Rows beyond the kernel have weights of 0. */
static AVX512 void fill_tile(const job *j, uint8_t *tile, uint32_t first, uint32_t count)
{
    const esr_conv *args = j->args;
    const size_t values = (size_t)columns_of(args, count) * args->in_channels;

    for (uint32_t four = 0; four < j->fours; four++, tile += j->stride) {
        const int8_t *rows[4];
        size_t i = 0;

        for (uint32_t y = 0; y < 4; y++) {
            const uint32_t row = esr_min(4 * four + y, args->kernel_h - 1);

            rows[y] = esr_window_row(&args->in, row * esr_dilation_h(args)) +
                      (size_t)first * args->stride_w * args->in_channels;
        }
        for (; i + LANES <= values; i += LANES) {
            fill_16(tile + 4 * i, rows, i, 0, 1);
        }
        fill_16(tile + 4 * i, rows, i, first_lanes(values - i), 0);
    }
}

/* Bytes of four rows of a tile, and of what vectors read beyond them. */
static uint64_t stride_of(const esr_conv *args, uint32_t pixels)
{
    const uint64_t values = (uint64_t)columns_of(args, pixels) * args->in_channels;

    return (values + 2 * LANES) / LANES * LANES * 4;
}

/* Choose the size of a tile. Returns 0 if the smallest tile does not fit, else 1. */
static int set_tile(job *j)
{
    j->pixels = j->args->pixels;
    while (j->fours * stride_of(j->args, j->pixels) > TILE_BYTES) {
        if (j->pixels == 1) {
            return 0;
        }
        j->pixels = (j->pixels + 1) / 2;
    }
    j->stride = (uint32_t)stride_of(j->args, j->pixels);
    return 1;
}

/* --- weights */

/* Arrange the weights of a step: rows 4 * four to 4 * four + 3 of column x. */
AVX512_INLINE __m512i step_of(const job *j, uint32_t four, uint32_t x)
{
    const esr_conv *args = j->args;
    const __mmask16 mask = first_lanes(j->outputs);
    __m128i rows[4];

    for (uint32_t y = 0; y < 4; y++) {
        const uint32_t row = 4 * four + y;
        const size_t from = ((size_t)row * args->kernel_w + x) * args->out_channels + j->first;

        rows[y] = row < args->kernel_h ? _mm_maskz_loadu_epi8(mask, args->weights + from)
                                       : _mm_setzero_si128();
    }
    return interleave(rows, j->period);
}

/* The input of each lane, relative to that of the first lane. */
static AVX512 __m512i spread_of(uint32_t first, uint32_t multiplier)
{
    uint32_t spread[LANES];

    for (uint32_t i = 0; i < LANES; i++) {
        spread[i] = (first + i) / multiplier - first / multiplier;
    }
    return _mm512_loadu_si512(spread);
}

/* Prepare the channels from `first` on: weights, initial sums and scales. */
AVX512_INLINE void prepare(job *j, uint32_t first)
{
    const esr_conv *args = j->args;
    const __m512i flipped = _mm512_set1_epi8((char)INT8_MIN);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i sums = _mm512_setzero_si512();

    j->first = first;
    j->outputs = esr_min(args->out_channels - first, LANES);
    for (uint32_t four = 0, i = 0; four < j->fours; four++) {
        for (uint32_t x = 0; x < args->kernel_w; x++, i++) {
            j->weights[i] = step_of(j, four, x);
            sums = _mm512_dpbusd_epi32(sums, flipped, j->weights[i]);
        }
    }
    j->start = _mm512_sub_epi32(
        _mm512_permutexvar_epi32(
            _mm512_and_si512(lane, _mm512_set1_epi32((int32_t)j->period - 1)),
            _mm512_maskz_loadu_epi32(first_lanes(j->outputs), args->bias + first)),
        sums);
    j->plain = widen_scales(&j->scales, args->scales + first, j->outputs, j->period);
    if (j->multiplier > 1) {
        j->spread = spread_of(first, j->multiplier);
    }
}

/* --- sums */

/* The sums of a vector whose first window starts at `in`. */
AVX512_INLINE __m512i sums_at(const job *j, const uint8_t *in, uint32_t fours, uint32_t kernel_w,
                              int spread)
{
    const size_t step = (size_t)esr_dilation_w(j->args) * j->args->in_channels * 4;
    const __m512i *weights = j->weights;
    __m512i sums = j->start;

    for (uint32_t four = 0; four < fours; four++, in += j->stride) {
#pragma GCC unroll 3
        for (uint32_t x = 0; x < kernel_w; x++) {
            const __m512i taps = _mm512_loadu_si512(in + x * step);

            sums = _mm512_dpbusd_epi32(
                sums, spread ? _mm512_permutexvar_epi32(j->spread, taps) : taps, *weights++);
        }
    }
    return sums;
}

/* Requantize and store `count` sums, if the scales allow. */
AVX512_INLINE void store(const job *j, const wide_scales *scales, int8_t *out, __m512i sums,
                         uint32_t count, int is_relu)
{
    const esr_conv *args = j->args;
    int32_t values[LANES];

    if (j->plain) {
        store_lanes(out, first_lanes(count), requantize(scales, sums, is_relu),
                    args->out_zero_point, args->low, args->high);
        return;
    }
    _mm512_storeu_si512(values, sums);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = esr_store(esr_multiply(values[i], args->scales[j->first + i % j->period]),
                           args->out_zero_point, args->low, args->high);
    }
}

/* Compute the channels of `count` pixels of a tile. */
AVX512_INLINE void run(const job *j, uint32_t pixel, uint32_t count, uint32_t fours,
                       uint32_t kernel_w, int spread, int is_relu)
{
    const esr_conv *args = j->args;
    const wide_scales scales = j->scales; /* a copy, which stores cannot change */
    const size_t in_step = (size_t)args->stride_w * args->in_channels * 4;
    const uint8_t *in = j->tile + (size_t)(j->first / j->multiplier) * 4;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + j->first;

    if (j->period < LANES) {
        for (uint32_t left = count * j->period; left > 0; in += BYTES, out += LANES) {
            const uint32_t some = esr_min(left, LANES);

            store(j, &scales, out, sums_at(j, in, fours, kernel_w, 0), some, is_relu);
            left -= some;
        }
        return;
    }
    for (; count > 0; count--, in += in_step, out += args->out_channels) {
        store(j, &scales, out, sums_at(j, in, fours, kernel_w, spread), j->outputs, is_relu);
    }
}

static ESR_NOINLINE AVX512 void run_3x3_relu(const job *j, uint32_t pixel, uint32_t count)
{
    run(j, pixel, count, 1, 3, 0, 1);
}

static ESR_NOINLINE AVX512 void run_3x3(const job *j, uint32_t pixel, uint32_t count)
{
    run(j, pixel, count, 1, 3, 0, 0);
}

static ESR_NOINLINE AVX512 void run_any(const job *j, uint32_t pixel, uint32_t count)
{
    run(j, pixel, count, j->fours, j->args->kernel_w, j->multiplier > 1, 0);
}

/* Channels of a pixel, if a vector can hold several pixels: windows follow each other. */
static uint32_t period_of(const esr_conv *args, uint32_t multiplier)
{
    const uint32_t channels = args->out_channels;
    const int divides = channels == 1 || channels == 2 || channels == 4 || channels == 8;

    return divides && multiplier == 1 && args->stride_w == 1 ? channels : LANES;
}

/* Returns 0 if the weights or the smallest tile do not fit, else 1. */
static AVX512 int run_row(const esr_conv *args)
{
    uint8_t tile[TILE_BYTES] __attribute__((aligned(BYTES)));
    job j;

    j.args = args;
    j.fours = (args->kernel_h + 3) / 4;
    j.steps = j.fours * args->kernel_w;
    j.multiplier = args->out_channels / args->groups;
    j.period = period_of(args, j.multiplier);
    j.tile = tile;
    if (j.steps > MAX_STEPS || !set_tile(&j)) {
        return 0;
    }
    for (uint32_t pixel = 0; pixel < args->pixels; pixel += j.pixels) {
        const uint32_t count = esr_min(args->pixels - pixel, j.pixels);

        fill_tile(&j, tile, pixel, count);
        for (uint32_t first = 0; first < args->out_channels; first += LANES) {
            prepare(&j, first);
            if (args->kernel_h <= 4 && args->kernel_w == 3 && j.multiplier == 1) {
                (args->low >= args->out_zero_point ? run_3x3_relu : run_3x3)(&j, pixel, count);
            } else {
                run_any(&j, pixel, count);
            }
        }
    }
    return 1;
}

/* The portable kernels have no such limits. */
void esr_avx512_depthwise_row(const esr_conv *args)
{
    if (!run_row(args)) {
        esr_depthwise_row(args);
    }
}

#if ESR_FRAMES
void esr_avx512_any_depthwise_row(const esr_conv *args)
{
    if (!run_row(args)) {
        esr_any_depthwise_row(args);
    }
}
#endif

#endif
