/*
 * Convolutions and slopes for Cortex-M with Helium (M55, M85), whose vectors hold 16 bytes: the
 * products of 16 taps are added up in one instruction. Everything else, and whatever does not fit
 * here, is left to the portable kernels, which are the reference.
 *
 * The windows of a few pixels are laid out in the scratch memory, column by column: column x holds
 * what the kernel reads there, row after row, so that the window of a pixel is one run that starts
 * a column behind the one of the pixel before. The last vector of a window reads beyond it; its
 * weights are 0 there, and the scratch memory ends a vector later.
 */
#include "esr_kernels.h"

#if ESR_LAYOUT == ESR_LAYOUT_BYTES

#include <arm_mve.h>
#include <string.h>

#define VECTOR 16

/* Output channels, and 32-bit values in a vector. */
#define QUAD 4

/* Pixels whose sums are kept until they are requantized. */
#define CHUNK 8

/* Windows of neighbouring pixels. */
typedef struct strip {
    const esr_conv *args;
    const int8_t *windows;
    uint32_t inputs;  /* channels of the group */
    uint32_t column;  /* bytes from window to window */
    uint32_t vectors; /* of a window */
    uint32_t first;   /* pixel */
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

uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    return (uint64_t)kernel_h * kernel_w * inputs + VECTOR;
}

static int32x4_t load_some(const int32_t *values, mve_pred16_t lanes)
{
    return vldrwq_z_s32(values, lanes);
}

/* --- windows */

/* Single bytes from consecutive columns to places `step` apart, which is at most 17. */
static void spread_bytes(int8_t *to, const int8_t *from, uint32_t count, uint32_t step)
{
    const uint8x16_t places = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)step);

    for (; count > 0; from += VECTOR, to += VECTOR * step) {
        const mve_pred16_t lanes = vctp8q(count);

        vstrbq_scatter_offset_p_s8(to, places, vldrbq_z_s8(from, lanes), lanes);
        count -= count < VECTOR ? count : VECTOR;
    }
}

ESR_INLINE void spread_runs(int8_t *to, const int8_t *from, uint32_t count, uint32_t step,
                            uint32_t from_step, uint32_t run)
{
    for (; count > 0; count--, from += from_step, to += step) {
        memcpy(to, from, run);
    }
}

/* One row of all columns. */
static void fill_row(const strip *s, int8_t *to, const int8_t *from, uint32_t columns)
{
    if (s->args->in_channels == 1 && s->column <= UINT8_MAX / (VECTOR - 1)) {
        spread_bytes(to, from, columns, s->column);
    } else if (s->inputs == 4) {
        spread_runs(to, from, columns, s->column, s->args->in_channels, 4);
    } else {
        spread_runs(to, from, columns, s->column, s->args->in_channels, s->inputs);
    }
}

static void fill_columns(const strip *s, uint32_t in_first)
{
    const esr_conv *args = s->args;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *from = esr_window_row(&args->in, y) +
                             (size_t)s->first * args->in_channels + in_first;

        fill_row(s, (int8_t *)args->scratch + y * s->inputs, from,
                 s->pixels + args->kernel_w - 1);
    }
}

/* --- sums */

/* Four channels of two pixels; weights are [vector][channel][16 taps]. */
static inline void add_products(int32_t *sums, const int8_t *left, const int8_t *right,
                                const int8_t *weights, uint32_t vectors)
{
    int32_t l0 = 0, l1 = 0, l2 = 0, l3 = 0, r0 = 0, r1 = 0, r2 = 0, r3 = 0;

    for (; vectors > 0; vectors--, left += VECTOR, right += VECTOR, weights += QUAD * VECTOR) {
        const int8x16_t a = vldrbq_s8(left), b = vldrbq_s8(right);
        int8x16_t w = vldrbq_s8(weights);

        l0 = vmladavaq_s8(l0, a, w);
        r0 = vmladavaq_s8(r0, b, w);
        w = vldrbq_s8(weights + VECTOR);
        l1 = vmladavaq_s8(l1, a, w);
        r1 = vmladavaq_s8(r1, b, w);
        w = vldrbq_s8(weights + 2 * VECTOR);
        l2 = vmladavaq_s8(l2, a, w);
        r2 = vmladavaq_s8(r2, b, w);
        w = vldrbq_s8(weights + 3 * VECTOR);
        l3 = vmladavaq_s8(l3, a, w);
        r3 = vmladavaq_s8(r3, b, w);
    }
    sums[0] = l0, sums[1] = l1, sums[2] = l2, sums[3] = l3;
    sums[4] = r0, sums[5] = r1, sums[6] = r2, sums[7] = r3;
}

/* Four channels of some pixels from `first` of the strip on; an odd last one is done twice. */
ESR_NOINLINE static void add_chunk(const strip *s, const int8_t *weights, uint32_t first,
                                   uint32_t pixels, int32_t *sums)
{
    const int8_t *window = s->windows + (size_t)first * s->column;

    for (uint32_t i = 0; i < pixels; i += 2) {
        add_products(sums, window, window + (i + 1 < pixels ? s->column : 0), weights, s->vectors);
        window += 2 * s->column;
        sums += 2 * QUAD;
    }
}

/* --- results */

/* Scales of four channels, as esr_multiply() takes them apart. */
typedef struct scales {
    int32x4_t multiplier, left, right; /* right: 0 or less */
} scales;

static scales load_scales(const esr_scale *from, mve_pred16_t lanes)
{
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), sizeof *from);
    const int32x4_t shift = vldrwq_gather_offset_z_s32(&from->shift, places, lanes);
    const int32x4_t zero = vdupq_n_s32(0);
    const scales made = {vldrwq_gather_offset_z_s32(&from->multiplier, places, lanes),
                         vmaxq_s32(shift, zero), vminq_s32(shift, zero)};

    return made;
}

/* esr_divide_by_power(): ties upward, but for negative values of which 1 has been taken before. */
static inline int32x4_t divide(int32x4_t value, int32x4_t right)
{
    const int32x4_t minus_1_if_negative = vshrq_n_s32(vandq_s32(value, right), 31);

    return vrshlq_s32(vaddq_s32(value, minus_1_if_negative), right);
}

/* esr_multiply(). */
static inline int32x4_t multiply(int32x4_t value, const scales *by)
{
    return divide(vqrdmulhq_s32(vshlq_s32(value, by->left), by->multiplier), by->right);
}

static void store_chunk(const esr_conv *args, const int32_t *sums, int8_t *out, uint32_t pixels,
                        uint32_t channel, mve_pred16_t lanes)
{
    const scales by = load_scales(args->scales + channel, lanes);
    const int32x4_t bias = load_some(args->bias + channel, lanes);
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int32_t zero_point = args->out_zero_point;
    const uint32_t step = args->out_channels;

    for (; pixels > 0; pixels--, sums += QUAD, out += step) {
        const int32x4_t sum = vaddq_s32(vldrwq_s32(sums), bias);
        const int32x4_t value = vaddq_n_s32(multiply(sum, &by), zero_point);

        vstrbq_p_s32(out, vminq_s32(vmaxq_s32(value, low), high), lanes);
    }
}

/* `count` channels, at most four, of all the strip's pixels. */
static void run_quad(const strip *s, const int8_t *weights, uint32_t channel, uint32_t count)
{
    const esr_conv *args = s->args;
    int32_t sums[CHUNK * QUAD];

    for (uint32_t first = 0; first < s->pixels; first += CHUNK) {
        const uint32_t left = s->pixels - first, pixels = left < CHUNK ? left : CHUNK;
        int8_t *out = args->out + (size_t)(s->first + first) * args->out_channels + channel;

        add_chunk(s, weights, first, pixels, sums);
        store_chunk(args, sums, out, pixels, channel, vctp32q(count));
    }
}

/* All outputs of a group for the strip's pixels; returns the next group's weights. */
static const int8_t *run_strip(const strip *s, const int8_t *weights, uint32_t group)
{
    const uint32_t outputs = s->args->out_channels / s->args->groups;

    for (uint32_t i = 0; i < outputs; i += QUAD) {
        run_quad(s, weights, group * outputs + i, outputs - i);
        weights += s->vectors * QUAD * VECTOR;
    }
    return weights;
}

/* Without a second row and without groups the windows lie in the input as they should. */
static const int8_t *run_in_place(strip *s)
{
    s->windows = esr_window_row(&s->args->in, 0);
    s->first = 0;
    s->pixels = s->args->pixels;
    return run_strip(s, s->args->weights, 0);
}

static const int8_t *run_group(strip *s, const int8_t *weights, uint32_t group)
{
    const esr_conv *args = s->args;
    const uint32_t columns = (uint32_t)(args->scratch_bytes - VECTOR) / s->column;
    const uint32_t most = columns - (args->kernel_w - 1);
    const int8_t *next = weights;

    s->windows = args->scratch;
    for (s->first = 0; s->first < args->pixels; s->first += s->pixels) {
        const uint32_t left = args->pixels - s->first;

        s->pixels = left < most ? left : most;
        fill_columns(s, group * s->inputs);
        next = run_strip(s, weights, group);
    }
    return next;
}

void esr_conv_row(const esr_conv *args)
{
    const int8_t *weights = args->weights;
    strip s;

    s.args = args;
    s.inputs = args->in_channels / args->groups;
    s.column = args->kernel_h * s.inputs;
    s.vectors = window_vectors(args->kernel_h, args->kernel_w, s.inputs);
    if (args->kernel_h == 1 && args->groups == 1) {
        run_in_place(&s);
        return;
    }
    for (uint32_t group = 0; group < args->groups; group++) {
        weights = run_group(&s, weights, group);
    }
}

/* --- slopes */

/* What is done to four neighbouring values. */
typedef struct sides {
    int32x4_t factor;   /* of negative values: alpha, shifted */
    int32x4_t adjusted; /* -1 where a product with it is negative and will be divided */
    int32_t positive;   /* factor of the others */
} sides;

static sides make_sides(const esr_slopes *args, const int8_t *alpha, mve_pred16_t lanes)
{
    const int32_t up = args->negative.shift > 0 ? args->negative.shift : 0;
    const int32x4_t factor = alpha == NULL ? vdupq_n_s32(1) : vldrbq_z_s32(alpha, lanes);
    const mve_pred16_t adjusted = args->negative.shift < 0 ? vcmpgtq_n_s32(factor, 0) : 0;
    const sides made = {vshlq_r_s32(factor, up),
                        vpselq_s32(vdupq_n_s32(-1), vdupq_n_s32(0), adjusted),
                        1 << (args->positive.shift > 0 ? args->positive.shift : 0)};

    return made;
}

/* Four channels, or fewer, of pixels that are `step` values apart. */
static void slopes_quad(const esr_slopes *args, const sides *s, size_t first, uint32_t pixels,
                        uint32_t step, mve_pred16_t lanes)
{
    const int32_t right = args->positive.shift < 0 ? args->positive.shift : 0;
    const int32_t negative_right = args->negative.shift < 0 ? args->negative.shift : 0;
    const int32_t multiplier = args->positive.multiplier;
    const int32_t negative_multiplier = args->negative.multiplier;
    const int32_t in_zero_point = args->in_zero_point, zero_point = args->out_zero_point;
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int32x4_t factor = s->factor, adjusted = s->adjusted;
    const int32_t positive = s->positive;
    const int8_t *in = args->in + first;
    int8_t *out = args->out + first;

    for (; pixels > 0; pixels--, in += step, out += step) {
        const int32x4_t x = vsubq_n_s32(vldrbq_z_s32(in, lanes), in_zero_point);
        const mve_pred16_t is_negative = vcmpltq_n_s32(x, 0);
        int32x4_t y = vrshlq_n_s32(vqrdmulhq_n_s32(vmulq_n_s32(x, positive), multiplier), right);

        y = vmulq_m_s32(y, x, factor, is_negative);
        y = vqrdmulhq_m_n_s32(y, y, negative_multiplier, is_negative);
        y = vaddq_m_s32(y, y, adjusted, is_negative);
        y = vrshlq_m_n_s32(y, negative_right, is_negative);
        y = vminq_s32(vmaxq_s32(vaddq_n_s32(y, zero_point), low), high);
        vstrbq_p_s32(out, y, lanes);
    }
}

/* One slope for all: the values as pixels of four channels. */
static void one_slope(const esr_slopes *args)
{
    const uint32_t count = args->pixels * args->channels;
    const sides s = make_sides(args, NULL, vctp32q(QUAD));

    slopes_quad(args, &s, 0, count / QUAD, QUAD, vctp32q(QUAD));
    slopes_quad(args, &s, count / QUAD * QUAD, count % QUAD != 0, QUAD, vctp32q(count % QUAD));
}

void esr_slopes_row(const esr_slopes *args)
{
    if (args->negate) {
        esr_portable_slopes_row(args);
    } else if (args->alpha == NULL) {
        one_slope(args);
    } else {
        for (uint32_t i = 0; i < args->channels; i += QUAD) {
            const mve_pred16_t lanes = vctp32q(args->channels - i);
            const sides s = make_sides(args, args->alpha + i, lanes);

            slopes_quad(args, &s, i, args->pixels, args->channels, lanes);
        }
    }
}

#endif
