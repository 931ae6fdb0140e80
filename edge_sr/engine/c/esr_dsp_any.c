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

/* Store one or two channels of `pixels` pixels from the pixel `first` on. The sums of a pixel are
 * neighbours; `step` is from pixel to pixel. `taps`: of a window, with those that fill it up. */
static void store(const esr_conv *args, uint64_t taps, uint32_t channel, uint32_t channels,
                  const int32_t *sums, uint32_t step, uint32_t first, uint32_t pixels)
{
    int8_t *out = args->out + (size_t)first * args->out_channels + channel;
    const esr_scale *scales = args->scales + channel;
    esr_stores job;

    if (channels == 1 || !esr_is_plain(args, taps, channel) ||
        !esr_is_plain(args, taps, channel + 1)) {
        for (uint32_t i = 0; i < channels; i++, sums++, out++) {
            if (esr_is_plain(args, taps, channel + i)) {
                esr_store_plain(args, sums, step, out, pixels, scales[i]);
            } else {
                esr_store_any(args, sums, step, out, pixels, scales[i]);
            }
        }
        return;
    }
    job.sums = sums;
    job.step_bytes = step * (uint32_t)sizeof *sums;
    job.out = out;
    job.out_step = args->out_channels;
    job.pixels = pixels;
    job.channels[0] = esr_plain_of(scales[0], args->out_zero_point);
    job.channels[1] = esr_plain_of(scales[1], args->out_zero_point);
    esr_store_pairs(&job);
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
 * `step`: words from four values to the next ones. */
ESR_INLINE esr_int16x2 *widen(esr_int16x2 *to, uint32_t step, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 4, to += step) {
        const uint32_t bytes = word_at(from + i);

        to[0] = esr_even_bytes(bytes);
        to[1] = esr_odd_bytes(bytes);
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
    int8_t *bytes = (int8_t *)t->args->scratch + t->args->scratch_bytes / 4 * 4 - t->taps;
    const uint32_t step = 2 * count;

    for (uint32_t pixel = first; pixel < first + count; pixel++, to += 2) {
        esr_int16x2 *next = to;

        if (t->run % 4 != 0) {
            gather(t, pixel, bytes);
            (void)widen(to, step, bytes, t->taps);
            continue;
        }
        for (uint32_t y = 0; y < t->args->kernel_h; y++) {
            for (uint32_t x = 0; x < t->runs; x++) {
                next = widen(next, step, run_at(t, pixel, y, x), t->run);
            }
        }
    }
}

/* Compute one or two channels of a strip; `index`: in the group. */
static void run_pair(const conv_task *t, uint32_t index)
{
    const esr_conv *args = t->args;
    const uint32_t channel = t->group * t->outputs + index;
    const uint32_t channels = lesser(t->outputs - index, 2);
    int32_t sums[2 * STRIP];
    esr_groups job;

    job.bias[0] = job.bias[2] = job.bias[4] = args->bias[channel];
    job.bias[1] = job.bias[3] = job.bias[5] = args->bias[channel + channels - 1];
    job.weights = t->weights + (size_t)index * t->taps;
    job.weights_end = job.weights + 2 * (size_t)t->taps;
    job.windows = args->scratch;
    job.end = job.windows + (size_t)t->triples * t->taps / 2;
    job.sums = sums;
    job.odd = t->taps / 4 % 2;
    if (t->triples > 0) {
        esr_add_triples(&job);
        job.windows = job.end;
    }
    if (t->pairs > 0) {
        job.end += (size_t)t->pairs * t->taps / 2;
        esr_add_pairs(&job);
    }
    store(args, t->taps, channel, channels, sums, 2, t->first, t->triples + t->pairs);
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
    for (i = 0; i < t->outputs; i += 2) {
        run_pair(t, i);
    }
}

/* Compute up to four channels of a pixel. `bytes`: its window, or null if the runs can be read. */
static void run_four(const conv_task *t, const int8_t *bytes, uint32_t index)
{
    const esr_conv *args = t->args;
    const uint32_t channel = t->group * t->outputs + index;
    const uint32_t channels = lesser(t->outputs - index, 4);
    const int8_t *weights = t->weights + (size_t)index * t->taps;
    esr_fours job = {{0, 0, 0, 0}, bytes, {weights, weights}, bytes};

    memcpy(job.sums, args->bias + channel, channels * sizeof job.sums[0]);
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
        args->out[channel + i] = esr_store(esr_multiply(job.sums[i], args->scales[channel + i]),
                                           args->out_zero_point, -128, 127);
    }
}

/* Compute the only pixel of a row. */
static void run_pixel(const conv_task *t)
{
    const int8_t *bytes = NULL;

    if (t->run % 4 != 0) {
        gather(t, 0, t->args->scratch);
        bytes = t->args->scratch;
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
    uint32_t channel;
    uint32_t column_quads;  /* of a column: two rows in each */
    uint32_t window_quads;  /* of a window, rounded up */
    esr_int16x2 *weights;
    esr_int16x2 *columns;
    uint32_t limit;         /* pixels of a strip */
} quad_task;

/*
 * Widen `count` columns of up to two rows of four channels; `below` is null if there is one row.
 * Words have the even channels and the odd ones then, both twice, and the weights are masked.
 * `step`: bytes from column to column; `words`: the same of the result.
 */
static void pair_rows(esr_int16x2 *to, uint32_t words, const int8_t *above, const int8_t *below,
                      uint32_t step, uint32_t count)
{
    for (; below == NULL && count > 0; count--, to += words, above += step) {
        const uint32_t bytes = word_at(above);

        to[0] = to[2] = esr_even_bytes(bytes);
        to[1] = to[3] = esr_odd_bytes(bytes);
    }
    for (; count > 0; count--, to += words, above += step, below += step) {
        const uint32_t a = word_at(above), b = word_at(below);
        const esr_int16x2 even_a = esr_even_bytes(a), even_b = esr_even_bytes(b);
        const esr_int16x2 odd_a = esr_odd_bytes(a), odd_b = esr_odd_bytes(b);

        to[0] = esr_low_halves(even_a, even_b);
        to[1] = esr_low_halves(odd_a, odd_b);
        to[2] = esr_high_halves(even_a, even_b);
        to[3] = esr_high_halves(odd_a, odd_b);
    }
}

static void fill_weights(const quad_task *t)
{
    const esr_conv *args = t->args;
    const uint32_t words = 4 * t->column_quads, row = args->kernel_w * args->out_channels;
    const int8_t *weights = args->weights + t->channel;
    esr_int16x2 *to = t->weights;

    for (uint32_t i = words * args->kernel_w; i < 4 * t->window_quads; i++) {
        to[i] = 0;
    }
    for (uint32_t y = 0; y < args->kernel_h; y += 2, weights += 2 * (size_t)row, to += 4) {
        const int single = y + 1 == args->kernel_h;

        pair_rows(to, words, weights, single ? NULL : weights + row, args->out_channels,
                  args->kernel_w);
        for (uint32_t x = 0; single && x < args->kernel_w; x++) {
            to[x * words] &= 0xFFFF;
            to[x * words + 1] &= 0xFFFF;
            to[x * words + 2] &= ~0xFFFF;
            to[x * words + 3] &= ~0xFFFF;
        }
    }
}

static void fill_columns(const quad_task *t, uint32_t first, uint32_t count)
{
    const esr_conv *args = t->args;
    const size_t offset = (size_t)first * args->in_channels + t->channel;

    for (uint32_t y = 0; y < args->kernel_h; y += 2) {
        const int8_t *above = esr_window_row(&args->in, y * args->dilation_h) + offset;
        const int8_t *below = NULL;

        if (y + 1 < args->kernel_h) {
            below = esr_window_row(&args->in, (y + 1) * args->dilation_h) + offset;
        }
        pair_rows(t->columns + 2 * y, 4 * t->column_quads, above, below, args->in_channels, count);
    }
}

static void run_quad(const quad_task *t)
{
    const esr_conv *args = t->args;
    const uint32_t step = args->stride_w * t->column_quads * 4;
    esr_quads job;

    fill_weights(t);
    memcpy(job.bias, args->bias + t->channel, sizeof job.bias);
    job.weights = t->weights;
    job.weights_end = t->weights + 4 * t->window_quads;
    job.window = t->columns;
    job.window_bytes = t->window_quads * QUAD_BYTES;
    job.step_bytes = step * (uint32_t)sizeof *t->columns;
    for (uint32_t first = 0, count; first < args->pixels; first += count) {
        count = lesser(args->pixels - first, t->limit);
        fill_columns(t, first * args->stride_w, (count - 1) * args->stride_w + args->kernel_w);
        job.end = t->columns + (size_t)count * step;
        esr_add_quads(&job);
        for (uint32_t i = 0; i < 4; i += 2) {
            store(args, 2 * t->window_quads, t->channel + i, 2, t->columns + i, step, first,
                          count);
        }
    }
}

/* Divide the scratch memory. Returns 0 if it is too small for one window. */
static int place_quads(quad_task *t)
{
    const esr_conv *args = t->args;
    const uint64_t column = ((uint64_t)args->kernel_h + 1) / 2;
    const uint64_t window = (column * args->kernel_w + QUADS - 1) / QUADS * QUADS;
    const uint64_t quads = args->scratch_bytes / QUAD_BYTES;

    if (2 * window > quads) {
        return 0;
    }
    t->column_quads = (uint32_t)column;
    t->window_quads = (uint32_t)window;
    t->weights = args->scratch;
    t->columns = t->weights + 4 * t->window_quads;
    t->limit = 1 + (uint32_t)((quads - 2 * window) / (column * args->stride_w));
    return 1;
}

void esr_any_depthwise_row(const esr_conv *args)
{
    const uint32_t channels = args->out_channels;
    quad_task t;

    t.args = args;
    if (args->groups != channels || channels < 4 || args->dilation_w != 1 || !place_quads(&t)) {
        esr_portable_any_depthwise_row(args);
        return;
    }
    for (uint32_t channel = 0; channel < channels; channel += 4) {
        t.channel = lesser(channel, channels - 4); /* the last ones may be computed twice */
        run_quad(&t);
    }
    if (args->low > -128 || args->high < 127) {
        esr_clamp(args->out, (size_t)args->pixels * channels, args->low, args->high);
    }
}

#endif
