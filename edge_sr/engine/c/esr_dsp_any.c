/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions of any stride and dilation for Cortex-M with the DSP
 * extension, with weights of one byte, which are widened to int16 when they are used.
 *
 * The windows of a few pixels are widened in the scratch memory (im2col). Three pixels, or two, and
 * two output channels are computed at a time; four channels of a single pixel, as dense layers have
 * it, straight from the input's bytes.
 *
 * Depthwise convolutions take four channels at a time. The scratch memory has their weights, and
 * the columns of a few pixels: two rows of each channel in a word, so that one instruction
 * multiplies two taps.
 */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_frame_kernels.h"

#if ESR_FRAMES && ESR_LAYOUT == ESR_LAYOUT_DSP16

#include "esr_dsp_loops.h"
#include "esr_dsp_store.h"

#include <string.h>

/* Maximum pixels of a strip: a multiple of three. */
#define STRIP 30

/* Two taps of four channels, and how many of them the loop adds at once. */
#define QUAD_BYTES 16
#define QUADS 6

/* The most of a window that is computed so. */
#define MAX_QUADS 32

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t word_at(const int8_t *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Requantize a sum of any size. */
ESR_INLINE int8_t requantized(int32_t sum, esr_scale scale, int32_t zero_point)
{
    if (scale.shift < 0) {
        const int32_t high = esr_high_product(sum, scale.multiplier);
        const int32_t twice = (high + (high >> 31)) >> (-1 - scale.shift);

        return (int8_t)esr_saturate_byte(((twice + 1) >> 1) + zero_point);
    }
    return esr_store(esr_multiply(sum, scale), zero_point, -128, 127);
}

ESR_NOINLINE static void store_any(const esr_stores *job, uint32_t i, esr_scale scale,
                                   int32_t zero_point)
{
    const uint32_t step = job->step_bytes / 4, out_step = job->out_step;
    const int32_t *sums = job->sums + i;
    int8_t *out = job->out + i;

    for (uint32_t pixels = job->pixels; pixels > 0; pixels--, sums += step, out += out_step) {
        *out = requantized(*sums, scale, zero_point);
    }
}

/* Store one or two channels of the pixels of a record, whose `channels` this function sets.
 * `limit`: esr_plain_limit(). */
ESR_INLINE void store(const esr_conv *args, int32_t limit, uint32_t channel, uint32_t channels,
                      esr_stores *job)
{
    const esr_scale *scales = args->scales + channel;
    const int32_t zero_point = args->out_zero_point;

    if (channels == 2 && esr_is_plain(args, limit, channel) &&
        esr_is_plain(args, limit, channel + 1)) {
        job->channels[0] = esr_plain_of(scales[0], zero_point);
        job->channels[1] = esr_plain_of(scales[1], zero_point);
        esr_store_pairs(job);
        return;
    }
    for (uint32_t i = 0; i < channels; i++) {
        store_any(job, i, scales[i], zero_point);
    }
}

/* --- convolutions */

/* A group of channels. Its windows consist of runs of values that are contiguous in the input. */
typedef struct conv_task {
    const esr_conv *args;
    const int8_t *weights;
    uint32_t group;
    uint32_t outputs;  /* of the group */
    uint32_t run;      /* values of a run */
    uint32_t runs;     /* in a row of the kernel */
    uint32_t taps;     /* of a window, a multiple of four */
    uint32_t first;    /* pixel of the strip, */
    uint32_t triples;  /* and its pixels that are computed three at a time, */
    uint32_t pairs;    /* and two at a time */
    int32_t limit;     /* esr_plain_limit() */
} conv_task;

static uint64_t window_taps(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs)
{
    return ((uint64_t)kernel_h * kernel_w * inputs + 3) / 4 * 4;
}

uint64_t esr_any_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                   uint32_t outputs)
{
    return ((uint64_t)outputs + 1) / 2 * 2 * window_taps(kernel_h, kernel_w, inputs);
}

uint64_t esr_any_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                    uint32_t pixels)
{
    const uint64_t taps = window_taps(kernel_h, kernel_w, inputs);

    if (pixels == 1) {
        return inputs % 4 == 0 ? 0 : taps;
    }
    return (pixels == 2 ? 2 : 3) * taps * sizeof(int16_t) + (inputs % 4 == 0 ? 0 : taps);
}

/* The run `x` of row `y` of a pixel's window. */
static const int8_t *run_at(const conv_task *t, uint32_t pixel, uint32_t y, uint32_t x)
{
    const esr_conv *args = t->args;
    const uint32_t column = pixel * args->stride_w + x * args->dilation_w;

    return esr_window_row(&args->in, y * args->dilation_h) + (size_t)column * args->in_channels +
           t->group * (args->in_channels / args->groups);
}

/* Widen values, four at a time. Their order becomes 0, 2, 1, 3, which is that of the weights.
 * `gap`: words between the results of four values and of the next ones. */
ESR_INLINE esr_int16x2 *widen(esr_int16x2 *to, uint32_t gap, const int8_t *from, uint32_t count)
{
    for (const int8_t *end = from + count; from < end; from += 4) {
        const uint32_t bytes = word_at(from);

        to = esr_put_two(to, esr_even_bytes(bytes), esr_odd_bytes(bytes)) + gap;
    }
    return to;
}

/* Copy the values of a window, with 0 for the taps that fill it up. */
static void gather(const conv_task *t, uint32_t pixel, int8_t *to)
{
    const int8_t *end = to + t->taps;

    for (uint32_t y = 0; y < t->args->kernel_h; y++) {
        for (uint32_t x = 0; x < t->runs; x++) {
            const int8_t *from = run_at(t, pixel, y, x);
            const int8_t *last = from + t->run;

            for (; last - from >= 4; from += 4, to += 4) {
                memcpy(to, from, 4);
            }
            while (from < last) {
                *to++ = *from++;
            }
        }
    }
    while (to < end) {
        *to++ = 0;
    }
}

/* Widen the windows of `count` pixels that are computed together. */
static void fill_group(const conv_task *t, uint32_t first, uint32_t count, esr_int16x2 *to)
{
    const esr_conv *args = t->args;
    const uint32_t gap = 2 * (count - 1), row_words = t->runs * t->run / 4 * 2 * count;
    int8_t *bytes = (int8_t *)args->scratch + args->scratch_bytes / 4 * 4 - t->taps;

    for (uint32_t i = 0; t->run % 4 != 0 && i < count; i++) {
        gather(t, first + i, bytes);
        (void)widen(to + 2 * i, gap, bytes, t->taps);
    }
    for (uint32_t y = 0; t->run % 4 == 0 && y < args->kernel_h; y++, to += row_words) {
        const int8_t *from = run_at(t, first, y, 0);

        for (uint32_t i = 0; i < count; i++, from += args->stride_w * args->in_channels) {
            esr_int16x2 *next = to + 2 * i;

            for (uint32_t x = 0; x < t->runs; x++) {
                next = widen(next, gap, from + x * args->dilation_w * args->in_channels, t->run);
            }
        }
    }
}

/* Add up the windows of a strip for the channels of a record. */
static void add_groups(const conv_task *t, esr_groups *job)
{
    job->windows = t->args->scratch;
    job->end = job->windows + (size_t)t->triples * t->taps / 2;
    if (t->triples > 0) {
        esr_add_triples(job);
        job->windows = job->end;
    }
    if (t->pairs > 0) {
        job->end += (size_t)t->pairs * t->taps / 2;
        esr_add_pairs(job);
    }
}

/* Compute all channels of a strip, two at a time. */
static void run_pairs(const conv_task *t)
{
    const esr_conv *args = t->args;
    uint32_t channel = t->group * t->outputs;
    const uint32_t end = channel + t->outputs;
    int32_t sums[2 * STRIP];
    esr_groups job;
    esr_stores stores;

    stores.sums = sums;
    stores.step_bytes = 2 * sizeof *sums;
    stores.out = args->out + (size_t)t->first * args->out_channels + channel;
    stores.out_step = args->out_channels;
    stores.pixels = t->triples + t->pairs;
    job.weights_end = t->weights;
    job.rest = t->taps / 4 % 4;
    for (; channel < end; channel += 2, stores.out += 2) {
        const uint32_t channels = lesser(end - channel, 2);

        job.bias[0] = job.bias[2] = job.bias[4] = args->bias[channel];
        job.bias[1] = job.bias[3] = job.bias[5] = args->bias[channel + channels - 1];
        job.weights = job.weights_end;
        job.weights_end += 2 * (size_t)t->taps;
        job.sums = sums;
        add_groups(t, &job);
        store(args, t->limit, channel, channels, &stores);
    }
}

/* Compute a strip. */
static void run_strip(const conv_task *t)
{
    esr_int16x2 *to = t->args->scratch;
    const uint32_t window = t->taps / 2;
    uint32_t i = 0;

    for (; i < t->triples; i += 3, to += 3 * (size_t)window) {
        fill_group(t, t->first + i, 3, to);
    }
    for (; i < t->triples + t->pairs; i += 2, to += 2 * (size_t)window) {
        fill_group(t, t->first + i, 2, to);
    }
    run_pairs(t);
}

/* Compute up to four channels of a pixel. `bytes`: its window, or null if it has several runs, whose
 * values are multiples of four. */
static void run_four(const conv_task *t, const int8_t *bytes, uint32_t index)
{
    const esr_conv *args = t->args;
    const uint32_t channel = t->group * t->outputs + index;
    const uint32_t channels = lesser(t->outputs - index, 4);
    const int8_t *weights = t->weights + (size_t)index * t->taps;
    esr_fours job = {{0, 0, 0, 0}, bytes, {weights, weights}, bytes};

    for (uint32_t i = 0; i < channels; i++) {
        job.sums[i] = args->bias[channel + i];
    }
    if (channels > 2) {
        job.weights[1] += 2 * (size_t)t->taps;
    }
    if (bytes != NULL) {
        job.end += t->taps;
        esr_add_fours(&job);
    }
    for (uint32_t y = 0; bytes == NULL && y < args->kernel_h; y++) {
        for (uint32_t x = 0; x < t->runs; x++) {
            job.in = run_at(t, 0, y, x);
            job.end = job.in + t->run;
            esr_add_fours(&job);
        }
    }
    for (uint32_t i = 0; i < channels; i++) {
        args->out[channel + i] = requantized(job.sums[i], args->scales[channel + i],
                                             args->out_zero_point);
    }
}

/* Compute the only pixel of a row. */
static void run_pixel(const conv_task *t)
{
    const int8_t *bytes = NULL;

    if (t->run % 4 != 0) {
        gather(t, 0, t->args->scratch);
        bytes = t->args->scratch;
    } else if (t->run == t->taps) {
        bytes = run_at(t, 0, 0, 0);
    }
    for (uint32_t i = 0; i < t->outputs; i += 4) {
        run_four(t, bytes, i);
    }
}

/* Compute all pixels of a row, in strips. Pixels that are no multiple of three end in two or four
 * that are computed in pairs. */
static void run_pixels(conv_task *t)
{
    const esr_conv *args = t->args;
    const size_t bytes = args->scratch_bytes - (t->run % 4 == 0 ? 0 : t->taps);
    const uint32_t limit = lesser((uint32_t)(bytes / (2 * (size_t)t->taps)), STRIP);

    for (t->first = 0; t->first < args->pixels; t->first += t->triples + t->pairs) {
        const uint32_t left = args->pixels - t->first;
        const uint32_t paired = left % 3 == 1 ? 4 : left % 3;

        t->triples = lesser(left - paired, limit / 3 * 3);
        t->pairs = 0;
        if (left - t->triples == paired) {
            t->pairs = lesser(paired, (limit - t->triples) / 2 * 2);
        }
        run_strip(t);
    }
}

void esr_any_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const int whole = args->groups == 1 && args->dilation_w == 1;
    conv_task t;

    t.args = args;
    t.weights = args->weights;
    t.outputs = args->out_channels / args->groups;
    t.run = whole ? inputs * args->kernel_w : inputs;
    t.runs = whole ? 1 : args->kernel_w;
    t.taps = (uint32_t)window_taps(args->kernel_h, args->kernel_w, inputs);
    t.limit = esr_plain_limit(t.taps);
    for (t.group = 0; t.group < args->groups; t.group++) {
        if (args->pixels == 1) {
            run_pixel(&t);
        } else {
            run_pixels(&t);
        }
        t.weights += (size_t)(t.outputs + 1) / 2 * 2 * t.taps;
    }
    if (args->low > -128 || args->high < 127) {
        esr_clamp(args->out, (size_t)args->pixels * args->out_channels, args->low, args->high);
    }
}

/* --- depthwise convolutions */

/* Four channels, the first of them `channel`. */
typedef struct quad_task {
    const esr_conv *args;
    const int8_t *packed;   /* weights */
    uint32_t channel;
    uint32_t column_quads;  /* of a column: two rows in each */
    uint32_t window_quads;  /* of a window, rounded up */
    uint32_t step_quads;    /* from window to window, which overlap if there is no dilation */
    esr_int16x2 *weights;
    esr_int16x2 *columns;
    uint32_t limit;         /* pixels of a strip */
    int32_t plain_limit;    /* esr_plain_limit() */
} quad_task;

static uint64_t quads_of(uint32_t kernel_h, uint32_t kernel_w)
{
    return ((uint64_t)kernel_h + 1) / 2 * kernel_w;
}

static uint64_t rounded(uint64_t quads)
{
    return (quads + QUADS - 1) / QUADS * QUADS;
}

/* Whether a convolution is computed four channels at a time, and has its weights in that order. */
static int has_quads(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups, uint32_t outputs)
{
    return outputs == 1 && groups >= 4 && rounded(quads_of(kernel_h, kernel_w)) <= MAX_QUADS;
}

uint64_t esr_any_depthwise_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                        uint32_t outputs)
{
    if (has_quads(kernel_h, kernel_w, groups, outputs)) {
        return ((uint64_t)groups + 3) / 4 * quads_of(kernel_h, kernel_w) * (QUAD_BYTES / 2);
    }
    return (uint64_t)kernel_h * kernel_w * groups * outputs;
}

uint64_t esr_any_depthwise_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                         uint32_t outputs)
{
    if (has_quads(kernel_h, kernel_w, groups, outputs)) {
        return 2 * rounded(quads_of(kernel_h, kernel_w)) * QUAD_BYTES;
    }
    return 0;
}

/* Two rows of four channels: two taps of each. Returns the address after them. */
ESR_INLINE esr_int16x2 *put_pair(esr_int16x2 *to, const int8_t *above, const int8_t *below)
{
    const uint32_t a = word_at(above), b = word_at(below);
    const esr_int16x2 even_a = esr_even_bytes(a), even_b = esr_even_bytes(b);
    const esr_int16x2 odd_a = esr_odd_bytes(a), odd_b = esr_odd_bytes(b);

    to = esr_put_two(to, esr_low_halves(even_a, even_b), esr_low_halves(odd_a, odd_b));
    return esr_put_two(to, esr_high_halves(even_a, even_b), esr_high_halves(odd_a, odd_b));
}

/* A single row: words have the even channels and the odd ones, both twice; the weights of the others
 * are 0. */
ESR_INLINE esr_int16x2 *put_single(esr_int16x2 *to, const int8_t *row)
{
    const uint32_t bytes = word_at(row);
    const esr_int16x2 even = esr_even_bytes(bytes), odd = esr_odd_bytes(bytes);

    return esr_put_two(esr_put_two(to, even, odd), even, odd);
}

/* Widen `count` columns of one to three rows of four channels. `step`: bytes from column to column;
 * `gap`: words between the results of columns. */
static void widen_rows(esr_int16x2 *to, uint32_t gap, const int8_t *const rows[3], uint32_t height,
                       uint32_t step, uint32_t count)
{
    const int8_t *first = rows[0], *second = rows[1], *third = rows[2];

    for (; height == 3 && count > 0; count--, first += step, second += step, third += step) {
        to = put_single(put_pair(to, first, second), third) + gap;
    }
    for (; height == 2 && count > 0; count--, first += step, second += step) {
        to = put_pair(to, first, second) + gap;
    }
    for (; count > 0; count--, first += step) {
        to = put_single(to, first) + gap;
    }
}

static void fill_weights(const quad_task *t)
{
    const uint32_t quads = t->column_quads * t->args->kernel_w;
    const int8_t *from = t->packed;
    esr_int16x2 *to = t->weights;

    for (uint32_t i = 0; i < 2 * quads; i++, from += 4) {
        const uint32_t bytes = word_at(from);

        to = esr_put_two(to, esr_even_bytes(bytes), esr_odd_bytes(bytes));
    }
    for (uint32_t i = 4 * quads; i < 4 * t->window_quads; i++) {
        *to++ = 0;
    }
}

/* Widen columns of all rows, from the column `first` on, `step` columns apart. */
static void fill_columns(const quad_task *t, esr_int16x2 *to, uint32_t first, uint32_t step,
                         uint32_t count)
{
    const esr_conv *args = t->args;
    const size_t offset = (size_t)first * args->in_channels + t->channel;

    for (uint32_t y = 0, height; y < args->kernel_h; y += height, to += 4) {
        const uint32_t left = args->kernel_h - y;
        const int8_t *rows[3];

        height = left == 3 ? 3 : lesser(left, 2);
        for (uint32_t i = 0; i < 3; i++) {
            rows[i] = esr_window_row(&args->in, (y + (i < height ? i : 0)) * args->dilation_h) +
                      offset;
        }
        widen_rows(to, 4 * (t->column_quads - (height + 1) / 2), rows, height,
                   step * args->in_channels, count);
    }
}

/* Widen the columns of `count` windows: each window of its own if there is a dilation. */
static void fill_quads(const quad_task *t, uint32_t first, uint32_t count)
{
    const esr_conv *args = t->args;
    const uint32_t stride = args->stride_w;

    if (args->dilation_w == 1) {
        fill_columns(t, t->columns, first * stride, 1, (count - 1) * stride + args->kernel_w);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        fill_columns(t, t->columns + (size_t)i * t->step_quads * 4, (first + i) * stride,
                     args->dilation_w, args->kernel_w);
    }
}

static void run_quad(const quad_task *t)
{
    const esr_conv *args = t->args;
    const uint32_t step = 4 * t->step_quads;
    esr_quads job;
    esr_stores stores;

    fill_weights(t);
    memcpy(job.bias, args->bias + t->channel, sizeof job.bias);
    job.weights = t->weights;
    job.weights_end = t->weights + 4 * t->window_quads;
    job.window = t->columns;
    job.window_bytes = t->window_quads * QUAD_BYTES;
    job.step_bytes = stores.step_bytes = step * (uint32_t)sizeof *t->columns;
    stores.out = args->out + t->channel;
    stores.out_step = args->out_channels;
    for (uint32_t first = 0; first < args->pixels; first += stores.pixels) {
        stores.pixels = lesser(args->pixels - first, t->limit);
        fill_quads(t, first, stores.pixels);
        job.end = t->columns + (size_t)stores.pixels * step;
        esr_add_quads(&job);
        stores.sums = t->columns;
        for (uint32_t i = 0; i < 4; i += 2, stores.sums += 2, stores.out += 2) {
            store(args, t->plain_limit, t->channel + i, 2, &stores);
        }
        stores.out += (size_t)stores.pixels * args->out_channels - 4;
    }
}

/* Divide the scratch memory: weights, then as many windows as fit. */
static void place_quads(quad_task *t)
{
    const esr_conv *args = t->args;
    const uint32_t quads = (uint32_t)(args->scratch_bytes / QUAD_BYTES);

    t->column_quads = (args->kernel_h + 1) / 2;
    t->window_quads = (uint32_t)rounded(quads_of(args->kernel_h, args->kernel_w));
    t->step_quads = t->column_quads * (args->dilation_w == 1 ? args->stride_w : args->kernel_w);
    t->weights = args->scratch;
    t->columns = t->weights + 4 * t->window_quads;
    t->plain_limit = esr_plain_limit(2 * t->window_quads);
    t->limit = 1 + (quads - 2 * t->window_quads) / t->step_quads;
}

void esr_any_depthwise_row(const esr_conv *args)
{
    const uint32_t channels = args->out_channels;
    quad_task t;

    if (!has_quads(args->kernel_h, args->kernel_w, args->groups, channels / args->groups)) {
        esr_portable_any_depthwise_row(args);
        return;
    }
    t.args = args;
    t.packed = args->weights;
    place_quads(&t);
    for (uint32_t channel = 0; channel < channels; channel += 4) {
        t.channel = lesser(channel, channels - 4); /* the last ones may be computed twice */
        run_quad(&t);
        t.packed += (size_t)t.column_quads * args->kernel_w * (QUAD_BYTES / 2);
    }
    if (args->low > -128 || args->high < 127) {
        esr_clamp(args->out, (size_t)args->pixels * channels, args->low, args->high);
    }
}

#endif
