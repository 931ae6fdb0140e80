/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: convolutions of frame plans for Cortex-M with Helium: any stride and
 * dilation, weights in the order of the file. Windows that these kernels do not support use the
 * portable kernels, which are the reference.
 *
 * Convolutions read each window where it lies, as runs of consecutive inputs. Depthwise
 * convolutions copy four rows of the input to the scratch memory, so that the four values of each
 * channel and column are one 32-bit word; a vector then holds four columns of one channel.
 */
/* The loops in assembly need nearly all registers, in debug builds too. */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_frame_kernels.h"

#if ESR_FRAMES && ESR_LAYOUT == ESR_LAYOUT_MVE8

#include "esr_mve_quad.h"

#define QUAD ESR_QUAD

/* Maximum pixels of a strip, whose sums are kept until they are requantized. */
#define STRIP 24

/* Pixels whose sums with two outputs are computed together. */
#define PIXELS 3

/* Maximum runs of a window. */
#define MAX_RUNS 64

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- convolutions */

/* The window of a pixel: runs of consecutive inputs, whose weights follow one another. */
typedef struct window {
    const int8_t *starts[MAX_RUNS]; /* of the row's first pixel */
    uint32_t runs;
    uint32_t length; /* of a run */
    size_t step;     /* from pixel to pixel */
} window;

/* Add the products of three neighbouring pixels, the first of which is `first` bytes from the row's,
 * with the weights of two outputs. sums: [pixel][4]. */
static void add_pair(const window *w, size_t first, const int8_t *left, const int8_t *right,
                     int32_t *sums)
{
    int32_t six[2 * PIXELS] = {0};

    for (uint32_t i = 0; i < w->runs; i++, left += w->length, right += w->length) {
        const int8_t *in = w->starts[i] + first;

        esr_add_pair(six, in, in + w->step, in + 2 * w->step, left, right, w->length);
    }
    sums[0] = six[0], sums[1] = six[1];
    sums[QUAD] = six[2], sums[QUAD + 1] = six[3];
    sums[2 * QUAD] = six[4], sums[2 * QUAD + 1] = six[5];
}

/* Add the products of one pixel with the weights of four outputs. */
static void add_quad(const window *w, size_t first, const int8_t *const weights[QUAD],
                     int32_t *sums)
{
    const int8_t *a = weights[0], *b = weights[1], *c = weights[2], *d = weights[3];
    int32_t four[QUAD] = {0};

    for (uint32_t i = 0; i < w->runs; i++) {
        esr_add_quad(four, w->starts[i] + first, a, b, c, d, w->length);
        a += w->length, b += w->length, c += w->length, d += w->length;
    }
    sums[0] = four[0], sums[1] = four[1], sums[2] = four[2], sums[3] = four[3];
}

/* Compute min(count, 4) channels, from `channel` on, of a row. */
static void conv_quad(const esr_conv *args, const window *w, uint32_t channel, uint32_t count)
{
    const size_t bytes = (size_t)w->runs * w->length;
    const int8_t *weights[QUAD];
    int32_t sums[STRIP * QUAD];
    uint32_t pixels;

    for (uint32_t i = 0; i < QUAD; i++) {
        weights[i] = args->weights + bytes * (channel + lesser(i, count - 1));
    }
    for (uint32_t first = 0; first < args->pixels; first += pixels) {
        uint32_t i = 0;

        pixels = lesser(args->pixels - first, STRIP);
        for (; i + PIXELS <= pixels; i += PIXELS) {
            const size_t start = (first + i) * w->step;

            add_pair(w, start, weights[0], weights[1], sums + i * QUAD);
            add_pair(w, start, weights[2], weights[3], sums + i * QUAD + 2);
        }
        for (; i < pixels; i++) {
            add_quad(w, (first + i) * w->step, weights, sums + i * QUAD);
        }
        esr_store_quad(args, sums, first, pixels, channel, count);
    }
}

/* Set the runs of a group's windows. */
static void set_starts(const esr_conv *args, window *w, uint32_t group)
{
    const uint32_t columns = w->runs / args->kernel_h;
    const size_t step = (size_t)args->dilation_w * args->in_channels;
    uint32_t run = 0;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        const int8_t *row = esr_window_row(&args->in, y * args->dilation_h) +
                            (size_t)group * (args->in_channels / args->groups);

        for (uint32_t x = 0; x < columns; x++) {
            w->starts[run++] = row + x * step;
        }
    }
}

void esr_any_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const uint32_t outputs = args->out_channels / args->groups;
    const int whole = args->groups == 1 && args->dilation_w == 1;
    window w;

    w.runs = whole ? args->kernel_h : args->kernel_h * args->kernel_w;
    w.length = whole ? inputs * args->kernel_w : inputs;
    w.step = (size_t)args->stride_w * args->in_channels;
    if (w.runs > MAX_RUNS) {
        esr_portable_any_conv_row(args);
        return;
    }
    for (uint32_t group = 0; group < args->groups; group++) {
        set_starts(args, &w, group);
        for (uint32_t i = 0; i < outputs; i += QUAD) {
            conv_quad(args, &w, group * outputs + i, outputs - i);
        }
    }
}

/* --- depthwise convolutions */

/* Rows of the kernel that a word holds, and columns that a vector holds. */
#define SIDE 4

/* Channels that are copied together, and bytes of their words. */
#define LANES 16
#define BLOCK (LANES * SIDE)

/* Maximum rows and columns of a kernel. */
#define MAX_SIDE 16

/* A strip of neighbouring pixels of up to 16 channels. Scratch memory: for each four rows of the
 * kernel the weights, [column][channel][row], then for each four rows the inputs, the same. */
typedef struct block {
    const esr_conv *args;
    uint32_t channel; /* the first */
    uint32_t lanes;   /* channels */
    uint32_t first;   /* first pixel */
    uint32_t pixels;
    uint32_t row_groups, column_groups; /* of the kernel, by four */
    uint32_t columns;                   /* of the inputs in scratch memory, at most */
} block;

static int8_t *weights_at(const block *b, uint32_t row_group)
{
    return (int8_t *)b->args->scratch + row_group * b->column_groups * SIDE * BLOCK;
}

static int8_t *inputs_at(const block *b, uint32_t row_group)
{
    return weights_at(b, b->row_groups) + row_group * b->columns * BLOCK;
}

/* Copy four rows; of fewer ones the last is repeated, or the fourth is zero. */
static void copy_rows(int8_t *to, const int8_t *const rows[SIDE], uint32_t count, uint32_t step,
                      uint32_t columns, uint32_t lanes)
{
    if (count == SIDE) {
        esr_copy_four_rows(to, rows, step, columns, lanes);
    } else {
        esr_copy_three_rows(to, rows, step, columns, lanes);
    }
}

/* Rows of the kernel in a group of four. */
static uint32_t rows_of(const block *b, uint32_t row_group)
{
    return lesser(b->args->kernel_h - row_group * SIDE, SIDE);
}

/* The weights of rows and columns beyond the kernel are 0. */
static void fill_weights(const block *b, uint32_t row_group)
{
    const esr_conv *args = b->args;
    const uint32_t rows = rows_of(b, row_group), columns = b->column_groups * SIDE;
    const size_t row_bytes = (size_t)args->kernel_w * args->out_channels;
    const int8_t *from = args->weights + row_group * SIDE * row_bytes + b->channel;
    int8_t *to = weights_at(b, row_group);
    const int8_t *starts[SIDE];

    for (uint32_t i = 0; i < SIDE; i++) {
        starts[i] = from + lesser(i, rows - 1) * row_bytes;
    }
    copy_rows(to, starts, rows, args->out_channels, args->kernel_w, b->lanes);
    if (rows < SIDE - 1) {
        esr_mask_words(to, (UINT32_C(1) << 8 * rows) - 1, args->kernel_w * LANES);
    }
    esr_mask_words(to + args->kernel_w * BLOCK, 0, (columns - args->kernel_w) * LANES);
}

static void fill_inputs(const block *b, uint32_t row_group)
{
    const esr_conv *args = b->args;
    const uint32_t rows = rows_of(b, row_group);
    const uint32_t columns =
        (b->pixels - 1) * args->stride_w + (args->kernel_w - 1) * args->dilation_w + 1;
    const size_t first = (size_t)b->first * args->stride_w * args->in_channels + b->channel;
    const int8_t *starts[SIDE];

    for (uint32_t i = 0; i < SIDE; i++) {
        const uint32_t y = row_group * SIDE + lesser(i, rows - 1);

        starts[i] = esr_window_row(&args->in, y * args->dilation_h) + first;
    }
    copy_rows(inputs_at(b, row_group), starts, rows, args->in_channels, columns, b->lanes);
}

/* Compute four channels of the block, from `lane` on. */
static void depthwise_quad(const block *b, uint32_t lane)
{
    const uint32_t apart = b->args->dilation_w * BLOCK, step = b->args->stride_w * BLOCK;
    int32_t sums[STRIP * QUAD];

    for (uint32_t y = 0; y < b->row_groups; y++) {
        for (uint32_t x = 0; x < b->column_groups; x++) {
            const uint32_t columns = lesser(b->args->kernel_w - x * SIDE, SIDE);
            const int8_t *in = inputs_at(b, y) + x * SIDE * apart + lane * SIDE;
            const int8_t *weights = weights_at(b, y) + x * SIDE * BLOCK + lane * SIDE;

            if (x == 0 && y == 0) {
                esr_sum_words(sums, in, apart, columns, step, weights, b->pixels);
            } else {
                esr_add_words(sums, in, apart, columns, step, weights, b->pixels);
            }
        }
    }
    esr_store_quad(b->args, sums, b->first, b->pixels, b->channel + lane, b->lanes - lane);
}

static void depthwise_block(block *b, uint32_t limit)
{
    const esr_conv *args = b->args;

    for (uint32_t y = 0; y < b->row_groups; y++) {
        fill_weights(b, y);
    }
    for (b->first = 0; b->first < args->pixels; b->first += b->pixels) {
        b->pixels = lesser(args->pixels - b->first, limit);
        for (uint32_t y = 0; y < b->row_groups; y++) {
            fill_inputs(b, y);
        }
        for (uint32_t lane = 0; lane < b->lanes; lane += QUAD) {
            depthwise_quad(b, lane);
        }
    }
}

/* The pixels of a strip for which there is scratch memory; 0: the kernel is not supported. */
static uint32_t strip_pixels(block *b)
{
    const esr_conv *args = b->args;
    const uint32_t reach = (args->kernel_w - 1) * args->dilation_w + 1;
    uint32_t weights;

    if (args->kernel_h > MAX_SIDE || args->kernel_w > MAX_SIDE ||
        args->out_channels != args->in_channels) {
        return 0;
    }
    b->row_groups = (args->kernel_h + SIDE - 1) / SIDE;
    b->column_groups = (args->kernel_w + SIDE - 1) / SIDE;
    weights = b->row_groups * b->column_groups * SIDE * BLOCK;
    if (args->scratch_bytes < weights) {
        return 0;
    }
    b->columns = (uint32_t)(args->scratch_bytes - weights) / (b->row_groups * BLOCK);
    return b->columns < reach ? 0 : lesser((b->columns - reach) / args->stride_w + 1, STRIP);
}

void esr_any_depthwise_row(const esr_conv *args)
{
    block b = {0};
    uint32_t limit;

    b.args = args;
    limit = strip_pixels(&b);
    if (limit == 0) {
        esr_portable_any_depthwise_row(args);
        return;
    }
    for (b.channel = 0; b.channel < args->out_channels; b.channel += b.lanes) {
        b.lanes = lesser(args->out_channels - b.channel, LANES);
        depthwise_block(&b, limit);
    }
}

#endif
