/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions and PReLU for Cortex-M with Helium (M55, M85), whose
 * vectors have 16 bytes: one instruction adds the products of 16 taps. All other operators, and
 * parameters outside the ranges checked here, use the portable kernels, which are the reference.
 *
 * The windows of a few pixels are copied to the scratch memory, column by column (im2col): column x
 * holds the values that the kernel reads there, row after row. The window of a pixel is then
 * contiguous and starts `stride` columns after that of the previous pixel. The last vector of a window
 * reads beyond it: its weights are 0 there, and the scratch memory is one vector longer.
 */
/* The loops in assembly need nearly all registers, in debug builds too. */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_kernels.h"

#if ESR_LAYOUT == ESR_LAYOUT_MVE8

#include "esr_mve_quad.h"

#include <string.h>

/* Bytes of a vector. */
#define VECTOR 16

/* Output channels that are computed together. */
#define QUAD ESR_QUAD

/* Maximum pixels of a strip, whose sums are kept until they are requantized; even. */
#define STRIP 16

/* The windows of at most STRIP neighbouring pixels. */
typedef struct strip {
    const esr_conv *args;
    const int8_t *windows;
    uint32_t inputs;  /* channels of the group */
    uint32_t column;  /* bytes from column to column */
    uint32_t step;    /* bytes from window to window */
    uint32_t vectors; /* of a window */
    uint32_t first;   /* first pixel */
    uint32_t pixels;
} strip;

static uint32_t window_vectors(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    return (kernel_h * kernel_w * inputs + VECTOR - 1) / VECTOR;
}

uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs)
{
    const uint64_t quads = outputs / QUAD + (outputs % QUAD != 0);

    return quads * QUAD * window_vectors(kernel_h, kernel_w, inputs) * VECTOR;
}

uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                uint32_t stride)
{
    (void)stride;
    return (uint64_t)kernel_h * kernel_w * inputs + VECTOR;
}

/* --- windows */

/* Copy consecutive bytes to addresses that are `step` apart, which is at most 17. */
static void spread_bytes(int8_t *to, const int8_t *from, uint32_t count, uint32_t step)
{
    const uint8x16_t offsets = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)step);

    for (; count > 0; from += VECTOR, to += VECTOR * step) {
        const mve_pred16_t lanes = vctp8q(count);

        vstrbq_scatter_offset_p_s8(to, offsets, vldrbq_z_s8(from, lanes), lanes);
        count -= count < VECTOR ? count : VECTOR;
    }
}

/* Copy `count` runs of inputs. memcpy() of a length that is not constant would be a call. */
ESR_INLINE void spread_runs(int8_t *to, const int8_t *from, uint32_t count, uint32_t step,
                            uint32_t from_step, uint32_t run)
{
    for (; count > 0; count--, from += from_step, to += step) {
        esr_copy_bytes(to, from, run);
    }
}

ESR_INLINE void spread_words(int8_t *to, const int8_t *from, uint32_t count, uint32_t step,
                             uint32_t from_step)
{
    for (; count > 0; count--, from += from_step, to += step) {
        memcpy(to, from, 4);
    }
}

/* Fill one kernel row of all columns. */
static void fill_row(const strip *s, int8_t *to, const int8_t *from, uint32_t columns)
{
    if (s->args->in_channels == 1 && s->column <= UINT8_MAX / (VECTOR - 1)) {
        spread_bytes(to, from, columns, s->column);
    } else if (s->inputs == 4) {
        spread_words(to, from, columns, s->column, s->args->in_channels);
    } else {
        spread_runs(to, from, columns, s->column, s->args->in_channels, s->inputs);
    }
}

static void fill_columns(const strip *s, uint32_t in_first)
{
    const esr_conv *args = s->args;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *from = esr_window_row(&args->in, y) +
                             (size_t)s->first * args->stride_w * args->in_channels + in_first;

        fill_row(s, (int8_t *)args->scratch + y * s->inputs, from,
                 (s->pixels - 1) * args->stride_w + args->kernel_w);
    }
}

/* --- sums */

/* Compute the sums of four channels for all pixels of the strip; an odd last pixel is computed
 * twice. */
ESR_NOINLINE static void add_windows(const strip *s, const int8_t *weights, int32_t *sums)
{
    const uint32_t step = s->step, vectors = s->vectors;
    const int8_t *window = s->windows, *last = window + (s->pixels - 1) * step;

    for (; window < last; window += 2 * step, sums += 2 * QUAD) {
        esr_add_products(sums, window, window + step, weights, vectors);
    }
    if (window == last) {
        esr_add_products(sums, window, window, weights, vectors);
    }
}

/* --- results */

/* Requantize four channels of `pixels` pixels. `is_simple`: no shift is to the left, and negative
 * results are clamped to the zero point, so that ties of theirs may be rounded either way. */
ESR_INLINE void store_pixels(const esr_conv *args, const int32_t *sums, int8_t *out,
                             uint32_t channel, uint32_t pixels, const esr_scales *by,
                             mve_pred16_t lanes, int all, int is_simple)
{
    const int32x4_t bias = vldrwq_z_s32(args->bias + channel, lanes);
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int32_t zero_point = args->out_zero_point;
    const uint32_t step = args->out_channels;

    for (; pixels > 0; pixels--, sums += QUAD, out += step) {
        const int32x4_t sum = vaddq_s32(vldrwq_s32(sums), bias);
        const int32x4_t product =
            is_simple ? vrshlq_s32(vqrdmulhq_s32(sum, by->multiplier), by->right)
                      : esr_multiply_quad(sum, by);
        const int32x4_t value = vaddq_n_s32(product, zero_point);

        esr_store_bytes(out, vminq_s32(vmaxq_s32(value, low), high), lanes, all);
    }
}

void esr_store_quad(const esr_conv *args, const int32_t *sums, uint32_t first, uint32_t pixels,
                    uint32_t channel, uint32_t count)
{
    const mve_pred16_t lanes = vctp32q(count);
    const esr_scales by = esr_load_scales(args->scales + channel, lanes);
    int8_t *out = args->out + (size_t)first * args->out_channels + channel;

    if (count < QUAD) {
        store_pixels(args, sums, out, channel, pixels, &by, lanes, 0, 0);
    } else if (args->low < args->out_zero_point || vcmpgtq_n_s32(by.left, 0) != 0) {
        store_pixels(args, sums, out, channel, pixels, &by, lanes, 1, 0);
    } else {
        store_pixels(args, sums, out, channel, pixels, &by, lanes, 1, 1);
    }
}

/* Compute min(count, 4) channels of all pixels of the strip. */
static void run_quad(const strip *s, const int8_t *weights, uint32_t channel, uint32_t count)
{
    int32_t sums[STRIP * QUAD];

    add_windows(s, weights, sums);
    esr_store_quad(s->args, sums, s->first, s->pixels, channel, count);
}

/* Compute a strip of at most `limit` pixels. Copies the windows to scratch unless s->windows points
 * to the input. Returns the weights of the next group. */
static const int8_t *run_strip(strip *s, const int8_t *weights, uint32_t group, uint32_t limit)
{
    const esr_conv *args = s->args;
    const uint32_t outputs = args->out_channels / args->groups, left = args->pixels - s->first;

    s->pixels = left < limit ? left : limit;
    if (s->windows == args->scratch) {
        fill_columns(s, group * s->inputs);
    }
    for (uint32_t i = 0; i < outputs; i += QUAD) {
        run_quad(s, weights, group * outputs + i, outputs - i);
        weights += s->vectors * QUAD * VECTOR;
    }
    return weights;
}

static const int8_t *run_group(strip *s, const int8_t *weights, uint32_t group)
{
    const esr_conv *args = s->args;
    const uint32_t columns = (uint32_t)(args->scratch_bytes - VECTOR) / s->column;
    const uint32_t limit = (columns - args->kernel_w) / args->stride_w + 1;
    const int8_t *next = weights;

    s->windows = args->scratch;
    for (s->first = 0; s->first < args->pixels; s->first += s->pixels) {
        next = run_strip(s, weights, group, limit < STRIP ? limit : STRIP);
    }
    return next;
}

/* With a kernel of one row and one group the input itself has the order of the windows. */
static void run_in_place(strip *s)
{
    const esr_conv *args = s->args;

    s->windows = esr_window_row(&args->in, 0);
    for (s->first = 0; s->first < args->pixels; s->first += s->pixels) {
        run_strip(s, args->weights, 0, STRIP);
        s->windows += s->pixels * s->step;
    }
}

void esr_conv_row(const esr_conv *args)
{
    const int8_t *weights = args->weights;
    strip s;

    s.args = args;
    s.inputs = args->in_channels / args->groups;
    s.column = args->kernel_h * s.inputs;
    s.step = s.column * args->stride_w;
    s.vectors = window_vectors(args->kernel_h, args->kernel_w, s.inputs);
    if (args->kernel_h == 1 && args->groups == 1) {
        run_in_place(&s);
        return;
    }
    for (uint32_t group = 0; group < args->groups; group++) {
        weights = run_group(&s, weights, group);
    }
}

/* --- PReLU */

/* The two branches of PReLU for four neighbouring values. */
typedef struct branches {
    int32x4_t factor;   /* of negative values: alpha, shifted */
    int32x4_t adjusted; /* -1 where the product is negative and is shifted right, else 0 */
    int32x4_t positive; /* factor of values >= 0 */
} branches;

static branches make_branches(const esr_prelu *args, const int8_t *alpha, mve_pred16_t lanes)
{
    const int32_t up = args->negative.shift > 0 ? args->negative.shift : 0;
    const int32x4_t factor = alpha == NULL ? vdupq_n_s32(1) : vldrbq_z_s32(alpha, lanes);
    const mve_pred16_t adjusted = args->negative.shift < 0 ? vcmpgtq_n_s32(factor, 0) : 0;
    const branches result = {
        vshlq_r_s32(factor, up), vpselq_s32(vdupq_n_s32(-1), vdupq_n_s32(0), adjusted),
        vdupq_n_s32(1 << (args->positive.shift > 0 ? args->positive.shift : 0))};

    return result;
}

/* Compute up to four channels of pixels that are `step` values apart. */
ESR_INLINE void prelu_lanes(const esr_prelu *args, const branches *b, size_t first,
                            uint32_t pixels, uint32_t step, mve_pred16_t lanes, int all)
{
    const int32_t right = args->positive.shift < 0 ? args->positive.shift : 0;
    const int32_t negative_right = args->negative.shift < 0 ? args->negative.shift : 0;
    const int32_t multiplier = args->positive.multiplier;
    const int32_t negative_multiplier = args->negative.multiplier;
    const int32_t in_zero_point = args->in_zero_point, zero_point = args->out_zero_point;
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int8_t *in = args->in + first;
    int8_t *out = args->out + first;

    for (; pixels > 0; pixels--, in += step, out += step) {
        const int32x4_t values = all ? vldrbq_s32(in) : vldrbq_z_s32(in, lanes);
        const int32x4_t x = vsubq_n_s32(values, in_zero_point);
        const mve_pred16_t negative = vcmpltq_n_s32(x, 0);
        const int32x4_t y = vmulq_s32(x, vpselq_s32(b->factor, b->positive, negative));
        const int32x4_t if_positive = vrshlq_n_s32(vqrdmulhq_n_s32(y, multiplier), right);
        const int32x4_t product = vqrdmulhq_n_s32(y, negative_multiplier);
        const int32x4_t if_negative =
            vrshlq_n_s32(vaddq_s32(product, b->adjusted), negative_right);
        const int32x4_t value =
            vaddq_n_s32(vpselq_s32(if_negative, if_positive, negative), zero_point);

        esr_store_bytes(out, vminq_s32(vmaxq_s32(value, low), high), lanes, all);
    }
}

static void prelu_quad(const esr_prelu *args, const int8_t *alpha, size_t first, uint32_t pixels,
                       uint32_t step, uint32_t count)
{
    const branches b = make_branches(args, alpha, vctp32q(count));

    if (count >= QUAD) {
        prelu_lanes(args, &b, first, pixels, step, vctp32q(QUAD), 1);
    } else {
        prelu_lanes(args, &b, first, pixels, step, vctp32q(count), 0);
    }
}

/* One alpha for all channels: treat the values as pixels of four channels. */
static void prelu_one_alpha(const esr_prelu *args)
{
    const uint32_t count = args->pixels * args->channels, rest = count % QUAD;

    prelu_quad(args, NULL, 0, count / QUAD, QUAD, QUAD);
    prelu_quad(args, NULL, count - rest, rest != 0, QUAD, rest);
}

void esr_prelu_row(const esr_prelu *args)
{
    if (args->negate) {
        esr_portable_prelu_row(args);
    } else if (args->alpha == NULL) {
        prelu_one_alpha(args);
    } else {
        for (uint32_t i = 0; i < args->channels; i += QUAD) {
            prelu_quad(args, args->alpha + i, i, args->pixels, args->channels,
                       args->channels - i);
        }
    }
}

#endif
