/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the portable kernels in plain C99, the reference for all others. Inner
 * loops run over output channels in blocks of constant size, which compilers vectorize.
 *
 * Weights are in blocks of 16 output channels; the last blocks can have 8 or 4, padded with 0.
 */
#include "esr_kernels.h"

#include "esr_config.h"

#include <string.h>

/* A build can define this, for example as an attribute that compiles a function for several
 * instruction sets. */
#ifndef ESR_HOT
#define ESR_HOT
#endif

#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON))
#define ESR_VECTORS 1
#else
#define ESR_VECTORS 0
#endif

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#if ESR_LAYOUT == ESR_LAYOUT_SIMD

uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs)
{
    const uint32_t rest = outputs % 16;
    const uint32_t lanes = outputs - rest + (rest > 0 ? esr_conv_lanes(rest) : 0);

    return (uint64_t)kernel_h * kernel_w * inputs * lanes;
}

uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                uint32_t stride)
{
    (void)kernel_h, (void)kernel_w, (void)inputs, (void)stride;
    return 0;
}

/* One block of output channels of one group. */
typedef struct block {
    const esr_conv *args;
    const int8_t *weights;
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* channels to store, at most the block's lanes */
    uint32_t taps;      /* runs of contiguous inputs per kernel row */
    uint32_t run;       /* length of a run */
    size_t step;        /* distance of runs */
} block;

/* Requantize and store `count` neighbouring channels of a pixel. */
ESR_INLINE void store(const esr_conv *args, const uint32_t *sums, uint32_t pixel, uint32_t channel,
                      uint32_t count)
{
    const esr_scale *scales = args->scales + channel;
    const int32_t zero_point = args->out_zero_point, low = args->low, high = args->high;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + channel;

    for (uint32_t i = 0; i < count; i++) {
        out[i] = esr_store(esr_multiply(esr_signed(sums[i]), scales[i]), zero_point, low, high);
    }
}

#if ESR_VECTORS

/* Inputs of a pixel that are widened to 16 bits at once. Broadcasting from memory is cheap, and a
 * product of two int8 fits in 16 bits. */
#define WIDENED 32

ESR_INLINE void widen(int16_t *wide, const int8_t *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wide[i] = in[i];
    }
}

#define LANES 16
#include "esr_lanes.h"
#undef LANES
#define LANES 8
#include "esr_lanes.h"
#undef LANES
#define LANES 4
#include "esr_lanes.h"
#undef LANES
#else

/* Start four sums with the bias of up to four channels; the others start at 0. */
ESR_INLINE void start_sums(uint32_t sums[4], const int32_t *bias, uint32_t count)
{
    sums[0] = (uint32_t)bias[0];
    sums[1] = count > 1 ? (uint32_t)bias[1] : 0;
    sums[2] = count > 2 ? (uint32_t)bias[2] : 0;
    sums[3] = count > 3 ? (uint32_t)bias[3] : 0;
}

/* Add the products of four channels with each of two inputs, which are `apart` bytes apart. The
 * weights of consecutive inputs are `lanes` apart. */
ESR_INLINE void add_run(uint32_t left[4], uint32_t right[4], const int8_t *in, size_t apart,
                        const int8_t *weights, uint32_t lanes, uint32_t run)
{
    uint32_t l0 = left[0], l1 = left[1], l2 = left[2], l3 = left[3];
    uint32_t r0 = right[0], r1 = right[1], r2 = right[2], r3 = right[3];

    for (const int8_t *end = in + run; in < end; in++, weights += lanes) {
        const int32_t l = in[0], r = in[apart];
        int32_t w = weights[0];

        l0 += (uint32_t)(l * w), r0 += (uint32_t)(r * w);
        w = weights[1];
        l1 += (uint32_t)(l * w), r1 += (uint32_t)(r * w);
        w = weights[2];
        l2 += (uint32_t)(l * w), r2 += (uint32_t)(r * w);
        w = weights[3];
        l3 += (uint32_t)(l * w), r3 += (uint32_t)(r * w);
    }
    left[0] = l0, left[1] = l1, left[2] = l2, left[3] = l3;
    right[0] = r0, right[1] = r1, right[2] = r2, right[3] = r3;
}

/* Compute four channels of two pixels, from channel `quad` of the block on. The right pixel is the
 * next one, or the left one again at the end of a row of odd width. */
ESR_INLINE void conv_quad(const block *b, uint32_t pixel, uint32_t next, uint32_t quad,
                          uint32_t lanes)
{
    const esr_conv *args = b->args;
    const int8_t *weights = b->weights + quad;
    const uint32_t channel = b->out_first + quad, count = min_u32(b->outputs - quad, 4);
    const size_t step = (size_t)args->stride_w * args->in_channels, apart = next * step;
    uint32_t left[4], right[4];

    start_sums(left, args->bias + channel, count);
    memcpy(right, left, sizeof right);
    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *in =
            esr_window_row(&args->in, y * esr_dilation_h(args)) + pixel * step + b->in_first;

        for (uint32_t tap = 0; tap < b->taps; tap++, in += b->step) {
            add_run(left, right, in, apart, weights, lanes, b->run);
            weights += (size_t)lanes * b->run;
        }
    }
    store(args, left, pixel, channel, count);
    store(args, right, pixel + next, channel, count);
}

static void conv_block(const block *b, uint32_t lanes)
{
    const uint32_t pixels = b->args->pixels;

    for (uint32_t pixel = 0; pixel < pixels; pixel += 2) {
        for (uint32_t quad = 0; quad < b->outputs; quad += 4) {
            conv_quad(b, pixel, pixel + 1 < pixels, quad, lanes);
        }
    }
}

static void conv_16(const block *b)
{
    conv_block(b, 16);
}

static void conv_8(const block *b)
{
    conv_block(b, 8);
}

static void conv_4(const block *b)
{
    conv_block(b, 4);
}

#endif

/* Compute one group in blocks: 16 lanes while more than 8 channels are left, then 8 or 4. Returns
 * the weights of the next group. */
static const int8_t *conv_group(block *b, uint32_t channels)
{
    const uint32_t weights_per_lane = b->args->kernel_h * b->taps * b->run;

    while (channels > 0) {
        const uint32_t lanes = esr_conv_lanes(channels);

        b->outputs = min_u32(channels, lanes);
        (lanes == 16 ? conv_16 : lanes == 8 ? conv_8 : conv_4)(b);
        b->weights += (size_t)weights_per_lane * lanes;
        b->out_first += b->outputs;
        channels -= b->outputs;
    }
    return b->weights;
}

/* Without groups and dilation the inputs of one kernel row are one contiguous run. */
ESR_INLINE int is_whole(const esr_conv *args)
{
    return args->groups == 1 && esr_dilation_w(args) == 1;
}

void esr_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const uint32_t outputs = args->out_channels / args->groups;
    block b;

    b.args = args;
    b.weights = args->weights;
    b.taps = is_whole(args) ? 1 : args->kernel_w;
    b.run = is_whole(args) ? inputs * args->kernel_w : inputs;
    b.step = (size_t)esr_dilation_w(args) * args->in_channels;
    for (uint32_t group = 0; group < args->groups; group++) {
        b.in_first = group * inputs;
        b.out_first = group * outputs;
        b.weights = conv_group(&b, outputs);
    }
}

#endif

#define DEPTHWISE_LANES 16

/* Output channels [first, first + lanes) of one pixel; output c reads input c / multiplier. */
ESR_INLINE void depthwise_lanes(const esr_conv *args, uint32_t pixel, uint32_t first,
                                uint32_t lanes, uint32_t multiplier)
{
    const int8_t *weights = args->weights + first;
    uint32_t sums[DEPTHWISE_LANES];

    for (uint32_t lane = 0; lane < lanes; lane++) {
        sums[lane] = (uint32_t)args->bias[first + lane];
    }
    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *in = esr_window_row(&args->in, y) + (size_t)pixel * args->in_channels;

        for (uint32_t x = 0; x < args->kernel_w; x++) {
            for (uint32_t lane = 0; lane < lanes; lane++) {
                sums[lane] += (uint32_t)(in[(first + lane) / multiplier] * weights[lane]);
            }
            in += args->in_channels;
            weights += args->out_channels;
        }
    }
    for (uint32_t lane = 0; lane < lanes; lane++) {
        args->out[(size_t)pixel * args->out_channels + first + lane] =
            esr_store(esr_multiply(esr_signed(sums[lane]), args->scales[first + lane]),
                      args->out_zero_point, args->low, args->high);
    }
}

ESR_HOT void esr_depthwise_row(const esr_conv *args)
{
    const uint32_t multiplier = args->out_channels / args->groups;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        uint32_t first = 0;

        for (; multiplier == 1 && args->out_channels - first >= 8; first += 8) {
            depthwise_lanes(args, pixel, first, 8, 1);
        }
        while (first < args->out_channels) {
            const uint32_t lanes = min_u32(args->out_channels - first, DEPTHWISE_LANES);

            depthwise_lanes(args, pixel, first, lanes, multiplier);
            first += lanes;
        }
    }
}

/* Vector code computes both branches and selects; scalar code computes one. */
ESR_INLINE int32_t prelu_value(const esr_prelu *args, int32_t x, int32_t alpha)
{
#if ESR_VECTORS
    const int32_t above = esr_multiply(x, args->positive);
    const int32_t below = esr_multiply(x * alpha, args->negative);

    return x >= 0 ? above : args->negate ? -below : below;
#else
    int32_t below;

    if (x >= 0) {
        return esr_multiply(x, args->positive);
    }
    below = esr_multiply(x * alpha, args->negative);
    return args->negate ? -below : below;
#endif
}

/* Compute `count` values; alpha[i] belongs to value i. The arguments are copied, because compilers
 * must assume that a store of int8 changes anything that a pointer can reach. */
ESR_INLINE void prelu_values(esr_prelu args, size_t first, size_t count, const int8_t *alpha)
{
    for (size_t i = first; i < first + count; i++) {
        const int32_t x = args.in[i] - args.in_zero_point;
        const int32_t value = prelu_value(&args, x, alpha[i - first]);

        args.out[i] = esr_store(value, args.out_zero_point, args.low, args.high);
    }
}

/* Alphas are repeated to this many values; a multiple of common channel counts. */
#define PATTERN 48

ESR_HOT void esr_portable_prelu_row(const esr_prelu *args)
{
    const size_t count = (size_t)args->pixels * args->channels;
    int8_t pattern[PATTERN];
    size_t step, done = 0;

    if (args->alpha != NULL && args->channels > PATTERN) {
        for (; done < count; done += args->channels) {
            prelu_values(*args, done, args->channels, args->alpha);
        }
        return;
    }
    step = args->alpha == NULL ? PATTERN : PATTERN - PATTERN % args->channels;
    for (size_t i = 0; i < step; i++) {
        pattern[i] = args->alpha == NULL ? 1 : args->alpha[i % args->channels];
    }
    for (; count - done >= PATTERN && step == PATTERN; done += PATTERN) {
        prelu_values(*args, done, PATTERN, pattern);
    }
    for (; done < count; done += step) {
        prelu_values(*args, done, count - done < step ? count - done : step, pattern);
    }
}

#if ESR_LAYOUT == ESR_LAYOUT_SIMD
void esr_prelu_row(const esr_prelu *args)
{
    esr_portable_prelu_row(args);
}
#endif

void esr_lut_row(const int8_t *in, int8_t *out, const int8_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = table[in[i] + 128];
    }
}

#if ESR_LAYOUT != ESR_LAYOUT_MVE8
ESR_HOT void esr_add_row(const esr_add *args)
{
    const esr_add a = *args;
    const esr_scale left_scale = a.scales[0], right_scale = a.scales[1], scale = a.scales[2];

    for (size_t i = 0; i < a.count; i++) {
        const int32_t left = (a.left[i] - a.left_zero_point) * (1 << 20);
        const int32_t right = (a.right[i] - a.right_zero_point) * (1 << 20);
        const uint32_t sum = (uint32_t)esr_multiply(left, left_scale) +
                             (uint32_t)esr_multiply(right, right_scale);

        a.out[i] = esr_store(esr_multiply(esr_signed(sum), scale), a.out_zero_point, a.low,
                             a.high);
    }
}
#endif

/* With a constant count, compilers copy without a loop. */
ESR_INLINE void copy_pixels(esr_copy a, uint32_t count)
{
    for (uint32_t pixel = 0; pixel < a.pixels; pixel++, a.in += a.in_step, a.out += a.out_step) {
        int8_t *out = a.out;

        for (uint32_t repeat = 0; repeat < a.repeats; repeat++, out += count) {
            memcpy(out, a.in, count);
        }
    }
}

void esr_copy_row(const esr_copy *args)
{
    if (args->count == 2 && args->repeats == 1) {
        copy_pixels(*args, 2);
    } else {
        copy_pixels(*args, args->count);
    }
}
