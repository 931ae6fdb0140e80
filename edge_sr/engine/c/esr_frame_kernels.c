/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: portable kernels of frame plans, see esr_frame_kernels.h. */
#include "esr_frame_kernels.h"

#if ESR_FRAMES

#include <string.h>

#ifndef ESR_HOT
#define ESR_HOT
#endif

/* Channels that are computed together. */
#define LANES 16

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int8_t requantized(const esr_conv *args, uint32_t sum, uint32_t channel)
{
    return esr_store(esr_multiply(esr_signed(sum), args->scales[channel]), args->out_zero_point,
                     args->low, args->high);
}

/* --- convolutions */

#if ESR_LAYOUT != ESR_LAYOUT_DSP16

ESR_INLINE uint32_t add_products(uint32_t sum, const int8_t *in, const int8_t *weights,
                                 uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sum += (uint32_t)(in[i] * weights[i]);
    }
    return sum;
}

/* The sum of one output channel of one pixel. `in_first`: the first value that it reads in a row.
 * Without groups and dilation the inputs of a kernel row are one run of `run` values. */
ESR_INLINE uint32_t add_window(const esr_conv *args, const int8_t *weights, size_t in_first,
                               uint32_t run, uint32_t runs, uint32_t sum)
{
    const size_t step = (size_t)args->dilation_w * args->in_channels;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *in = esr_window_row(&args->in, y * args->dilation_h) + in_first;

        for (uint32_t x = 0; x < runs; x++, weights += run) {
            sum = add_products(sum, in + x * step, weights, run);
        }
    }
    return sum;
}

uint64_t esr_any_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                   uint32_t outputs)
{
    return (uint64_t)kernel_h * kernel_w * inputs * outputs;
}

uint64_t esr_any_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                    uint32_t pixels)
{
    (void)kernel_h;
    (void)kernel_w;
    (void)inputs;
    (void)pixels;
    return 0;
}

uint64_t esr_any_depthwise_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                        uint32_t outputs)
{
    return (uint64_t)kernel_h * kernel_w * groups * outputs;
}

uint64_t esr_any_depthwise_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                         uint32_t outputs)
{
    (void)kernel_h;
    (void)kernel_w;
    (void)groups;
    (void)outputs;
    return 0;
}

ESR_HOT void esr_portable_any_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const uint32_t outputs = args->out_channels / args->groups;
    const int whole = args->groups == 1 && args->dilation_w == 1;
    const uint32_t run = whole ? inputs * args->kernel_w : inputs;
    const uint32_t runs = whole ? 1 : args->kernel_w;
    const size_t weights = (size_t)args->kernel_h * runs * run;
    int8_t *out = args->out;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        const size_t column = (size_t)pixel * args->stride_w * args->in_channels;

        for (uint32_t channel = 0; channel < args->out_channels; channel++) {
            const size_t in_first = column + (size_t)(channel / outputs) * inputs;
            const uint32_t sum = add_window(args, args->weights + weights * channel, in_first, run,
                                            runs, (uint32_t)args->bias[channel]);

            *out++ = requantized(args, sum, channel);
        }
    }
}

#endif

/* Output channels [first, first + lanes) of one pixel; output c reads input c / multiplier. */
ESR_INLINE void depthwise_lanes(const esr_conv *args, uint32_t pixel, uint32_t first,
                                uint32_t lanes, uint32_t multiplier)
{
    const size_t column = (size_t)pixel * args->stride_w * args->in_channels;
    const size_t step = (size_t)args->dilation_w * args->in_channels;
    const int8_t *weights = args->weights + first;
    uint32_t sums[LANES];

    for (uint32_t lane = 0; lane < lanes; lane++) {
        sums[lane] = (uint32_t)args->bias[first + lane];
    }
    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *in = esr_window_row(&args->in, y * args->dilation_h) + column;

        for (uint32_t x = 0; x < args->kernel_w; x++) {
            for (uint32_t lane = 0; lane < lanes; lane++) {
                sums[lane] += (uint32_t)(in[(first + lane) / multiplier] * weights[lane]);
            }
            in += step;
            weights += args->out_channels;
        }
    }
    for (uint32_t lane = 0; lane < lanes; lane++) {
        args->out[(size_t)pixel * args->out_channels + first + lane] =
            requantized(args, sums[lane], first + lane);
    }
}

ESR_HOT void esr_portable_any_depthwise_row(const esr_conv *args)
{
    const uint32_t channels = args->out_channels;
    const uint32_t multiplier = channels / args->groups;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        uint32_t first = 0;

        for (; multiplier == 1 && channels - first >= LANES; first += LANES) {
            depthwise_lanes(args, pixel, first, LANES, 1);
        }
        for (; first < channels; first += LANES) {
            depthwise_lanes(args, pixel, first, lesser(channels - first, LANES), multiplier);
        }
    }
}

#if ESR_LAYOUT == ESR_LAYOUT_SIMD
void esr_any_conv_row(const esr_conv *args)
{
    esr_portable_any_conv_row(args);
}

void esr_any_depthwise_row(const esr_conv *args)
{
    esr_portable_any_depthwise_row(args);
}
#endif

/* --- pooling */

static int8_t clamped(int32_t value, const esr_pool *args)
{
    return (int8_t)(value < args->low ? args->low : value > args->high ? args->high : value);
}

#if ESR_LAYOUT != ESR_LAYOUT_MVE8
ESR_HOT void esr_max_pool_row(const esr_pool *args, const int8_t *previous)
{
    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        const size_t first = (size_t)pixel * args->channels;
        uint32_t start, end;

        esr_pool_columns(args, pixel, &start, &end);
        for (uint32_t channel = 0; channel < args->channels; channel++) {
            int32_t most = previous == NULL ? INT8_MIN : previous[first + channel];

            for (uint32_t y = 0; y < args->rows; y++) {
                const int8_t *in = esr_window_row(&args->in, y) + channel;

                for (uint32_t x = start; x < end; x++) {
                    const int32_t value = in[(size_t)x * args->channels];

                    most = value > most ? value : most;
                }
            }
            args->out[first + channel] = clamped(most, args);
        }
    }
}
#endif

/* The sum of one channel over the columns [start, end) of all rows. */
ESR_INLINE int32_t sum_of(const esr_window *window, uint32_t rows, uint32_t start, uint32_t end,
                          uint32_t channels, uint32_t channel)
{
    uint32_t sum = 0;

    for (uint32_t y = 0; y < rows; y++) {
        const int8_t *in = esr_window_row(window, y) + channel;

        for (uint32_t x = start; x < end; x++) {
            const int32_t value = in[(size_t)x * channels];

            sum += (uint32_t)value;
        }
    }
    return esr_signed(sum);
}

/* Ties are rounded away from zero; C's division rounds toward it. */
static int8_t average(const esr_pool *args, int64_t sum, uint32_t columns)
{
    const int64_t count = columns > 0 ? (int64_t)args->rows * columns : 1;

    return clamped((int32_t)((sum > 0 ? sum + count / 2 : sum - count / 2) / count), args);
}

ESR_HOT void esr_average_pool_row(const esr_pool *args)
{
    int8_t *out = args->out;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        uint32_t start, end;

        esr_pool_columns(args, pixel, &start, &end);
        for (uint32_t channel = 0; channel < args->channels; channel++) {
            const int32_t sum =
                sum_of(&args->in, args->rows, start, end, args->channels, channel);

            *out++ = average(args, sum, end > start ? end - start : 0);
        }
    }
}

ESR_HOT void esr_sum_row(const esr_pool *args, const int32_t *previous, int32_t *sums)
{
    const uint32_t channels = args->channels;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++, sums += channels) {
        uint32_t start, end;

        if (previous == NULL) {
            memset(sums, 0, channels * sizeof *sums);
        } else {
            memmove(sums, previous + (size_t)pixel * channels, channels * sizeof *sums);
        }
        esr_pool_columns(args, pixel, &start, &end);
        for (uint32_t x = start; x < end; x++) {
            const int8_t *in = esr_window_row(&args->in, 0) + (size_t)x * channels;

            for (uint32_t channel = 0; channel < channels; channel++) {
                sums[channel] = esr_signed((uint32_t)sums[channel] + (uint32_t)in[channel]);
            }
        }
    }
}

void esr_average_sums_row(const esr_pool *args, const int32_t *sums)
{
    int8_t *out = args->out;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        uint32_t start, end;

        esr_pool_columns(args, pixel, &start, &end);
        for (uint32_t channel = 0; channel < args->channels; channel++) {
            *out++ = average(args, *sums++, end > start ? end - start : 0);
        }
    }
}

/* The sum of the values that give one channel of one pixel of the mean. */
ESR_INLINE int32_t sum_of_values(const esr_mean *args, uint32_t pixel, uint32_t channel)
{
    const int all_columns = args->out_pixels == 1, all_channels = args->out_channels == 1;
    const uint32_t start = all_columns ? 0 : pixel, end = all_columns ? args->in_pixels : pixel + 1;
    const uint32_t last = all_channels ? args->in_channels : channel + 1;
    uint32_t sum = 0;

    for (; channel < last; channel++) {
        sum += (uint32_t)sum_of(&args->in, args->rows, start, end, args->in_channels, channel);
    }
    return esr_signed(sum);
}

static int8_t mean(const esr_mean *args, int32_t sum)
{
    const uint32_t shifted = (uint32_t)sum - (uint32_t)args->in_zero_point * args->count;

    return esr_store(esr_multiply(esr_signed(shifted), args->scale), args->out_zero_point,
                     INT8_MIN, INT8_MAX);
}

ESR_HOT void esr_mean_row(const esr_mean *args)
{
    int8_t *out = args->out;

    for (uint32_t pixel = 0; pixel < args->out_pixels; pixel++) {
        for (uint32_t channel = 0; channel < args->out_channels; channel++) {
            *out++ = mean(args, sum_of_values(args, pixel, channel));
        }
    }
}

void esr_mean_sums_row(const esr_mean *args, const int32_t *sums)
{
    for (size_t i = 0; i < (size_t)args->out_pixels * args->out_channels; i++) {
        args->out[i] = mean(args, sums[i]);
    }
}

/* --- softmax, in the fixed-point arithmetic of gemmlowp that TensorFlow Lite Micro uses */

/* Integer bits of the sum of exponentials. */
#define SUM_BITS 12

/* 1 / (1 + x) for x in [0, 1], both without integer bits; by Newton's method. */
static int32_t reciprocal_of_one_plus(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t result = INT32_C(1515870810) + esr_high_product(half, INT32_C(-1010580540));

    for (int i = 0; i < 3; i++) {
        const int32_t error = (INT32_C(1) << 29) - esr_high_product(half, result);

        result = esr_signed((uint32_t)result +
                            ((uint32_t)esr_high_product(result, error) << 2));
    }
    return result >= INT32_C(1) << 30 ? INT32_MAX : esr_signed((uint32_t)result << 1);
}

ESR_INLINE void softmax_pixel(const int8_t *in, int8_t *out, const int32_t *exps,
                              uint32_t channels)
{
    int32_t most = INT8_MIN, shift = 0, scale, right;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < channels; i++) {
        most = in[i] > most ? in[i] : most;
    }
    for (uint32_t i = 0; i < channels; i++) {
        sum += (uint32_t)esr_divide_by_power(exps[most - in[i]], SUM_BITS);
    }
    while (shift < 31 && (sum & UINT32_C(0x80000000)) == 0) {
        sum <<= 1;
        shift++;
    }
    scale = reciprocal_of_one_plus(esr_signed(sum & INT32_MAX));
    right = SUM_BITS - shift + 31 - 8;
    right = right > 31 ? 31 : right;
    for (uint32_t i = 0; i < channels; i++) {
        const int32_t part = esr_high_product(scale, exps[most - in[i]]);

        out[i] = esr_store(esr_divide_by_power(part, right), INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void esr_softmax_row(const int8_t *in, int8_t *out, const int32_t *exps, uint32_t pixels,
                     uint32_t channels)
{
    for (; pixels > 0; pixels--, in += channels, out += channels) {
        softmax_pixel(in, out, exps, channels);
    }
}

#endif
