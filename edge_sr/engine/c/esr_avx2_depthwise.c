/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: depthwise convolutions for AVX2.
 *
 * Lanes are output channels; a step is a column of two rows of the kernel, whose products one
 * instruction adds in each lane. A tile of the input holds the values of two rows side by side,
 * widened to int16.
 */
#include "esr_avx2.h"

#if ESR_X86

#define TILE_PAIRS 6144 /* int32 that hold two values each */
#define MAX_STEPS 128

/* 8 output channels. */
typedef struct job {
    const esr_conv *args;
    uint32_t twos;    /* pairs of rows of the kernel */
    uint32_t steps;   /* of the window */
    uint32_t pixels;  /* maximum pixels of a tile */
    uint32_t stride;  /* from two rows of a tile to the next, in pairs */
    uint32_t first;   /* output channel */
    uint32_t outputs; /* at most 8 */
    int32_t plain;    /* whether requantize() is exact */
    __m256i start;    /* initial sums */
    scales scales;
    __m256i weights[MAX_STEPS];
    const int32_t *tile;
} job;

/* --- tiles */

AVX2_INLINE __m128i load_some(const int8_t *from, size_t count)
{
    int8_t values[LANES] = {0};

    if (count < LANES) {
        memcpy(values, from, count);
        from = values;
    }
    return _mm_loadl_epi64((const __m128i *)(const void *)from);
}

/* Pairs of int16 of two rows, or of one and 0. At most 8 are loaded. */
AVX2_INLINE __m256i pairs_of(const int8_t *above, const int8_t *below, size_t count)
{
    const __m128i first = load_some(above, count);
    const __m128i second = below == NULL ? _mm_setzero_si128() : load_some(below, count);

    return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(first, second));
}

/* Columns of the input that the windows of neighbouring pixels cover. */
static uint32_t columns_of(const esr_conv *args, uint32_t pixels)
{
    return (pixels - 1) * args->stride_w + (args->kernel_w - 1) * esr_dilation_w(args) + 1;
}

/* Copy the windows of `count` pixels from `first` on. */
static AVX2 void fill_tile(const job *j, int32_t *tile, uint32_t first, uint32_t count)
{
    const esr_conv *args = j->args;
    const size_t values = (size_t)columns_of(args, count) * args->in_channels;
    const size_t from = (size_t)first * args->stride_w * args->in_channels;

    for (uint32_t row = 0; row < args->kernel_h; row += 2, tile += j->stride) {
        const int8_t *above = esr_window_row(&args->in, row * esr_dilation_h(args)) + from;
        const int8_t *below =
            row + 1 < args->kernel_h
                ? esr_window_row(&args->in, (row + 1) * esr_dilation_h(args)) + from
                : NULL;

        for (size_t i = 0; i < values; i += LANES) {
            _mm256_storeu_si256(
                (__m256i *)(void *)(tile + i),
                pairs_of(above + i, below == NULL ? NULL : below + i, values - i));
        }
    }
}

/* Pairs of two rows of a tile, and of what vectors read beyond them. */
static uint64_t stride_of(const esr_conv *args, uint32_t pixels)
{
    return ((uint64_t)columns_of(args, pixels) * args->in_channels + 2 * LANES) / LANES * LANES;
}

/* Choose the size of a tile. Returns 0 if the smallest tile does not fit, else 1. */
static int set_tile(job *j)
{
    j->pixels = j->args->pixels;
    while (j->twos * stride_of(j->args, j->pixels) > TILE_PAIRS) {
        if (j->pixels == 1) {
            return 0;
        }
        j->pixels = (j->pixels + 1) / 2;
    }
    j->stride = (uint32_t)stride_of(j->args, j->pixels);
    return 1;
}

/* --- channels */

/* Prepare the channels from `first` on: weights, initial sums and scales. */
static ESR_NOINLINE AVX2 void prepare(job *j, uint32_t first)
{
    const esr_conv *args = j->args;
    const size_t row = (size_t)args->kernel_w * args->out_channels;
    int32_t bias[LANES] = {0};
    __m256i *to = j->weights;

    j->first = first;
    j->outputs = esr_min(args->out_channels - first, LANES);
    for (uint32_t y = 0; y < args->kernel_h; y += 2) {
        for (uint32_t x = 0; x < args->kernel_w; x++) {
            const int8_t *from = args->weights + y * row + x * (size_t)args->out_channels + first;

            *to++ = pairs_of(from, y + 1 < args->kernel_h ? from + row : NULL, j->outputs);
        }
    }
    memcpy(bias, args->bias + first, j->outputs * sizeof *bias);
    j->start = load_256(bias);
    j->plain = prepare_scales(&j->scales, args->scales + first, j->outputs);
}

/* The sums of a pixel whose window starts at `in`. */
AVX2_INLINE __m256i sums_at(const job *j, const int32_t *in, uint32_t twos, uint32_t kernel_w)
{
    const size_t step = (size_t)esr_dilation_w(j->args) * j->args->in_channels;
    const __m256i *weights = j->weights;
    __m256i sums = j->start;

    for (uint32_t two = 0; two < twos; two++, in += j->stride) {
        for (uint32_t x = 0; x < kernel_w; x++) {
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(load_256(in + x * step), *weights++));
        }
    }
    return sums;
}

/* Requantize and store the channels of two pixels, if there are two. */
AVX2_INLINE void store(const job *j, const scales *s, int8_t *out, __m256i left, __m256i right,
                       uint32_t count)
{
    const esr_conv *args = j->args;
    const size_t step = args->out_channels;
    int32_t sums[2 * LANES];
    int8_t bytes[2 * LANES];

    if (j->plain) {
        _mm_storeu_si128((__m128i *)(void *)bytes,
                         pack_at(requantize(s, left), requantize(s, right), args->out_zero_point,
                                 args->low, args->high));
    } else {
        memcpy(sums, &left, sizeof left);
        memcpy(sums + LANES, &right, sizeof right);
        for (uint32_t i = 0; i < 2 * LANES; i++) {
            const uint32_t channel = j->first + esr_min(i % LANES, j->outputs - 1);

            bytes[i] = esr_store(esr_multiply(sums[i], args->scales[channel]),
                                 args->out_zero_point, args->low, args->high);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (j->outputs == LANES) {
            memcpy(out + i * step, bytes + i * LANES, LANES);
        } else {
            memcpy(out + i * step, bytes + i * LANES, j->outputs);
        }
    }
}

/* Compute the channels of `count` pixels of a tile. */
AVX2_INLINE void run(const job *j, uint32_t pixel, uint32_t count, uint32_t twos,
                     uint32_t kernel_w)
{
    const esr_conv *args = j->args;
    const scales scales = j->scales; /* a copy, which stores cannot change */
    const size_t in_step = (size_t)args->stride_w * args->in_channels;
    const int32_t *in = j->tile + j->first;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + j->first;

    for (uint32_t i = 0; i < count; i += 2) {
        const uint32_t some = esr_min(count - i, 2);
        const __m256i left = sums_at(j, in, twos, kernel_w);
        const __m256i right = sums_at(j, in + (some - 1) * in_step, twos, kernel_w);

        store(j, &scales, out, left, right, some);
        in += 2 * in_step;
        out += 2 * (size_t)args->out_channels;
    }
}

static ESR_NOINLINE AVX2 void run_3x3(const job *j, uint32_t pixel, uint32_t count)
{
    run(j, pixel, count, 2, 3);
}

static ESR_NOINLINE AVX2 void run_any(const job *j, uint32_t pixel, uint32_t count)
{
    run(j, pixel, count, j->twos, j->args->kernel_w);
}

/* Returns 0 if an input has several outputs, or weights or the smallest tile do not fit; else 1. */
static AVX2 int run_row(const esr_conv *args)
{
    int32_t tile[TILE_PAIRS];
    job j;

    j.args = args;
    j.twos = (args->kernel_h + 1) / 2;
    j.steps = j.twos * args->kernel_w;
    j.tile = tile;
    if (args->out_channels != args->groups || j.steps > MAX_STEPS || !set_tile(&j)) {
        return 0;
    }
    for (uint32_t pixel = 0; pixel < args->pixels; pixel += j.pixels) {
        const uint32_t count = esr_min(args->pixels - pixel, j.pixels);

        fill_tile(&j, tile, pixel, count);
        for (uint32_t first = 0; first < args->out_channels; first += LANES) {
            prepare(&j, first);
            (j.twos == 2 && args->kernel_w == 3 ? run_3x3 : run_any)(&j, pixel, count);
        }
    }
    return 1;
}

/* The portable kernels have no such limits. */
void esr_avx2_depthwise_row(const esr_conv *args)
{
    if (!run_row(args)) {
        esr_depthwise_row(args);
    }
}

#if ESR_FRAMES
void esr_avx2_any_depthwise_row(const esr_conv *args)
{
    if (!run_row(args)) {
        esr_any_depthwise_row(args);
    }
}
#endif

#endif
