/*
 * The portable kernels: plain C99, the reference for all others. Inner loops run over output
 * channels in blocks of constant size, which compilers turn into vector instructions.
 *
 * Weights come in blocks of 16 output channels; the last ones may be 8 or 4, padded with 0.
 */
#include "esr_kernels.h"

#include <string.h>

/* A build for one machine may define this, for example as an attribute that compiles a function
 * for several instruction sets. */
#ifndef ESR_HOT
#define ESR_HOT
#endif

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#if ESR_LAYOUT == ESR_LAYOUT_LANES

/* Lanes of the block that starts with so many channels left. */
static uint32_t lanes_of(uint32_t channels)
{
    return channels > 8 ? 16 : channels > 4 ? 8 : 4;
}

uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs)
{
    const uint32_t rest = outputs % 16;
    const uint32_t lanes = outputs - rest + (rest > 0 ? lanes_of(rest) : 0);

    return (uint64_t)kernel_h * kernel_w * inputs * lanes;
}

uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    (void)kernel_h, (void)kernel_w, (void)inputs;
    return 0;
}

/* One block of output channels of one group. */
typedef struct block {
    const esr_conv *args;
    const int8_t *weights;
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* channels to store, at most the block's lanes */
    uint32_t taps;      /* runs of contiguous inputs per kernel row, */
    uint32_t run;       /* their length, */
    uint32_t step;      /* and distance */
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

#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON))

/* Inputs of a pixel that are widened at once: broadcasting from memory is cheap, and a product of
 * two int8 fits in 16 bits. */
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

/* Four channels of one pixel; `weights` are theirs, `lanes` apart from tap to tap. */
ESR_INLINE void conv_quad(const block *b, uint32_t pixel, uint32_t quad, uint32_t lanes)
{
    const esr_conv *args = b->args;
    const int8_t *weights = b->weights + quad;
    const int32_t *bias = args->bias + b->out_first + quad;
    const uint32_t count = b->outputs - quad < 4 ? b->outputs - quad : 4;
    const uint32_t run = b->run;
    uint32_t sums[4] = {0, 0, 0, 0};
    uint32_t s0, s1, s2, s3;

    for (uint32_t i = 0; i < count; i++) {
        sums[i] = (uint32_t)bias[i];
    }
    s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *in = esr_window_row(&args->in, y) + (size_t)pixel * args->in_channels +
                           b->in_first;

        for (uint32_t tap = 0; tap < b->taps; tap++, in += b->step) {
            for (uint32_t i = 0; i < run; i++, weights += lanes) {
                const int32_t value = in[i];

                s0 += (uint32_t)(value * weights[0]);
                s1 += (uint32_t)(value * weights[1]);
                s2 += (uint32_t)(value * weights[2]);
                s3 += (uint32_t)(value * weights[3]);
            }
        }
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    store(args, sums, pixel, b->out_first + quad, count);
}

static void conv_block(const block *b, uint32_t lanes)
{
    for (uint32_t pixel = 0; pixel < b->args->pixels; pixel++) {
        for (uint32_t quad = 0; quad < b->outputs; quad += 4) {
            conv_quad(b, pixel, quad, lanes);
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

/* The blocks of one group: 16 lanes while there are more than 8 channels left, then 8 or 4. */
static const int8_t *conv_group(block *b, uint32_t channels)
{
    const uint32_t weights_per_lane = b->args->kernel_h * b->taps * b->run;

    while (channels > 0) {
        const uint32_t lanes = lanes_of(channels);

        b->outputs = smaller(channels, lanes);
        (lanes == 16 ? conv_16 : lanes == 8 ? conv_8 : conv_4)(b);
        b->weights += (size_t)weights_per_lane * lanes;
        b->out_first += b->outputs;
        channels -= b->outputs;
    }
    return b->weights;
}

void esr_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const uint32_t outputs = args->out_channels / args->groups;
    block b;

    b.args = args;
    b.weights = args->weights;
    /* Without groups the inputs of one kernel row are one contiguous run. */
    b.taps = args->groups == 1 ? 1 : args->kernel_w;
    b.run = args->groups == 1 ? inputs * args->kernel_w : inputs;
    b.step = args->in_channels;
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
            const uint32_t lanes = smaller(args->out_channels - first, DEPTHWISE_LANES);

            depthwise_lanes(args, pixel, first, lanes, multiplier);
            first += lanes;
        }
    }
}

/* `count` values; alpha[i] belongs to value i. The arguments are a copy, because a compiler must
 * assume that writing int8 changes whatever a pointer may reach. */
ESR_INLINE void slopes(esr_slopes args, size_t first, size_t count, const int8_t *alpha)
{
    for (size_t i = first; i < first + count; i++) {
        const int32_t x = args.in[i] - args.in_zero_point;
        const int32_t above = esr_multiply(x, args.positive);
        const int32_t below = esr_multiply(x * alpha[i - first], args.negative);

        args.out[i] = esr_store(x >= 0 ? above : args.negate ? -below : below,
                                args.out_zero_point, args.low, args.high);
    }
}

/* Alphas of so many values are laid out at once; a multiple of the usual counts of channels. */
#define PATTERN 48

ESR_HOT void esr_portable_slopes_row(const esr_slopes *args)
{
    const size_t count = (size_t)args->pixels * args->channels;
    int8_t pattern[PATTERN];
    size_t step, done = 0;

    if (args->alpha != NULL && args->channels > PATTERN) {
        for (; done < count; done += args->channels) {
            slopes(*args, done, args->channels, args->alpha);
        }
        return;
    }
    step = args->alpha == NULL ? PATTERN : PATTERN - PATTERN % args->channels;
    for (size_t i = 0; i < step; i++) {
        pattern[i] = args->alpha == NULL ? 1 : args->alpha[i % args->channels];
    }
    for (; count - done >= PATTERN && step == PATTERN; done += PATTERN) {
        slopes(*args, done, PATTERN, pattern);
    }
    for (; done < count; done += step) {
        slopes(*args, done, count - done < step ? count - done : step, pattern);
    }
}

#if ESR_LAYOUT == ESR_LAYOUT_LANES
void esr_slopes_row(const esr_slopes *args)
{
    esr_portable_slopes_row(args);
}
#endif

void esr_table_row(const int8_t *in, int8_t *out, const int8_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = table[in[i] + 128];
    }
}

ESR_HOT void esr_sum_row(const esr_sum *args)
{
    const esr_sum a = *args;
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

/* Counts that are known early are copied without a loop. */
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
    esr_copy a = *args;

    if (a.count == 2 && a.repeats == 1) {
        a.repeats = 1;
        copy_pixels(a, 2);
    } else {
        copy_pixels(a, a.count);
    }
}
