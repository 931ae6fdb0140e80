/*
 * Convolutions and slopes for Cortex-M with the DSP extension (M4, M7, M33), which multiplies two
 * pairs of 16-bit halves and adds both products in one instruction. Everything else, and whatever
 * does not fit the shortcuts here, is left to the portable kernels, which are the reference.
 *
 * A few pixels' windows are widened to halves in the scratch memory, column by column: column x
 * holds what the kernel reads there, row after row, so that the window of a pixel is one run that
 * starts kernel_w columns before the end of the next pixel's. Two pixels and two output channels
 * are computed at a time.
 */
#include "esr_kernels.h"

#if ESR_LAYOUT == ESR_LAYOUT_HALVES

#include "esr_dsp.h"

#include <string.h>

/* Products of a window are taken by so many taps. */
#define STEP 8

/* Columns of one group of channels, as wide as the scratch memory allows. */
typedef struct strip {
    const esr_conv *args;
    uint32_t inputs;       /* channels of the group */
    uint32_t column_words; /* from column to column */
    uint32_t steps;        /* of a window */
    uint32_t first;        /* pixel */
    uint32_t pixels;
    int plain;             /* whether requantize() is exact for the whole layer */
} strip;

/* Halves of a column; even, so that every column starts at a whole word. */
static uint32_t column_halves(uint32_t kernel_h, uint32_t inputs)
{
    return (kernel_h * inputs + 1) / 2 * 2;
}

static uint32_t window_steps(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    return (kernel_w * column_halves(kernel_h, inputs) + STEP - 1) / STEP;
}

uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs)
{
    const uint64_t pairs = outputs / 2 + outputs % 2;

    return pairs * window_steps(kernel_h, kernel_w, inputs) * (2 * STEP * sizeof(int16_t));
}

/* Two windows, and what their last step reads beyond them. */
uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    const uint64_t columns = (uint64_t)kernel_w + 1;

    return (columns * column_halves(kernel_h, inputs) + STEP) * sizeof(int16_t);
}

/* --- windows */

/* Inputs by fours; weights are in the same order: 0, 2, 1, 3. */
ESR_INLINE void widen_quads(esr_halves *to, const int8_t *from, uint32_t count)
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

/* One kernel row of `columns` columns; `inputs` is s->inputs, which is worth knowing early. */
ESR_INLINE void widen_row(const strip *s, const int8_t *from, uint32_t row, uint32_t columns,
                          uint32_t inputs)
{
    const uint32_t step = s->args->in_channels, halves = 2 * s->column_words;
    int16_t *to = (int16_t *)s->args->scratch + row * inputs;

    for (; columns > 0; columns--, from += step, to += halves) {
        if (inputs % 4 == 0) {
            widen_quads((esr_halves *)(void *)to, from, inputs);
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
                             (size_t)s->first * args->in_channels + in_first;
        const uint32_t columns = s->pixels + args->kernel_w - 1;

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

/* --- results */

/* Whether no sum of the layer goes beyond 2^30 and no scale is 1/2 or more. */
static int is_plain(const esr_conv *args, uint32_t steps)
{
    const int64_t most = (INT32_C(1) << 30) - (int64_t)steps * STEP * 128 * 128;

    for (uint32_t i = 0; i < args->out_channels; i++) {
        if (args->bias[i] >= most || args->bias[i] <= -most || args->scales[i].shift >= 0) {
            return 0;
        }
    }
    return 1;
}

/* What becomes of the sums of a channel. */
typedef struct channel {
    int32_t multiplier;
    int32_t right; /* shift, but for the last bit */
    int32_t bias;
    esr_scale scale;
} channel;

typedef struct pair {
    channel of[2];
    int32_t rest;    /* the zero point twice, and 1: the half that rounds */
    int32_t zero_point;
    uint32_t second; /* 1, or 0 if there is no second channel */
} pair;

/*
 * esr_multiply(sum, scale) + zero_point, kept within int8, for shifts below 0 and sums within
 * 2^30: a sum may be doubled then, which makes one instruction of the high product; and the
 * product is negative where the sum is (or 0, which rounds to 0 anyway).
 */
static inline int8_t requantize(int32_t sum, int32_t multiplier, int32_t right, int32_t rest)
{
    const int32_t high = esr_add_high_product(sum >> 31, sum * 2, multiplier);

    return (int8_t)esr_saturate_half((high >> right) + rest);
}

/* The same for any sum and scale. */
static int8_t requantize_any(int32_t sum, const pair *p, uint32_t channel)
{
    return esr_store(esr_multiply(sum, p->of[channel].scale), p->zero_point, -128, 127);
}

/* Two channels of two pixels, `step` values apart. Where there is no second channel or pixel, the
 * first one is stored last and stays. */
ESR_INLINE void store_plain(const pair *p, int8_t *out, uint32_t step, const int32_t sums[4])
{
    const int32_t m0 = p->of[0].multiplier, right0 = p->of[0].right;
    const int32_t m1 = p->of[1].multiplier, right1 = p->of[1].right;
    const int32_t rest = p->rest;
    int8_t *second = out + p->second;
    const int8_t r1 = requantize(sums[3], m1, right1, rest);
    const int8_t r0 = requantize(sums[2], m0, right0, rest);
    const int8_t l1 = requantize(sums[1], m1, right1, rest);
    const int8_t l0 = requantize(sums[0], m0, right0, rest);

    second[step] = r1, second[0] = l1, out[step] = r0, out[0] = l0;
}

ESR_NOINLINE static void store_any(const pair *p, int8_t *out, int32_t sum_0, int32_t sum_1)
{
    out[p->second] = requantize_any(sum_1, p, 1);
    out[0] = requantize_any(sum_0, p, 0);
}

/* Not inlined, because the loop within needs all registers. */
ESR_NOINLINE static void run_pixels(const strip *s, const pair *p, const esr_halves *weights,
                                    int8_t *out)
{
    const uint32_t column = s->column_words, steps = s->steps;
    const esr_halves *window = s->args->scratch, *last = window + (s->pixels - 1) * column;
    uint32_t next = column, step = s->args->out_channels;

    while (window <= last) {
        const int32_t b0 = p->of[0].bias, b1 = p->of[1].bias;
        int32_t sums[4] = {b0, b1, b0, b1};

        if (window == last) {
            next = step = 0;
        }
        esr_add_products(sums, window, window + next, weights, steps);
        if (s->plain) {
            store_plain(p, out, step, sums);
        } else {
            store_any(p, out + step, sums[2], sums[3]);
            store_any(p, out, sums[0], sums[1]);
        }
        window += 2 * column;
        out += 2 * step;
    }
}

static channel channel_of(const esr_conv *args, uint32_t index)
{
    const esr_scale scale = args->scales[index];
    const channel made = {scale.multiplier, ~scale.shift, args->bias[index], scale};

    return made;
}

/* A channel and the one that is `second` further on, of all the strip's pixels. */
static void run_pair(const strip *s, const esr_halves *weights, uint32_t first, uint32_t second)
{
    const esr_conv *args = s->args;
    const int32_t zero_point = args->out_zero_point;
    const pair p = {{channel_of(args, first), channel_of(args, first + second)},
                    2 * zero_point + 1,
                    zero_point,
                    second};

    run_pixels(s, &p, weights, args->out + (size_t)s->first * args->out_channels + first);
}

/* All outputs of a group; returns the next group's weights. */
static const esr_halves *run_group(strip *s, const esr_halves *weights, uint32_t group)
{
    const esr_conv *args = s->args;
    const uint32_t outputs = args->out_channels / args->groups;
    const size_t columns = (args->scratch_bytes / sizeof(esr_halves) - STEP / 2) / s->column_words;
    const uint32_t most = (uint32_t)(columns - (args->kernel_w - 1)) / 2 * 2;
    const esr_halves *next = weights;

    for (s->first = 0; s->first < args->pixels; s->first += s->pixels) {
        const uint32_t left = args->pixels - s->first;

        s->pixels = left < most ? left : most;
        fill_columns(s, group * s->inputs);
        next = weights;
        for (uint32_t i = 0; i < outputs; i += 2, next += s->steps * STEP) {
            run_pair(s, next, group * outputs + i, outputs - i > 1);
        }
    }
    return next;
}

static void clamp(int8_t *values, size_t count, int32_t low, int32_t high)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = esr_store(values[i], 0, low, high);
    }
}

void esr_conv_row(const esr_conv *args)
{
    const esr_halves *weights = (const esr_halves *)(const void *)args->weights;
    strip s;

    s.args = args;
    s.inputs = args->in_channels / args->groups;
    s.column_words = column_halves(args->kernel_h, s.inputs) / 2;
    s.steps = window_steps(args->kernel_h, args->kernel_w, s.inputs);
    s.plain = is_plain(args, s.steps);
    for (uint32_t group = 0; group < args->groups; group++) {
        weights = run_group(&s, weights, group);
    }
    if (args->low > -128 || args->high < 127) {
        clamp(args->out, (size_t)args->pixels * args->out_channels, args->low, args->high);
    }
}

/* --- slopes */

/* One side of the slopes, for one channel: out = (x * factor * multiplier / 2^32 + rest) / 2^right,
 * rounded as esr_multiply() does. */
typedef struct side {
    int32_t factor;
    int32_t multiplier;
    int32_t rest;
    int32_t right;
} side;

/* `sign` is that of x * alpha: a negative half is rounded down. */
static side side_of(esr_scale scale, int32_t alpha, int32_t sign, int32_t zero_point)
{
    const int32_t left = scale.shift > 0 ? scale.shift : 0;
    const int32_t right = scale.shift > 0 ? 0 : -scale.shift;
    const int32_t half = right > 0 ? (1 << (right - 1)) - (sign < 0) : 0;
    const side made = {alpha * (2 << left), scale.multiplier, half + zero_point * (1 << right),
                       right};

    return made;
}

static inline int32_t slope(int32_t x, const side *s)
{
    const int32_t high = esr_add_high_product(s->rest, x * s->factor, s->multiplier);

    return esr_saturate_byte(high >> s->right);
}

/* Values `step` apart, all of one channel. */
static void slopes_channel(const int8_t *in, int8_t *out, size_t count, uint32_t step,
                           int32_t zero_point, side positive, side negative)
{
    for (size_t i = 0; i < count; i += step) {
        const int32_t x = in[i] - zero_point;

        const int32_t value = x >= 0 ? slope(x, &positive) : slope(x, &negative);

        out[i] = (int8_t)value;
    }
}

/* Whether products with an int8 difference and an alpha fit, and so does what is added to them. */
static int fits(esr_scale scale)
{
    return -22 <= scale.shift && scale.shift <= 12;
}

void esr_slopes_row(const esr_slopes *args)
{
    const size_t count = (size_t)args->pixels * args->channels;
    const uint32_t step = args->alpha == NULL ? 1 : args->channels;

    if (args->negate || !fits(args->positive) || !fits(args->negative)) {
        esr_portable_slopes_row(args);
        return;
    }
    for (uint32_t i = 0; i < step; i++) {
        const int32_t alpha = args->alpha == NULL ? 1 : args->alpha[i];

        slopes_channel(args->in + i, args->out + i, count - i, step, args->in_zero_point,
                       side_of(args->positive, 1, 1, args->out_zero_point),
                       side_of(args->negative, alpha, alpha > 0 ? -1 : 1, args->out_zero_point));
    }
    if (args->low > -128 || args->high < 127) {
        clamp(args->out, count, args->low, args->high);
    }
}

#endif
