/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions with weights in the order of the file, and dense layers,
 * for AVX-512.
 *
 * The window of a pixel is copied; its products with the weights of an output are added in the
 * lanes of a vector. An instruction multiplies unsigned bytes with signed ones, so the sign bits of
 * the weights are flipped, which adds 128 times the sum of the window to each output's sum.
 */
#include "esr_avx512.h"

#if ESR_X86 && ESR_FRAMES

#include <string.h>

#define WINDOW_BYTES 8192

/* The windows of one group. */
typedef struct job {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t window;    /* taps of a window */
    uint32_t out_first; /* the first output channel of a block */
    uint32_t outputs;   /* channels of the block, at most 16 */
    const int8_t *weights;
    int8_t values[WINDOW_BYTES]; /* the window, padded with 0 */
} job;

/* Copy the window of a pixel. */
static AVX512 void fill_window(job *j, uint32_t pixel, uint32_t in_first)
{
    const esr_conv *args = j->args;
    const int whole = args->groups == 1 && args->dilation_w == 1;
    const uint32_t runs = whole ? 1 : args->kernel_w, run = j->window / args->kernel_h / runs;
    const size_t first = (size_t)pixel * args->stride_w * args->in_channels + in_first;
    int8_t *to = j->values;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *from = esr_window_row(&args->in, y * args->dilation_h) + first;

        for (uint32_t x = 0; x < runs; x++, to += run) {
            memcpy(to, from + (size_t)x * args->dilation_w * args->in_channels, run);
        }
    }
    memset(to, 0, esr_round_up(j->window, BYTES) - j->window);
}

/* 128 times the sum of the window, in all lanes. */
AVX512_INLINE __m512i excess_of(const job *j)
{
    __m512i sums = _mm512_setzero_si512();

    for (uint32_t i = 0; i < j->window; i += BYTES) {
        sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8((char)INT8_MIN),
                                   _mm512_loadu_si512(j->values + i));
    }
    return _mm512_set1_epi32(_mm512_reduce_add_epi32(sums));
}

/* Two vectors of sums, of which pairs of lanes are added: pairs of `a` and `b` alternate. */
AVX512_INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

AVX512_INLINE __m512i add_fours(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* Four vectors: each 128 bits of the result hold the sums of the same 128 bits of each. */
AVX512_INLINE __m512i add_four(const __m512i *sums)
{
    return add_fours(add_pairs(sums[0], sums[1]), add_pairs(sums[2], sums[3]));
}

/* The sum of all lanes of each of 16 vectors. */
AVX512_INLINE __m512i add_lanes(const __m512i *sums)
{
    const __m512i a = add_four(sums), b = add_four(sums + 4);
    const __m512i c = add_four(sums + 8), d = add_four(sums + 12);
    const __m512i ab = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44),
                                        _mm512_shuffle_i32x4(a, b, 0xee));
    const __m512i cd = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x44),
                                        _mm512_shuffle_i32x4(c, d, 0xee));

    return _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88),
                            _mm512_shuffle_i32x4(ab, cd, 0xdd));
}

/* The sums of the block's outputs, without the bias. The last output's weights stand for those of
 * outputs that do not exist. */
static AVX512 __m512i sums_of(const job *j)
{
    const __m512i flip = _mm512_set1_epi8((char)INT8_MIN);
    __m512i sums[LANES];

    for (uint32_t i = 0; i < LANES; i++) {
        sums[i] = _mm512_setzero_si512();
    }
    for (uint32_t tap = 0; tap < j->window; tap += BYTES) {
        const __mmask64 mask = first_bytes(j->window - tap);
        const __m512i values = _mm512_loadu_si512(j->values + tap);

#pragma GCC unroll 16
        for (uint32_t i = 0; i < LANES; i++) {
            const size_t output = esr_min(i, j->outputs - 1);
            const __m512i weights =
                _mm512_maskz_loadu_epi8(mask, j->weights + output * j->window + tap);

            sums[i] = _mm512_dpbusd_epi32(sums[i], _mm512_xor_si512(weights, flip), values);
        }
    }
    return add_lanes(sums);
}

static AVX512 void run_block(const job *j, __m512i excess, int8_t *out)
{
    const esr_conv *args = j->args;
    const __mmask16 mask = first_lanes(j->outputs);
    const __m512i bias = _mm512_maskz_loadu_epi32(mask, args->bias + j->out_first);
    const __m512i sums = _mm512_sub_epi32(_mm512_add_epi32(sums_of(j), bias), excess);
    int32_t values[LANES];
    wide_scales scales;

    if (widen_scales(&scales, args->scales + j->out_first, j->outputs, LANES)) {
        store_lanes(out, mask, requantize(&scales, sums, 0), args->out_zero_point, args->low,
                    args->high);
        return;
    }
    _mm512_storeu_si512(values, sums);
    for (uint32_t i = 0; i < j->outputs; i++) {
        out[i] = esr_store(esr_multiply(values[i], args->scales[j->out_first + i]),
                           args->out_zero_point, args->low, args->high);
    }
}

/* Compute one group of a pixel. */
static AVX512 void run_group(job *j, uint32_t pixel, uint32_t group)
{
    const esr_conv *args = j->args;
    const uint32_t outputs = args->out_channels / args->groups;
    __m512i excess;

    fill_window(j, pixel, group * j->inputs);
    excess = excess_of(j);
    for (uint32_t done = 0; done < outputs; done += j->outputs) {
        j->out_first = group * outputs + done;
        j->outputs = esr_min(outputs - done, LANES);
        j->weights = args->weights + (size_t)j->out_first * j->window;
        run_block(j, excess, args->out + (size_t)pixel * args->out_channels + j->out_first);
    }
}

AVX512 void esr_avx512_any_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const uint64_t window = (uint64_t)args->kernel_h * args->kernel_w * inputs;
    job j;

    if (window > WINDOW_BYTES) { /* the portable kernel has no such limit */
        esr_any_conv_row(args);
        return;
    }
    j.args = args;
    j.inputs = inputs;
    j.window = (uint32_t)window;
    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        for (uint32_t group = 0; group < args->groups; group++) {
            run_group(&j, pixel, group);
        }
    }
}

#endif
