/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: checks and runs plans for frames of one size, see esr_frame.h. */
#include "esr_frame.h"

#if ESR_FRAMES

#include "esr_frame_kernels.h"

#include <string.h>

typedef esr_frame_header header_t;
typedef esr_frame_buffer buffer_t;
typedef esr_frame_operator operator_t;

static const header_t *header_of(const esr_layout *layout)
{
    return (const header_t *)(const void *)layout->header;
}

static const buffer_t *buffers_of(const header_t *header)
{
    return (const buffer_t *)(const void *)(header + 1);
}

static const operator_t *operators_of(const header_t *header)
{
    return (const operator_t *)(const void *)(buffers_of(header) + header->buffers);
}

static const esr_frame_entry *entries_of(const header_t *header)
{
    return (const esr_frame_entry *)(const void *)(operators_of(header) + header->operators);
}

static size_t row_bytes(const buffer_t *buffer)
{
    return (size_t)buffer->width * buffer->channels;
}

/* Bytes from slot to slot. */
static size_t stride_of(const buffer_t *buffer)
{
    const size_t columns = (size_t)buffer->left + buffer->width + buffer->right;

    return (columns * buffer->channels + 3) / 4 * 4;
}

static uint32_t rows_of(const buffer_t *buffer)
{
    return (uint32_t)buffer->top + buffer->height + buffer->bottom;
}

/* --- the check. Sizes are computed in 64 bits. */

static int in_range(uint32_t value, uint32_t least, uint32_t most)
{
    return least <= value && value <= most;
}

static int is_int8(int32_t value)
{
    return -128 <= value && value <= 127;
}

static int has_constant(const esr_layout *layout, uint32_t offset, uint64_t bytes)
{
    const uint32_t all = layout->header->bytes;

    return offset % 4 == 0 && offset <= all && bytes <= all - offset;
}

static int has_scales(const esr_layout *layout, uint32_t offset, uint32_t count)
{
    const esr_scale *scales;

    if (!has_constant(layout, offset, (uint64_t)count * sizeof(esr_scale))) {
        return 0;
    }
    scales = esr_constant(layout, offset);
    for (uint32_t i = 0; i < count; i++) {
        if (scales[i].multiplier < 0 || scales[i].shift < -31 || scales[i].shift > 30) {
            return 0;
        }
    }
    return 1;
}

static int check_header(const header_t *header, size_t plan_bytes)
{
    const uint64_t records = sizeof *header + (uint64_t)header->buffers * sizeof(buffer_t) +
                             (uint64_t)header->operators * sizeof(operator_t) +
                             (uint64_t)header->entries * sizeof(esr_frame_entry);

    return header->magic == ESR_PLAN_MAGIC && header->layout == ESR_LAYOUT &&
           header->bytes <= plan_bytes && in_range(header->buffers, 1, ESR_MAX_RECORDS) &&
           in_range(header->operators, 1, ESR_FRAME_EMIT - 1) &&
           in_range(header->entries, 1, ESR_MAX_FRAME_ENTRIES) && records <= header->bytes &&
           header->in_buffer < header->buffers && header->out_buffer < header->buffers &&
           header->latency <= UINT16_MAX && header->buffer_bytes <= INT32_MAX &&
           header->buffer_bytes % 4 == 0 && header->scratch_bytes <= INT32_MAX &&
           header->scratch_bytes % 4 == 0 &&
           (uint64_t)ESR_HEAD_BYTES + header->buffer_bytes + header->scratch_bytes <= INT32_MAX;
}

static uint64_t end_of(const buffer_t *buffer)
{
    return buffer->offset + (uint64_t)stride_of(buffer) * buffer->depth;
}

static int check_buffer(const header_t *header, const buffer_t *buffer)
{
    return buffer->height > 0 && buffer->width > 0 && buffer->channels > 0 && buffer->depth > 0 &&
           rows_of(buffer) <= UINT16_MAX && is_int8(buffer->zero_point) &&
           (uint64_t)buffer->width * buffer->channels <= INT32_MAX && buffer->offset % 4 == 0 &&
           ((uint64_t)buffer->left + buffer->width + buffer->right) * buffer->channels <=
               INT32_MAX &&
           end_of(buffer) <= header->buffer_bytes;
}

/* Whether a kernel may read `in` while it writes `out`: they share no byte. */
static int apart(const buffer_t *in, const buffer_t *out)
{
    return end_of(in) <= out->offset || end_of(out) <= in->offset;
}

static int same_shape(const buffer_t *a, const buffer_t *b)
{
    return a->height == b->height && a->width == b->width && a->channels == b->channels;
}

static int check_window(const operator_t *op)
{
    return in_range(op->kernel_h, 1, ESR_MAX_FRAME_WINDOW) &&
           in_range(op->kernel_w, 1, ESR_MAX_FRAME_WINDOW) &&
           in_range(op->stride_h, 1, ESR_MAX_FRAME_WINDOW) &&
           in_range(op->stride_w, 1, ESR_MAX_FRAME_WINDOW) &&
           in_range(op->dilation_h, 1, ESR_MAX_FRAME_WINDOW) &&
           in_range(op->dilation_w, 1, ESR_MAX_FRAME_WINDOW);
}

/* Whether all windows of a convolution lie in the rows and columns that the ring holds. */
static int has_windows(const operator_t *op, const buffer_t *in, const buffer_t *out)
{
    const uint64_t last = (uint64_t)(out->width - 1u) * op->stride_w +
                          (uint64_t)(op->kernel_w - 1u) * op->dilation_w;

    return check_window(op) && op->top <= in->top && op->left <= in->left &&
           last - op->left + 1 <= (uint64_t)in->width + in->right &&
           (uint64_t)(op->kernel_h - 1u) * op->dilation_h < in->depth;
}

static int check_weights(const esr_layout *layout, const operator_t *op, uint32_t inputs,
                         uint32_t outputs)
{
    const uint64_t taps = (uint64_t)op->kernel_h * op->kernel_w;

    if (op->kind == ESR_DEPTHWISE || op->kind == ESR_ANY_DEPTHWISE) {
        return inputs == 1 && has_constant(layout, op->weights, taps * op->groups * outputs);
    }
    if (op->kind == ESR_ANY_CONV) {
        return has_constant(layout, op->weights, taps * inputs * op->groups * outputs);
    }
    return in_range(op->kernel_h, 1, ESR_MAX_KERNEL) && in_range(op->kernel_w, 1, ESR_MAX_KERNEL) &&
           inputs <= ESR_MAX_CHANNELS && outputs <= ESR_MAX_CHANNELS &&
           esr_conv_scratch_bytes(op->kernel_h, op->kernel_w, inputs) <=
               header_of(layout)->scratch_bytes &&
           has_constant(layout, op->weights,
                        op->groups *
                            esr_conv_weight_bytes(op->kernel_h, op->kernel_w, inputs, outputs));
}

static int check_conv(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                      const buffer_t *out)
{
    const int is_any = op->kind == ESR_ANY_CONV || op->kind == ESR_ANY_DEPTHWISE;
    const int is_plain = op->stride_h == 1 && op->stride_w == 1 && op->dilation_h == 1 &&
                         op->dilation_w == 1;

    return has_windows(op, in, out) && (is_any || is_plain) && op->groups != 0 &&
           in->channels % op->groups == 0 && out->channels % op->groups == 0 &&
           check_weights(layout, op, in->channels / op->groups, out->channels / op->groups) &&
           has_constant(layout, op->bias, (uint64_t)out->channels * 4) &&
           has_scales(layout, op->scales, out->channels);
}

/* Whether the channels of `deep` are blocks of pixels of `large`. */
static int is_block(const buffer_t *deep, const buffer_t *large, uint32_t block)
{
    return in_range(block, 1, ESR_MAX_UNIT_PIXELS) && large->height == deep->height * block &&
           large->width == deep->width * block &&
           deep->channels == (uint64_t)large->channels * block * block;
}

static int check_softmax(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                         const buffer_t *out)
{
    const int32_t *exps;

    if (!same_shape(in, out) || !has_constant(layout, op->weights, 256 * sizeof *exps)) {
        return 0;
    }
    exps = esr_constant(layout, op->weights);
    for (uint32_t i = 0; i < 256; i++) {
        if (exps[i] < 0) {
            return 0;
        }
    }
    return 1;
}

static int check_unary(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                       const buffer_t *out)
{
    if (!same_shape(in, out)) {
        return 0;
    }
    if (op->kind == ESR_LUT) {
        return has_constant(layout, op->weights, 256);
    }
    return in->channels <= ESR_MAX_CHANNELS && has_scales(layout, op->scales, 2) &&
           op->extra <= 1 &&
           (op->weights == 0 || has_constant(layout, op->weights, in->channels));
}

static int check_pad(const operator_t *op, const buffer_t *in, const buffer_t *out)
{
    return op->extra + (uint64_t)in->channels <= out->channels &&
           (uint64_t)op->left + in->width <= out->width &&
           (uint64_t)op->top + in->height <= out->height;
}

static int check_kind(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                      const buffer_t *out)
{
    switch (op->kind) {
    case ESR_CONV:
    case ESR_DEPTHWISE:
    case ESR_ANY_CONV:
    case ESR_ANY_DEPTHWISE:
        return check_conv(layout, op, in, out);
    case ESR_PRELU:
    case ESR_LUT:
        return check_unary(layout, op, in, out);
    case ESR_ADD:
        return same_shape(in, out) && has_scales(layout, op->scales, 3);
    case ESR_CONCAT:
        return in->height == out->height && in->width == out->width && op->kernel_w >= 1 &&
               op->extra + (uint64_t)in->channels * op->kernel_w <= out->channels;
    case ESR_DEPTH_TO_SPACE:
        return is_block(in, out, op->extra);
    case ESR_SPACE_TO_DEPTH:
        return is_block(out, in, op->extra);
    case ESR_MAX_POOL:
    case ESR_AVERAGE_POOL:
        return check_window(op) && op->dilation_h == 1 && op->dilation_w == 1 &&
               in->channels == out->channels;
    case ESR_MEAN:
        return out->height == 1 && out->width == 1 && in->channels == out->channels &&
               has_scales(layout, op->scales, 1);
    case ESR_SOFTMAX:
        return check_softmax(layout, op, in, out);
    case ESR_PAD:
        return check_pad(op, in, out);
    case ESR_RESHAPE:
        return (uint64_t)row_bytes(in) * in->height == (uint64_t)row_bytes(out) * out->height;
    default:
        return 0;
    }
}

static int check_operator(const esr_layout *layout, const operator_t *op)
{
    const header_t *header = header_of(layout);
    const buffer_t *in, *other, *out;
    int in_place;

    if (op->in >= header->buffers || op->other >= header->buffers ||
        op->out >= header->buffers || !is_int8(op->low) || !is_int8(op->high) ||
        op->low > op->high || !is_int8(op->in_zero_point) || !is_int8(op->other_zero_point) ||
        !is_int8(op->out_zero_point)) {
        return 0;
    }
    in = &buffers_of(header)[op->in];
    other = &buffers_of(header)[op->other];
    out = &buffers_of(header)[op->out];
    in_place = op->kind == ESR_PRELU || op->kind == ESR_LUT || op->kind == ESR_ADD;
    if (op->kind == ESR_ADD &&
        (!same_shape(other, out) || (other != out && !apart(other, out)))) {
        return 0;
    }
    return ((in_place && in == out) || apart(in, out)) && check_kind(layout, op, in, out);
}

/* Whether the program takes all input rows of the frame in order and
 * emits all output rows in order, none before the first input row. */
static int check_entries(const header_t *header)
{
    const buffer_t *in = &buffers_of(header)[header->in_buffer];
    const buffer_t *out = &buffers_of(header)[header->out_buffer];
    uint32_t inputs = in->top, outputs = out->top;

    for (uint32_t i = 0; i < header->entries; i++) {
        const esr_frame_entry *entry = &entries_of(header)[i];

        if (entry->action == ESR_FRAME_INPUT) {
            if (entry->row >= rows_of(in)) {
                return 0;
            }
            if (in->top <= entry->row && entry->row - in->top < in->height &&
                entry->row != inputs++) {
                return 0;
            }
        } else if (entry->action == ESR_FRAME_EMIT) {
            if (inputs == in->top || entry->row != outputs++) {
                return 0;
            }
        } else if (entry->action >= header->operators ||
                   entry->row >= rows_of(&buffers_of(
                                     header)[operators_of(header)[entry->action].out])) {
            return 0;
        }
    }
    return inputs == (uint32_t)in->top + in->height && outputs == (uint32_t)out->top + out->height;
}

static int check_records(const esr_layout *layout)
{
    const header_t *header = header_of(layout);

    for (uint32_t i = 0; i < header->buffers; i++) {
        if (!check_buffer(header, &buffers_of(header)[i])) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < header->operators; i++) {
        if (!check_operator(layout, &operators_of(header)[i])) {
            return 0;
        }
    }
    return check_entries(header);
}

esr_status esr_frame_check(esr_layout *layout, const void *plan, size_t plan_bytes, uint32_t width)
{
    const header_t *header = plan;

    memset(layout, 0, sizeof *layout);
    if (!check_header(header, plan_bytes)) {
        return ESR_PLAN;
    }
    layout->header = plan;
    if (!check_records(layout)) {
        return ESR_PLAN;
    }
    layout->units = buffers_of(header)[header->in_buffer].width;
    layout->arena_bytes =
        (size_t)ESR_HEAD_BYTES + header->buffer_bytes + header->scratch_bytes;
    return width == layout->units ? ESR_OK : ESR_WIDTH;
}

void esr_frame_describe(const esr_engine *engine, esr_info *info)
{
    const header_t *header = header_of(&engine->layout);
    const buffer_t *in = &buffers_of(header)[header->in_buffer];
    const buffer_t *out = &buffers_of(header)[header->out_buffer];

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

static void *scratch(const esr_engine *engine)
{
    return engine->memory + header_of(&engine->layout)->buffer_bytes;
}

static void run_conv(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const esr_layout *layout = &engine->layout;
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    esr_any_conv any;
    esr_conv *args = &any.conv;

    args->in.ring = ring(engine, in) + (size_t)(in->left - op->left) * in->channels;
    args->in.row_bytes = stride_of(in);
    args->in.first = ((row - out->top) * op->stride_h + in->top - op->top) % in->depth;
    args->in.depth = in->depth;
    args->pixels = out->width;
    args->kernel_h = op->kernel_h;
    args->kernel_w = op->kernel_w;
    args->in_channels = in->channels;
    args->out_channels = out->channels;
    args->groups = op->groups;
    args->weights = esr_constant(layout, op->weights);
    args->bias = esr_constant(layout, op->bias);
    args->scales = esr_constant(layout, op->scales);
    args->out_zero_point = op->out_zero_point;
    args->low = op->low;
    args->high = op->high;
    args->out = fresh_row(engine, out, row);
    args->scratch = scratch(engine);
    args->scratch_bytes = header_of(layout)->scratch_bytes;
    any.stride_w = op->stride_w;
    any.dilation_h = op->dilation_h;
    any.dilation_w = op->dilation_w;
    if (op->kind == ESR_CONV) {
        ESR_KERNEL(engine, conv_row)(args);
    } else if (op->kind == ESR_DEPTHWISE) {
        ESR_KERNEL(engine, depthwise_row)(args);
    } else {
        (op->kind == ESR_ANY_CONV ? esr_any_conv_row : esr_any_depthwise_row)(&any);
    }
}

static void run_unary(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const esr_layout *layout = &engine->layout;
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const int8_t *source = same_row(engine, in, out, row);
    const esr_scale *scales = esr_constant(layout, op->scales);
    const void *weights = op->weights == 0 ? NULL : esr_constant(layout, op->weights);
    esr_prelu args;

    args.out = fresh_row(engine, out, row);
    if (op->kind == ESR_LUT) {
        ESR_KERNEL(engine, lut_row)(source, args.out, weights, row_bytes(out));
        return;
    }
    if (op->kind == ESR_SOFTMAX) {
        esr_softmax_row(source, args.out, weights, out->width, out->channels);
        return;
    }
    args.in = source;
    args.pixels = out->width;
    args.channels = out->channels;
    args.alpha = weights;
    args.positive = scales[0];
    args.negative = scales[1];
    args.negate = (int32_t)op->extra;
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    ESR_KERNEL(engine, prelu_row)(&args);
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

static void run_pool(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in), *out = buffer_at(engine, op->out);
    const uint32_t top = (row - out->top) * op->stride_h;
    const uint32_t first = top > op->top ? top - op->top : 0;
    const uint32_t after = top + op->kernel_h > op->top ? top + op->kernel_h - op->top : 0;
    const uint32_t end = after < in->height ? after : in->height;
    esr_pool args;

    args.rows = set_window(engine, in, &args.in, first, end > first ? end - first : 1);
    args.in_pixels = in->width;
    args.channels = in->channels;
    args.kernel_w = op->kernel_w;
    args.stride_w = op->stride_w;
    args.left = op->left;
    args.pixels = out->width;
    args.low = op->low;
    args.high = op->high;
    args.out = fresh_row(engine, out, row);
    (op->kind == ESR_MAX_POOL ? esr_max_pool_row : esr_average_pool_row)(&args);
}

static void run_mean(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    const buffer_t *in = buffer_at(engine, op->in);
    const esr_scale *scales = esr_constant(&engine->layout, op->scales);
    esr_mean args;

    args.rows = set_window(engine, in, &args.in, 0, in->height);
    args.in_pixels = in->width;
    args.channels = in->channels;
    args.count = op->extra;
    args.scale = scales[0];
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.out = fresh_row(engine, buffer_at(engine, op->out), row);
    esr_mean_row(&args);
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

static void run_operator(const esr_engine *engine, const operator_t *op, uint32_t row)
{
    switch (op->kind) {
    case ESR_PRELU:
    case ESR_LUT:
    case ESR_SOFTMAX:
        run_unary(engine, op, row);
        break;
    case ESR_ADD:
        run_add(engine, op, row);
        break;
    case ESR_CONCAT:
    case ESR_PAD:
        run_copy(engine, op, row);
        break;
    case ESR_DEPTH_TO_SPACE:
    case ESR_SPACE_TO_DEPTH:
        run_blocks(engine, op, row);
        break;
    case ESR_MAX_POOL:
    case ESR_AVERAGE_POOL:
        run_pool(engine, op, row);
        break;
    case ESR_MEAN:
        run_mean(engine, op, row);
        break;
    case ESR_RESHAPE:
        run_reshape(engine, op, row);
        break;
    default: /* the check accepts no other kind than convolutions */
        run_conv(engine, op, row);
        break;
    }
}

/* --- the program */

/* Pass a row of the output to the sink. Returns ESR_OK or ESR_STOPPED. */
static esr_status emit(esr_engine *engine, uint32_t row)
{
    const buffer_t *out = buffer_at(engine, header_of(&engine->layout)->out_buffer);
    int stop;

    engine->state = ESR_BUSY;
    stop = engine->sink(engine->user, row - out->top, row_at(engine, out, row));
    engine->state = ESR_RUNNING;
    return stop ? ESR_STOPPED : ESR_OK;
}

/* Run one entry that takes no input row of the frame. */
static esr_status run_entry(esr_engine *engine, const esr_frame_entry *entry)
{
    const header_t *header = header_of(&engine->layout);
    const operator_t *op;

    if (entry->action == ESR_FRAME_EMIT) {
        return emit(engine, entry->row);
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
