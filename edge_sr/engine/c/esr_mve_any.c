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
#define MAX_RUNS 32

/* Maximum bytes of a window of several runs that is copied. */
#define MAX_COPIED 341

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
    uint32_t copies; /* windows that the scratch memory holds; 0: they are read where they lie */
} window;

/* Keep the sums of three pixels and two outputs. sums: [pixel][4]. */
ESR_INLINE void keep_six(int32_t *sums, const int32_t six[2 * PIXELS])
{
    sums[0] = six[0], sums[1] = six[1];
    sums[QUAD] = six[2], sums[QUAD + 1] = six[3];
    sums[2 * QUAD] = six[4], sums[2 * QUAD + 1] = six[5];
}

/* Keep the sums of one pixel and four outputs. */
ESR_INLINE void keep_four(int32_t *sums, const int32_t four[QUAD])
{
    sums[0] = four[0], sums[1] = four[1], sums[2] = four[2], sums[3] = four[3];
}

/* Compute the sums of two outputs, of pixels by three; `first` bytes from the row's first one. */
ESR_NOINLINE static void add_pairs(const window *w, size_t first, uint32_t pixels,
                                   const int8_t *left, const int8_t *right, int32_t *sums)
{
    const size_t step = w->step;
    const uint32_t length = w->length;

    for (; pixels >= PIXELS; pixels -= PIXELS, first += PIXELS * step, sums += PIXELS * QUAD) {
        int32_t six[2 * PIXELS] = {0};

        for (uint32_t i = 0; i < w->runs; i++) {
            const int8_t *in = w->starts[i] + first;
            const size_t offset = (size_t)i * length;

            esr_add_pair(six, in, in + step, in + 2 * step, left + offset, right + offset, length);
        }
        keep_six(sums, six);
    }
}

/* The weights of four outputs. */
typedef struct weights {
    const int8_t *of[QUAD];
} weights;

/* Those of `count` outputs, `bytes` apart, the last one repeated. */
static weights quad_weights(const int8_t *first, size_t bytes, uint32_t count)
{
    const int8_t *second = count > 1 ? first + bytes : first;
    const int8_t *third = count > 2 ? second + bytes : second;
    const weights result = {{first, second, third, count > 3 ? third + bytes : third}};

    return result;
}

/* Compute the sums of four outputs of one pixel. */
ESR_NOINLINE static void add_quad(const window *w, size_t first, const weights *by, int32_t *sums)
{
    const int8_t *a = by->of[0], *b = by->of[1], *c = by->of[2], *d = by->of[3];
    int32_t four[QUAD] = {0};

    for (uint32_t i = 0; i < w->runs; i++) {
        esr_add_quad(four, w->starts[i] + first, a, b, c, d, w->length);
        a += w->length, b += w->length, c += w->length, d += w->length;
    }
    keep_four(sums, four);
}

/* Compute the sums of four outputs of neighbouring pixels. */
static void add_strip(const window *w, size_t first, uint32_t pixels, const weights *by,
                      int32_t *sums)
{
    const uint32_t done = pixels - pixels % PIXELS;

    add_pairs(w, first, pixels, by->of[0], by->of[1], sums);
    add_pairs(w, first, pixels, by->of[2], by->of[3], sums + 2);
    for (uint32_t i = done; i < pixels; i++) {
        add_quad(w, first + i * w->step, by, sums + i * QUAD);
    }
}

/* The same for windows of one run, the first one at `in`. */
ESR_NOINLINE static void add_strip_of_run(const int8_t *in, size_t step, uint32_t length,
                                          uint32_t pixels, const weights *by, int32_t *sums)
{
    for (; pixels >= PIXELS; pixels -= PIXELS, in += PIXELS * step, sums += PIXELS * QUAD) {
        for (uint32_t i = 0; i < QUAD; i += 2) {
            int32_t six[2 * PIXELS] = {0};

            esr_add_pair(six, in, in + step, in + 2 * step, by->of[i], by->of[i + 1], length);
            keep_six(sums + i, six);
        }
    }
    for (; pixels > 0; pixels--, in += step, sums += QUAD) {
        int32_t four[QUAD] = {0};

        esr_add_quad(four, in, by->of[0], by->of[1], by->of[2], by->of[3], length);
        keep_four(sums, four);
    }
}

/* Copy the windows of a strip to the scratch memory, where each is one run. */
static void copy_windows(const window *w, size_t first, uint32_t pixels, int8_t *to)
{
    for (uint32_t i = 0; i < pixels; i++, first += w->step) {
        for (uint32_t run = 0; run < w->runs; run++, to += w->length) {
            esr_copy_bytes(to, w->starts[run] + first, w->length);
        }
    }
}

/* Compute the outputs of a group, from `channel` on, of neighbouring pixels. */
ESR_NOINLINE static void conv_strip(const esr_conv *args, const window *w, uint32_t channel, uint32_t first,
                       uint32_t pixels)
{
    const uint32_t bytes = w->runs * w->length, outputs = args->out_channels / args->groups;
    const size_t start = first * w->step, step = w->copies > 0 ? bytes : w->step;
    const int8_t *in = w->copies > 0 ? args->scratch : w->starts[0] + start;
    int32_t sums[STRIP * QUAD];

    if (w->copies > 0) {
        copy_windows(w, start, pixels, args->scratch);
    }
    for (uint32_t i = 0; i < outputs; i += QUAD) {
        const weights by = quad_weights(args->weights + (size_t)bytes * (channel + i), bytes,
                                        outputs - i);

        if (w->copies > 0 || w->runs == 1) {
            add_strip_of_run(in, step, bytes, pixels, &by, sums);
        } else {
            add_strip(w, start, pixels, &by, sums);
        }
        esr_store_quad(args, sums, first, pixels, channel + i, outputs - i);
    }
}

/* Compute the sums of `count` outputs of one pixel, of a window of one run. */
ESR_NOINLINE static void add_dense(const int8_t *in, const int8_t *weights, uint32_t length,
                                   uint32_t count, int32_t *sums)
{
    for (; count >= QUAD; count -= QUAD, weights += QUAD * length, sums += QUAD) {
        int32_t four[QUAD] = {0};

        esr_add_quad(four, in, weights, weights + length, weights + 2 * length,
                     weights + 3 * length, length);
        keep_four(sums, four);
    }
    for (; count > 0; count--, weights += length) {
        int32_t four[QUAD] = {0};

        esr_add_quad(four, in, weights, weights, weights, weights, length);
        *sums++ = four[0];
    }
}

/* Requantize and store four channels after the other of one pixel; or the first ones of four. */
ESR_INLINE void store_quads(const esr_conv *args, const int32_t *sums, uint32_t channel,
                            uint32_t quads, mve_pred16_t lanes, int all)
{
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int32_t zero_point = args->out_zero_point;
    const int32_t *bias = args->bias + channel;
    const esr_scale *scales = args->scales + channel;
    int8_t *out = args->out + channel;

    for (; quads > 0; quads--, sums += QUAD, bias += QUAD, scales += QUAD, out += QUAD) {
        const esr_scales by = all ? esr_load_four_scales(scales) : esr_load_scales(scales, lanes);
        const int32x4_t sum =
            vaddq_s32(vldrwq_s32(sums), all ? vldrwq_s32(bias) : vldrwq_z_s32(bias, lanes));
        const int32x4_t value = vaddq_n_s32(esr_multiply_quad(sum, &by), zero_point);

        esr_store_bytes(out, vminq_s32(vmaxq_s32(value, low), high), lanes, all);
    }
}

/* The same for `count` channels. */
static void store_channels(const esr_conv *args, const int32_t *sums, uint32_t channel,
                           uint32_t count)
{
    const uint32_t rest = count % QUAD, done = count - rest;

    store_quads(args, sums, channel, done / QUAD, vctp32q(QUAD), 1);
    if (rest > 0) {
        store_quads(args, sums + done, channel + done, 1, vctp32q(rest), 0);
    }
}

/* Compute a row of one pixel whose window is one run. */
ESR_NOINLINE static void dense_row(const esr_conv *args, const window *w)
{
    int32_t sums[STRIP * QUAD];
    uint32_t count;

    for (uint32_t first = 0; first < args->out_channels; first += count) {
        count = lesser(args->out_channels - first, STRIP * QUAD);
        add_dense(w->starts[0], args->weights + (size_t)first * w->length, w->length, count, sums);
        store_channels(args, sums, first, count);
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

/* The windows to copy at once: none if a window is one run, if it is long, or if there is not
 * enough scratch memory for them. */
static uint32_t count_copies(const esr_conv *args, const window *w)
{
    const size_t bytes = (size_t)w->runs * w->length;
    const size_t copies = w->runs > 1 ? args->scratch_bytes / bytes : 0;

    return bytes > MAX_COPIED || copies < PIXELS ? 0
           : copies < STRIP                      ? (uint32_t)(copies - copies % PIXELS)
                                                 : STRIP;
}

static void conv_group(const esr_conv *args, window *w, uint32_t group)
{
    const uint32_t limit = w->copies > 0 ? w->copies : STRIP;
    uint32_t pixels;

    set_starts(args, w, group);
    if (args->pixels == 1 && w->runs == 1 && args->groups == 1) {
        dense_row(args, w);
        return;
    }
    for (uint32_t first = 0; first < args->pixels; first += pixels) {
        pixels = lesser(args->pixels - first, limit);
        conv_strip(args, w, group * (args->out_channels / args->groups), first, pixels);
    }
}

void esr_any_conv_row(const esr_conv *args)
{
    const uint32_t inputs = args->in_channels / args->groups;
    const int whole = args->groups == 1 && args->dilation_w == 1;
    window w;

    w.runs = whole ? args->kernel_h : args->kernel_h * args->kernel_w;
    w.length = whole ? inputs * args->kernel_w : inputs;
    w.step = (size_t)args->stride_w * args->in_channels;
    if (w.runs > MAX_RUNS) {
        esr_portable_any_conv_row(args);
        return;
    }
    w.copies = count_copies(args, &w);
    for (uint32_t group = 0; group < args->groups; group++) {
        conv_group(args, &w, group);
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
    const int8_t *rows[MAX_SIDE]; /* of the input, for each row of the kernel */
    uint32_t offsets[2][SIDE];    /* of four columns of inputs; 1: of the last ones */
    uint32_t row_groups;          /* of the kernel, by four */
    int8_t *inputs;               /* in scratch memory, for the first four rows */
    uint32_t columns;             /* of the inputs in scratch memory, at most */
    uint32_t channel;             /* the first */
    uint32_t lanes;               /* channels */
    uint32_t first;               /* first pixel */
    uint32_t pixels;
} block;

static int8_t *weights_at(const block *b, uint32_t row_group)
{
    return (int8_t *)b->args->scratch + row_group * b->args->kernel_w * BLOCK;
}

static int8_t *inputs_at(const block *b, uint32_t row_group)
{
    return b->inputs + row_group * b->columns * BLOCK;
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

/* Copy the weights; those of rows beyond the kernel are 0. */
static void fill_weights(const block *b, uint32_t row_group)
{
    const esr_conv *args = b->args;
    const uint32_t count = rows_of(b, row_group);
    const size_t row_bytes = (size_t)args->kernel_w * args->out_channels;
    const int8_t *from = args->weights + row_group * SIDE * row_bytes + b->channel;
    int8_t *to = weights_at(b, row_group);
    const int8_t *rows[SIDE];

    for (uint32_t i = 0; i < SIDE; i++) {
        rows[i] = from + lesser(i, count - 1) * row_bytes;
    }
    copy_rows(to, rows, count, args->out_channels, args->kernel_w, b->lanes);
    if (count < SIDE - 1) {
        esr_mask_words(to, (UINT32_C(1) << 8 * count) - 1, args->kernel_w * LANES);
    }
}

static void fill_inputs(const block *b, uint32_t row_group)
{
    const esr_conv *args = b->args;
    const uint32_t count = rows_of(b, row_group), top = row_group * SIDE;
    const uint32_t columns =
        (b->pixels - 1) * args->stride_w + (args->kernel_w - 1) * args->dilation_w + 1;
    const size_t first = (size_t)b->first * args->stride_w * args->in_channels + b->channel;
    const int8_t *rows[SIDE];

    for (uint32_t i = 0; i < SIDE; i++) {
        rows[i] = b->rows[top + lesser(i, count - 1)] + first;
    }
    copy_rows(inputs_at(b, row_group), rows, count, args->in_channels, columns, b->lanes);
}

/* Compute four channels of the block, from `lane` on. */
static void depthwise_quad(const block *b, uint32_t lane)
{
    const esr_conv *args = b->args;
    const uint32_t step = args->stride_w * BLOCK, apart = args->dilation_w * BLOCK;
    int32_t sums[STRIP * QUAD];

    for (uint32_t y = 0; y < b->row_groups; y++) {
        const int8_t *in = inputs_at(b, y) + lane * SIDE;
        const int8_t *weights = weights_at(b, y) + lane * SIDE;

        for (uint32_t x = 0; x < args->kernel_w; x += SIDE) {
            const uint32_t columns = args->kernel_w - x;
            const uint32_t *offsets = b->offsets[columns <= SIDE];

            if (x == 0 && y == 0) {
                esr_sum_words(sums, in, offsets, step, weights, columns, b->pixels, 0);
            } else {
                esr_sum_words(sums, in + x * apart, offsets, step, weights + x * BLOCK, columns,
                              b->pixels, 1);
            }
        }
    }
    esr_store_quad(args, sums, b->first, b->pixels, b->channel + lane, b->lanes - lane);
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

/* Divide the scratch memory. Returns the pixels of a strip; 0: the kernel is not supported. */
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
    weights = b->row_groups * args->kernel_w * BLOCK;
    if (args->scratch_bytes < weights) {
        return 0;
    }
    b->inputs = (int8_t *)args->scratch + weights;
    b->columns = (uint32_t)(args->scratch_bytes - weights) / (b->row_groups * BLOCK);
    return b->columns < reach ? 0 : lesser((b->columns - reach) / args->stride_w + 1, STRIP);
}

/* Set the addresses that all blocks share. */
static void set_addresses(block *b)
{
    const esr_conv *args = b->args;

    for (uint32_t y = 0; y < args->kernel_h; y++) {
        b->rows[y] = esr_window_row(&args->in, y * args->dilation_h);
    }
    for (uint32_t x = 0; x < SIDE; x++) {
        b->offsets[0][x] = x * args->dilation_w * BLOCK;
        b->offsets[1][x] = lesser(x, (args->kernel_w - 1) % SIDE) * args->dilation_w * BLOCK;
    }
}

void esr_any_depthwise_row(const esr_conv *args)
{
    uint32_t limit;
    block b;

    b.args = args;
    limit = strip_pixels(&b);
    if (limit == 0) {
        esr_portable_any_depthwise_row(args);
        return;
    }
    set_addresses(&b);
    for (b.channel = 0; b.channel < args->out_channels; b.channel += b.lanes) {
        b.lanes = lesser(args->out_channels - b.channel, LANES);
        depthwise_block(&b, limit);
    }
}

#endif
