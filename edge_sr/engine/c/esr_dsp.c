/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions and PReLU for Cortex-M with the DSP extension (M4, M7,
 * M33), which multiplies two pairs of int16 and adds both products in one instruction. All other
 * operators, and parameters outside the ranges checked here, use the portable kernels, which are
 * the reference.
 *
 * The windows of a few pixels are widened to int16 in the scratch memory, column by column
 * (im2col): column x holds the values that the kernel reads there, row after row. The window of a
 * pixel is then contiguous and starts `stride` columns after that of the previous pixel. Two pixels and
 * two output channels are computed at a time.
 */
/* The loops in assembly need nearly all registers, in debug builds too. */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_kernels.h"

#if ESR_LAYOUT == ESR_LAYOUT_DSP16

#include "esr_dsp_store.h"

#include <string.h>

/* Taps of a window that are multiplied in one step of the inner loop. */
#define STEP 8

/* Maximum pixels of a strip; even. */
#define STRIP 32

/* The pixels whose columns the scratch memory holds, for one group of channels. */
typedef struct strip {
    const esr_conv *args;
    uint32_t inputs;       /* channels of the group */
    uint32_t column_words; /* words from column to column */
    uint32_t step;         /* words from window to window */
    uint32_t steps;        /* of a window */
    uint32_t first;        /* first pixel */
    uint32_t pixels;
    int plain;             /* whether esr_store_plain() is exact for the whole layer */
} strip;

/* int16 values of a column; even, so that every column starts at a whole word. */
static uint32_t column_values(uint32_t kernel_h, uint32_t inputs)
{
    return (kernel_h * inputs + 1) / 2 * 2;
}

static uint32_t window_steps(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    return (kernel_w * column_values(kernel_h, inputs) + STEP - 1) / STEP;
}

uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs)
{
    const uint64_t pairs = outputs / 2 + outputs % 2;

    return pairs * window_steps(kernel_h, kernel_w, inputs) * (2 * STEP * sizeof(int16_t));
}

/* Two windows, and the values that the last step reads beyond them. */
uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                uint32_t stride)
{
    const uint64_t columns = (uint64_t)kernel_w + stride;

    return (columns * column_values(kernel_h, inputs) + STEP) * sizeof(int16_t);
}

/* --- windows */

/* Widen four inputs at a time. Their order becomes 0, 2, 1, 3, which is also that of the weights.
 * */
ESR_INLINE void widen_quads(esr_int16x2 *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 4) {
        uint32_t bytes;

        memcpy(&bytes, from + i, sizeof bytes);
        *to++ = esr_even_bytes(bytes);
        *to++ = esr_odd_bytes(bytes);
    }
}

ESR_INLINE void widen_each(int16_t *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* Widen one kernel row of `columns` columns. `inputs` is s->inputs, a constant after inlining. */
ESR_INLINE void widen_row(const strip *s, const int8_t *from, uint32_t row, uint32_t columns,
                          uint32_t inputs)
{
    const uint32_t step = s->args->in_channels, values = 2 * s->column_words;
    int16_t *to = (int16_t *)s->args->scratch + row * inputs;

    for (; columns > 0; columns--, from += step, to += values) {
        if (inputs % 4 == 0) {
            widen_quads((esr_int16x2 *)(void *)to, from, inputs);
        } else {
            widen_each(to, from, inputs);
        }
    }
}

static void fill_columns(const strip *s, uint32_t in_first)
{
    const esr_conv *args = s->args;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *from = esr_window_row(&args->in, y) +
                             (size_t)s->first * args->stride_w * args->in_channels + in_first;
        const uint32_t columns = (s->pixels - 1) * args->stride_w + args->kernel_w;

        if (args->kernel_h == 1 && args->groups == 1 && s->inputs % 4 == 0) {
            widen_quads(args->scratch, from, columns * s->inputs);
        } else if (s->inputs == 1) {
            widen_row(s, from, y, columns, 1);
        } else if (s->inputs == 4) {
            widen_row(s, from, y, columns, 4);
        } else {
            widen_row(s, from, y, columns, s->inputs);
        }
    }
}

/* Compute the sums of two channels for all pixels of the strip; an odd last pixel is computed
 * twice. Not inlined, because the inner loop needs all registers. */
ESR_NOINLINE static void add_windows(const strip *s, const esr_int16x2 *weights,
                                     const int32_t bias[2], int32_t *sums)
{
    const uint32_t step = s->step, steps = s->steps;
    const esr_int16x2 *window = s->args->scratch, *last = window + (s->pixels - 1) * step;

    for (; window <= last; window += 2 * step, sums += 4) {
        esr_add_products(sums, bias, window, window + (window < last ? step : 0), weights, steps);
    }
}

/* --- results */

static int is_plain(const esr_conv *args, uint32_t steps)
{
    const int32_t limit = esr_plain_limit((uint64_t)steps * STEP);

    for (uint32_t i = 0; i < args->out_channels; i++) {
        if (!esr_is_plain(args, limit, i)) {
            return 0;
        }
    }
    return 1;
}

static void store_plain(const esr_conv *args, const int32_t *sums, int8_t *out, uint32_t pixels,
                        esr_scale scale)
{
    esr_store_plain(args, sums, 2, out, pixels, scale);
}

static void store_any(const esr_conv *args, const int32_t *sums, int8_t *out, uint32_t pixels,
                      esr_scale scale)
{
    esr_store_any(args, sums, 2, out, pixels, scale);
}

/* Compute one or two channels (`count`) of all pixels of the strip. */
static void run_pair(const strip *s, const esr_int16x2 *weights, uint32_t channel, uint32_t count)
{
    const esr_conv *args = s->args;
    const int32_t bias[2] = {args->bias[channel], args->bias[channel + count - 1]};
    int8_t *out = args->out + (size_t)s->first * args->out_channels + channel;
    int32_t sums[STRIP * 2];

    add_windows(s, weights, bias, sums);
    for (uint32_t i = 0; i < count; i++) {
        (s->plain ? store_plain : store_any)(args, sums + i, out + i, s->pixels,
                                             args->scales[channel + i]);
    }
}

/* Compute all outputs of a group. Returns the weights of the next group. */
static const esr_int16x2 *run_group(strip *s, const esr_int16x2 *weights, uint32_t group)
{
    const esr_conv *args = s->args;
    const uint32_t outputs = args->out_channels / args->groups;
    const size_t columns = (args->scratch_bytes / sizeof(esr_int16x2) - STEP / 2) / s->column_words;
    const uint32_t fit = ((uint32_t)(columns - args->kernel_w) / args->stride_w + 1) / 2 * 2;
    const uint32_t limit = fit < STRIP ? fit : STRIP;
    const esr_int16x2 *next = weights;

    for (s->first = 0; s->first < args->pixels; s->first += s->pixels) {
        const uint32_t left = args->pixels - s->first;

        s->pixels = left < limit ? left : limit;
        fill_columns(s, group * s->inputs);
        next = weights;
        for (uint32_t i = 0; i < outputs; i += 2, next += s->steps * STEP) {
            run_pair(s, next, group * outputs + i, outputs - i > 1 ? 2 : 1);
        }
    }
    return next;
}

void esr_conv_row(const esr_conv *args)
{
    const esr_int16x2 *weights = (const esr_int16x2 *)(const void *)args->weights;
    strip s;

    s.args = args;
    s.inputs = args->in_channels / args->groups;
    s.column_words = column_values(args->kernel_h, s.inputs) / 2;
    s.step = s.column_words * args->stride_w;
    s.steps = window_steps(args->kernel_h, args->kernel_w, s.inputs);
    s.plain = is_plain(args, s.steps);
    for (uint32_t group = 0; group < args->groups; group++) {
        weights = run_group(&s, weights, group);
    }
    if (args->low > -128 || args->high < 127) {
        esr_clamp(args->out, (size_t)args->pixels * args->out_channels, args->low, args->high);
    }
}

/* --- PReLU */

/* One branch (x >= 0 or x < 0) of PReLU for one channel:
 * out = (x * factor * multiplier / 2^32 + addend) / 2^right, rounded as esr_multiply() does. */
typedef struct branch {
    int32_t factor;
    int32_t multiplier;
    int32_t addend;
    int32_t right;
} branch;

/* `sign` is that of x * alpha: ties of negative values are rounded down. */
static branch branch_of(esr_scale scale, int32_t alpha, int32_t sign, int32_t zero_point)
{
    const int32_t left = scale.shift > 0 ? scale.shift : 0;
    const int32_t right = scale.shift > 0 ? 0 : -scale.shift;
    const int32_t half = right > 0 ? (1 << (right - 1)) - (sign < 0) : 0;
    const branch result = {alpha * (2 << left), scale.multiplier, half + zero_point * (1 << right),
                           right};

    return result;
}

static inline int32_t apply(int32_t x, const branch *b)
{
    const int32_t high = esr_add_high_product(b->addend, x * b->factor, b->multiplier);

    return esr_saturate_byte(high >> b->right);
}

/* Compute one channel of all pixels, which are `step` values apart. */
static void prelu_channel(int8_t *out, const int8_t *in, uint32_t pixels, uint32_t step,
                          int32_t zero_point, branch positive, branch negative)
{
#pragma GCC unroll 4
    for (; pixels > 0; pixels--, in += step, out += step) {
        const int32_t x = *in - zero_point;
        const int32_t value = x >= 0 ? apply(x, &positive) : apply(x, &negative);

        *out = (int8_t)value;
    }
}

/* Whether x * factor and the addend fit in 32 bits. */
static int fits(esr_scale scale)
{
    return -ESR_MAX_RIGHT_SHIFT <= scale.shift && scale.shift <= 12;
}

void esr_prelu_row(const esr_prelu *args)
{
    const size_t count = (size_t)args->pixels * args->channels;
    const uint32_t step = args->alpha == NULL ? 1 : args->channels;
    const uint32_t pixels = args->alpha == NULL ? (uint32_t)count : args->pixels;

    if (args->negate || !fits(args->positive) || !fits(args->negative)) {
        esr_portable_prelu_row(args);
        return;
    }
    for (uint32_t i = 0; i < step; i++) {
        const int32_t alpha = args->alpha == NULL ? 1 : args->alpha[i];

        prelu_channel(args->out + i, args->in + i, pixels, step, args->in_zero_point,
                      branch_of(args->positive, 1, 1, args->out_zero_point),
                      branch_of(args->negative, alpha, alpha > 0 ? -1 : 1, args->out_zero_point));
    }
    if (args->low > -128 || args->high < 127) {
        esr_clamp(args->out, count, args->low, args->high);
    }
}

#endif
