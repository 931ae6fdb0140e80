/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: runs plans for frames of one size, see esr_frame.h. */
#include "esr_frame_records.h"

#if ESR_FRAMES

#include "esr_frame_kernels.h"

#include <string.h>

uint32_t esr_frame_outputs(const esr_engine *engine)
{
    return header_of(&engine->layout)->outputs;
}

void esr_frame_describe(const esr_engine *engine, uint32_t output, esr_info *info)
{
    const header_t *header = header_of(&engine->layout);
    const buffer_t *in = &buffers_of(header)[header->in_buffer];
    const buffer_t *out = output_of(header, output);

    info->in_width = info->column_step = info->halo = in->width;
    info->in_channels = in->channels;
    info->out_width = out->width;
    info->out_channels = out->channels;
    info->rows_num = out->height;
    info->rows_den = in->height;
    info->latency = header->latency;
}

/* --- rows */

static const buffer_t *buffer_at(const esr_engine *engine, uint32_t index)
{
    return &buffers_of(header_of(&engine->layout))[index];
}

/* Slot 0, with its left padding. */
static int8_t *ring(const esr_engine *engine, const buffer_t *buffer)
{
    return (int8_t *)engine->memory + buffer->offset;
}

/* The first pixel of a row, counted from the top padding. */
static int8_t *row_at(const esr_engine *engine, const buffer_t *buffer, uint32_t row)
{
    return ring(engine, buffer) + stride_of(buffer) * (row % buffer->depth) +
           (size_t)buffer->left * buffer->channels;
}

/* The same for a row that will be written, with its padding filled. */
static int8_t *fresh_row(const esr_engine *engine, const buffer_t *buffer, uint32_t row)
{
    int8_t *pixels = row_at(engine, buffer, row);

    memset(pixels - (size_t)buffer->left * buffer->channels, buffer->zero_point,
           (size_t)buffer->left * buffer->channels);
    memset(pixels + row_bytes(buffer), buffer->zero_point,
           (size_t)buffer->right * buffer->channels);
    return pixels;
}

static int inside(const buffer_t *buffer, uint32_t row)
{
    return row >= buffer->top && row - buffer->top < buffer->height;
}

static void fill_row(const esr_engine *engine, const buffer_t *buffer, uint32_t row)
{
    memset(fresh_row(engine, buffer, row), buffer->zero_point, row_bytes(buffer));
}

/* The row of `in` that is row `row` of `out`, both of the same height. */
static const int8_t *same_row(const esr_engine *engine, const buffer_t *in, const buffer_t *out,
                              uint32_t row)
{
    return row_at(engine, in, row - out->top + in->top);
}

/* --- operators. `row` is a row of the output's frame, counted from its top padding. */

/* Set what does not depend on the row. `column`: the first one that is read, counted from the left
 * padding. */
static void set_conv(const esr_engine *engine, const operator_t *op, uint32_t column,
                     esr_conv *args)
{
    const esr_layout *layout = &engine->layout;
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);

    args->in.ring = ring(engine, in) + (size_t)column * in->channels;
    args->in.row_bytes = stride_of(in);
    args->in.depth = in->depth;
    args->kernel_h = op->kernel_h;
    args->kernel_w = op->kernel_w;
    args->in_channels = in->channels;
    args->out_channels = out->channels;
    args->groups = op->groups;
    args->stride_w = op->stride_w;
    args->dilation_h = op->dilation_h;
    args->dilation_w = op->dilation_w;
    args->weights = esr_constant(layout, op->weights);
    args->bias = esr_constant(layout, op->bias);
    args->scales = esr_constant(layout, op->scales);
    args->out_zero_point = op->out_zero_point;
    args->low = op->low;
    args->high = op->high;
    args->scratch = engine->memory + op->scratch;
    args->scratch_bytes = op->scratch_bytes;
}

static void call_conv(const esr_engine *engine, uint32_t kind, const esr_conv *args)
{
    (void)engine; /* where there is one set of kernels */
    switch (kind) {
    case ESR_CONV:
        if (ESR_HAS(ESR_CONV)) {
            ESR_KERNEL(engine, conv_row)(args);
        }
        break;
    case ESR_DEPTHWISE:
        if (ESR_HAS(ESR_DEPTHWISE)) {
            ESR_KERNEL(engine, depthwise_row)(args);
        }
        break;
    case ESR_ANY_CONV:
        if (ESR_HAS(ESR_ANY_CONV)) {
            ESR_KERNEL(engine, any_conv_row)(args);
        }
        break;
    default: /* ESR_ANY_DEPTHWISE */
        if (ESR_HAS(ESR_ANY_DEPTHWISE)) {
            ESR_KERNEL(engine, any_depthwise_row)(args);
        }
        break;
    }
}

/* The row is computed at the end of the scratch memory if the output has only a part of it. */
static void run_transposed(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const wide_row wide = wide_row_of(op, out);
    const uint32_t last = (row - out->top + op->top) / up_h_of(op); /* row of the input */
    int8_t *pixels = fresh_row(engine, out, row);
    esr_conv args;

    set_conv(engine, op, in->left + wide.last + 1u - op->kernel_w, &args);
    args.in.first = (last + in->top + 1u - op->kernel_h) % in->depth;
    args.pixels = wide.windows;
    args.out_channels = up_w_of(op) * out->channels;
    args.scratch_bytes -= (size_t)wide.bytes;
    args.out = wide.bytes == 0 ? pixels : (int8_t *)args.scratch + args.scratch_bytes;
    call_conv(engine, op->kind, &args);
    if (wide.bytes != 0) {
        memcpy(pixels, args.out + (size_t)wide.cut * out->channels, row_bytes(out));
    }
}

static void run_conv(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    esr_conv args;

    if (op->extra != 0) {
        run_transposed(engine, op, row);
        return;
    }
    set_conv(engine, op, (uint32_t)in->left - op->left, &args);
    args.in.first = ((row - out->top) * op->stride_h + in->top - op->top) % in->depth;
    args.pixels = out->width;
    args.out = fresh_row(engine, out, row);
    call_conv(engine, op->kind, &args);
}

static void run_unary(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const esr_layout *layout = &engine->layout;
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const int8_t *source = same_row(engine, in, out, row);
    const esr_scale *scales = esr_constant(layout, op->scales);
    const void *weights = esr_constant(layout, op->weights);
    esr_prelu args;

    args.out = fresh_row(engine, out, row);
    if (ESR_HAS(ESR_LUT) && op->kind == ESR_LUT) {
        ESR_KERNEL(engine, lut_row)(source, args.out, weights, row_bytes(out));
        return;
    }
    if (ESR_HAS(ESR_SOFTMAX) && op->kind == ESR_SOFTMAX) {
        esr_softmax_row(source, args.out, weights, out->width, out->channels);
        return;
    }
    args.in = source;
    args.pixels = out->width;
    args.channels = out->channels;
    args.alpha = op->weights == 0 ? NULL : weights;
    args.positive = scales[0];
    args.negative = scales[1];
    args.negate = (int32_t)op->extra;
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    if (ESR_HAS(ESR_PRELU)) {
        ESR_KERNEL(engine, prelu_row)(&args);
    }
}

static void run_add(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *out = buffer_at(engine, op->out);
    esr_add args;

    args.left = same_row(engine, buffer_at(engine, op->in), out, row);
    args.right = same_row(engine, buffer_at(engine, op->other), out, row);
    args.out = fresh_row(engine, out, row);
    args.count = row_bytes(out);
    args.scales = esr_constant(&engine->layout, op->scales);
    args.left_zero_point = op->in_zero_point;
    args.right_zero_point = op->other_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    ESR_KERNEL(engine, add_row)(&args);
}

static void run_binary(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *other = buffer_at(engine, op->other), *out = buffer_at(engine, op->out);
    const uint32_t y = op->kernel_h == 1 ? 0 : row - out->top;
    esr_binary args;

    args.left = same_row(engine, buffer_at(engine, op->in), out, row);
    if (op->weights == 0) {
        args.right = row_at(engine, other, y + other->top);
    } else {
        args.right = (const int8_t *)esr_constant(&engine->layout, op->weights) +
                     (size_t)y * op->kernel_w * op->groups;
    }
    args.out = fresh_row(engine, out, row);
    args.function = op->extra;
    args.pixels = out->width;
    args.channels = out->channels;
    args.right_pixels = op->kernel_w;
    args.right_channels = op->groups;
    args.scales = esr_constant(&engine->layout, op->scales);
    args.left_zero_point = op->in_zero_point;
    args.right_zero_point = op->other_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    esr_binary_row(&args);
}

/* Concatenation of channels and padding: pixels of the input become parts of the output's. */
static void run_copy(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const uint32_t above = op->kind == ESR_PAD ? op->top : 0;
    const uint32_t y = row - out->top - above;
    int8_t *pixels = fresh_row(engine, out, row) + op->extra;
    esr_copy args;

    if (op->kind == ESR_PAD) {
        memset(pixels - op->extra, op->out_zero_point, row_bytes(out));
        pixels += (size_t)op->left * out->channels;
        if (y >= in->height) { /* or above the input: then y has wrapped */
            return;
        }
    }
    args.in = row_at(engine, in, y + in->top);
    args.in_step = in->channels;
    args.out = pixels;
    args.out_step = out->channels;
    args.count = in->channels;
    args.repeats = op->kind == ESR_PAD ? 1 : op->kernel_w;
    args.pixels = in->width;
    ESR_KERNEL(engine, copy_row)(&args);
}

/* Depth to space: an output row consists of one part of each pixel of one input row. Space to
 * depth: each of `block` input rows is one part of each pixel of the output row. */
static void run_blocks(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const int enlarges = op->kind == ESR_DEPTH_TO_SPACE;
    const uint32_t block = op->extra, y = row - out->top;
    const uint32_t part = block * (enlarges ? out->channels : in->channels);
    int8_t *pixels = fresh_row(engine, out, row);
    esr_copy args;

    args.in_step = enlarges ? in->channels : part;
    args.out_step = enlarges ? part : out->channels;
    args.count = part;
    args.repeats = 1;
    args.pixels = enlarges ? in->width : out->width;
    for (uint32_t i = 0; i < (enlarges ? 1 : block); i++) {
        const uint32_t source = enlarges ? y / block : y * block + i;

        args.in = row_at(engine, in, source + in->top) + (enlarges ? y % block * part : 0);
        args.out = pixels + (size_t)i * part;
        ESR_KERNEL(engine, copy_row)(&args);
    }
}

/* The rows [first, first + count) of the frame of a buffer, from column 0 on. The count is at most
 * the buffer's depth, because more rows are not there at once. */
static uint32_t set_window(const esr_engine *engine, const buffer_t *in, esr_window *window,
                           uint32_t first, uint32_t count)
{
    window->ring = ring(engine, in) + (size_t)in->left * in->channels;
    window->row_bytes = stride_of(in);
    window->first = (first + in->top) % in->depth;
    window->depth = in->depth;
    return count < in->depth ? count : in->depth;
}

static void set_pool(const operator_t *op, const buffer_t *out, esr_pool *args)
{
    args->channels = out->channels;
    args->kernel_w = op->kernel_w;
    args->stride_w = op->stride_w;
    args->left = op->left;
    args->pixels = out->width;
    args->low = op->low;
    args->high = op->high;
}

/* The rows of the frame of `in` that row `row` of `out` pools: [returned value, *end), at least
 * one. */
static uint32_t pooled_rows(const operator_t *op, const buffer_t *in, const buffer_t *out,
                            uint32_t row, uint32_t *end)
{
    const uint32_t top = (row - out->top) * op->stride_h;
    const uint32_t first = top > op->top ? top - op->top : 0;
    const uint32_t after = top + op->kernel_h > op->top ? top + op->kernel_h - op->top : 0;

    *end = after < in->height ? after : in->height;
    *end = *end > first ? *end : first + 1;
    return first;
}

static void run_pool(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    uint32_t end, first = pooled_rows(op, in, out, row, &end);
    esr_pool args;

    set_pool(op, out, &args);
    args.rows = set_window(engine, in, &args.in, first, end - first);
    args.in_pixels = in->width;
    args.out = fresh_row(engine, out, row);
    if (op->kind == ESR_MAX_POOL) {
        esr_max_pool_row(&args, NULL);
    } else {
        esr_average_pool_row(&args);
    }
}

/* Add row `row` of the map to the sums or maxima of the rows above it. Rows between windows change
 * nothing that is read. */
static void run_pooled_rows(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const uint32_t y = row - out->top;
    const int is_first = y == 0 || (y + op->top) % op->stride_h == 0;
    const int8_t *previous = is_first ? NULL : row_at(engine, out, row - 1);
    esr_pool args;

    set_pool(op, out, &args);
    args.channels = in->channels;
    args.rows = set_window(engine, in, &args.in, y, 1);
    args.in_pixels = in->width;
    args.out = row_at(engine, out, row);
    if (op->kind == ESR_MAX_ROWS) {
        esr_max_pool_row(&args, previous);
    } else {
        esr_sum_row(&args, (const void *)previous, (void *)args.out);
    }
}

static void run_mean(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const esr_scale *scales = esr_constant(&engine->layout, op->scales);
    const int all_rows = out->height == 1;
    esr_mean args;

    args.out_pixels = out->width;
    args.out_channels = out->channels;
    args.count = op->extra;
    args.scale = scales[0];
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.out = fresh_row(engine, out, row);
    if (op->kind == ESR_MEAN_SUMS) {
        const int8_t *sums = row_at(engine, in, in->top + in->height - 1u);

        esr_mean_sums_row(&args, (const void *)sums);
        return;
    }
    args.rows = set_window(engine, in, &args.in, all_rows ? 0 : row - out->top,
                           all_rows ? in->height : 1);
    args.in_pixels = in->width;
    args.in_channels = in->channels;
    esr_mean_row(&args);
}

/* Finish a pooling: `in` has the sums or maxima of ESR_SUM_ROWS or ESR_MAX_ROWS. */
static void run_pooled_end(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    uint32_t end, first = pooled_rows(op, in, out, row, &end);
    const int8_t *last = row_at(engine, in, in->top + end - 1);
    esr_pool args;

    args.out = fresh_row(engine, out, row);
    if (op->kind == ESR_LAST_MAX) {
        memcpy(args.out, last, row_bytes(out));
        return;
    }
    set_pool(op, out, &args);
    args.rows = end - first;
    args.in_pixels = op->extra;
    esr_average_sums_row(&args, (const void *)last);
}

static void run_gather(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const uint16_t *rows = esr_constant(&engine->layout, op->weights);
    esr_gather args;

    args.in = row_at(engine, in, (uint32_t)rows[row - out->top] + in->top) + op->extra;
    args.in_channels = in->channels;
    args.columns = rows + out->height;
    args.channel_step = op->stride_w;
    args.out = fresh_row(engine, out, row);
    args.pixels = out->width;
    args.channels = out->channels;
    esr_gather_row(&args);
}

static void run_bilinear(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const int32_t offset = esr_position_offset(op->stride_h, op->extra);
    const int32_t position = (int32_t)((row - out->top) * op->stride_h) + offset;
    const esr_neighbours rows = esr_neighbours_of(position, in->height - 1u);
    esr_bilinear args;

    args.above = row_at(engine, in, rows.lower + in->top);
    args.below = row_at(engine, in, rows.upper + in->top);
    args.distance = rows.distance;
    args.in_pixels = in->width;
    args.channels = in->channels;
    args.step = op->stride_w;
    args.offset = esr_position_offset(op->stride_w, op->extra);
    args.pixels = out->width;
    args.out = fresh_row(engine, out, row);
    esr_bilinear_row(&args);
}

/* Copy the row's values from those of the input, both in order of rows. */
static void run_reshape(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const size_t in_bytes = row_bytes(in);
    int8_t *to = fresh_row(engine, out, row);
    uint64_t from = (uint64_t)(row - out->top) * row_bytes(out);
    size_t left = row_bytes(out);

    while (left > 0) {
        const uint32_t source = (uint32_t)(from / in_bytes);
        const size_t first = (size_t)(from % in_bytes);
        const size_t count = in_bytes - first < left ? in_bytes - first : left;

        memcpy(to, row_at(engine, in, source + in->top) + first, count);
        to += count;
        from += count;
        left -= count;
    }
}

/* Copy the row's values from the places where the axes of the input are in another order. */
static void run_transpose(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const uint32_t columns = op->extra >> 2 & 3, channels = op->extra >> 4;
    int8_t *to = fresh_row(engine, out, row);
    uint32_t place[3] = {0, 0, 0}; /* row, column and channel of the input */

    place[op->extra & 3] = row - out->top;
    for (uint32_t x = 0; x < out->width; x++) {
        place[columns] = x;
        for (uint32_t channel = 0; channel < out->channels; channel++) {
            place[channels] = channel;
            *to++ = row_at(engine, in, place[0] + in->top)[(size_t)place[1] * in->channels +
                                                           place[2]];
        }
    }
}

static void run_operator(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    switch (op->kind) {
    case ESR_PRELU:
    case ESR_LUT:
    case ESR_SOFTMAX:
        if (ESR_HAS(ESR_PRELU) || ESR_HAS(ESR_LUT) || ESR_HAS(ESR_SOFTMAX)) {
            run_unary(engine, op, row);
        }
        break;
    case ESR_ADD:
        if (ESR_HAS(ESR_ADD)) {
            run_add(engine, op, row);
        }
        break;
    case ESR_BINARY:
        if (ESR_HAS(ESR_BINARY)) {
            run_binary(engine, op, row);
        }
        break;
    case ESR_CONCAT:
    case ESR_PAD:
        if (ESR_HAS(ESR_CONCAT) || ESR_HAS(ESR_PAD)) {
            run_copy(engine, op, row);
        }
        break;
    case ESR_DEPTH_TO_SPACE:
    case ESR_SPACE_TO_DEPTH:
        if (ESR_HAS(ESR_DEPTH_TO_SPACE) || ESR_HAS(ESR_SPACE_TO_DEPTH)) {
            run_blocks(engine, op, row);
        }
        break;
    case ESR_MAX_POOL:
    case ESR_AVERAGE_POOL:
        if (ESR_HAS(ESR_MAX_POOL) || ESR_HAS(ESR_AVERAGE_POOL)) {
            run_pool(engine, op, row);
        }
        break;
    case ESR_SUM_ROWS:
    case ESR_MAX_ROWS:
        if (ESR_HAS(ESR_SUM_ROWS) || ESR_HAS(ESR_MAX_ROWS)) {
            run_pooled_rows(engine, op, row);
        }
        break;
    case ESR_AVERAGE_SUMS:
    case ESR_LAST_MAX:
        if (ESR_HAS(ESR_AVERAGE_SUMS) || ESR_HAS(ESR_LAST_MAX)) {
            run_pooled_end(engine, op, row);
        }
        break;
    case ESR_MEAN:
    case ESR_MEAN_SUMS:
        if (ESR_HAS(ESR_MEAN) || ESR_HAS(ESR_MEAN_SUMS)) {
            run_mean(engine, op, row);
        }
        break;
    case ESR_RESHAPE:
        if (ESR_HAS(ESR_RESHAPE)) {
            run_reshape(engine, op, row);
        }
        break;
    case ESR_TRANSPOSE:
        if (ESR_HAS(ESR_TRANSPOSE)) {
            run_transpose(engine, op, row);
        }
        break;
    case ESR_GATHER:
        if (ESR_HAS(ESR_GATHER)) {
            run_gather(engine, op, row);
        }
        break;
    case ESR_BILINEAR:
        if (ESR_HAS(ESR_BILINEAR)) {
            run_bilinear(engine, op, row);
        }
        break;
    default: /* the check accepts no other kind than convolutions */
        run_conv(engine, op, row);
        break;
    }
}

/* --- the program */

/* Pass a row of an output to the sink. Returns ESR_OK or ESR_STOPPED. */
static esr_status emit(esr_engine *engine, uint32_t output, uint32_t row)
{
    const buffer_t *out = output_of(header_of(&engine->layout), output);
    int stop;

    engine->state = ESR_BUSY;
    stop = esr_emit(engine, output, row - out->top, row_at(engine, out, row));
    engine->state = ESR_RUNNING;
    return stop ? ESR_STOPPED : ESR_OK;
}

/* Run one entry that takes no input row of the frame. */
static esr_status run_entry(esr_engine *engine, const esr_frame_entry *entry)
{
    const header_t *header = header_of(&engine->layout);
    const operator_t *op;

    if (emitted_by(entry) < header->outputs) {
        return emit(engine, emitted_by(entry), entry->row);
    }
    if (entry->action == ESR_FRAME_INPUT) {
        fill_row(engine, buffer_at(engine, header->in_buffer), entry->row);
        return ESR_OK;
    }
    op = &operators_of(header)[entry->action];
    if (inside(buffer_at(engine, op->out), entry->row)) {
        run_operator(engine, op, entry->row);
    } else {
        fill_row(engine, buffer_at(engine, op->out), entry->row);
    }
    return ESR_OK;
}

/* Run the program up to the next input row of the frame, or to its end. */
static esr_status advance(esr_engine *engine)
{
    const header_t *header = header_of(&engine->layout);
    const buffer_t *in = buffer_at(engine, header->in_buffer);
    esr_status status = ESR_OK;

    for (; status == ESR_OK && engine->entry < header->entries; engine->entry++) {
        const esr_frame_entry *entry = &entries_of(header)[engine->entry];

        if (entry->action == ESR_FRAME_INPUT && inside(in, entry->row)) {
            return ESR_OK;
        }
        status = run_entry(engine, entry);
    }
    return status;
}

esr_status esr_frame_begin(esr_engine *engine, uint32_t height)
{
    if (height != buffer_at(engine, header_of(&engine->layout)->in_buffer)->height) {
        return ESR_HEIGHT;
    }
    engine->next_row = engine->entry = 0;
    engine->state = ESR_RUNNING;
    return advance(engine);
}

esr_status esr_frame_push(esr_engine *engine, uint32_t y, const int8_t *row)
{
    const buffer_t *in = buffer_at(engine, header_of(&engine->layout)->in_buffer);

    if (row == NULL) {
        return ESR_NULL;
    }
    if (engine->next_row == in->height) {
        return ESR_TOO_MANY;
    }
    if (y != engine->next_row) {
        return ESR_ROW_ORDER;
    }
    memcpy(fresh_row(engine, in, y + in->top), row, row_bytes(in));
    engine->next_row++;
    engine->entry++;
    return advance(engine);
}

esr_status esr_frame_end(const esr_engine *engine)
{
    const buffer_t *in = buffer_at(engine, header_of(&engine->layout)->in_buffer);

    return engine->next_row < in->height ? ESR_TOO_FEW : ESR_OK;
}

#endif
