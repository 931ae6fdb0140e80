/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: checks plans for frames of one size, see esr_frame.h. Sizes are computed
 * in 64 bits. */
#include "esr_frame_records.h"

#if ESR_FRAMES

#include "esr_frame_kernels.h"

#include <string.h>

#ifdef ESR_TRUSTED_PLANS
#define IS_TRUSTED 1
#else
#define IS_TRUSTED 0
#endif

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
                             (uint64_t)header->entries * sizeof(esr_frame_entry) +
                             (uint64_t)header->outputs * sizeof(uint32_t);

    return header->magic == ESR_PLAN_MAGIC && header->layout == ESR_LAYOUT &&
           header->bytes <= plan_bytes && in_range(header->buffers, 1, ESR_MAX_RECORDS) &&
           in_range(header->operators, 1, ESR_FRAME_EMIT - ESR_MAX_OUTPUTS) &&
           in_range(header->entries, 1, ESR_MAX_FRAME_ENTRIES) && records <= header->bytes &&
           header->in_buffer < header->buffers && in_range(header->outputs, 1, ESR_MAX_OUTPUTS) &&
           header->latency <= UINT16_MAX && header->buffer_bytes <= INT32_MAX &&
           header->buffer_bytes % 4 == 0 &&
           (uint64_t)ESR_HEAD_BYTES + header->buffer_bytes <= INT32_MAX;
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

/* `pixels`: of an output row; `taken`: bytes of scratch memory that the kernel does not have. */
static int check_weights(const esr_layout *layout, const operator_t *op, uint32_t inputs,
                         uint32_t outputs, uint32_t pixels, uint64_t taken)
{
    const uint64_t taps = (uint64_t)op->kernel_h * op->kernel_w;
    const uint64_t scratch = op->scratch_bytes;

    if (taken > scratch) {
        return 0;
    }
    if (op->kind == ESR_DEPTHWISE) {
        return inputs == 1 && has_constant(layout, op->weights, taps * op->groups * outputs);
    }
    if (op->kind == ESR_ANY_DEPTHWISE) {
        return inputs == 1 &&
               esr_any_depthwise_scratch_bytes(op->kernel_h, op->kernel_w, op->groups, outputs) <=
                   scratch - taken &&
               has_constant(layout, op->weights,
                            esr_any_depthwise_weight_bytes(op->kernel_h, op->kernel_w, op->groups,
                                                           outputs));
    }
    if (op->kind == ESR_ANY_CONV) {
        return esr_any_conv_scratch_bytes(op->kernel_h, op->kernel_w, inputs, pixels) <=
                   scratch - taken &&
               has_constant(layout, op->weights,
                            op->groups * esr_any_conv_weight_bytes(op->kernel_h, op->kernel_w,
                                                                   inputs, outputs));
    }
    if (ESR_LAYOUT == ESR_LAYOUT_MVE8) {
        /* Frame plans for Helium have no packed weights: their kernel reads beyond its input, where
         * streaming plans have scratch memory. */
        return 0;
    }
    return in_range(op->kernel_h, 1, ESR_MAX_KERNEL) && in_range(op->kernel_w, 1, ESR_MAX_KERNEL) &&
           inputs <= ESR_MAX_CHANNELS && outputs <= ESR_MAX_CHANNELS &&
           esr_conv_scratch_bytes(op->kernel_h, op->kernel_w, inputs, op->stride_w) <=
               scratch - taken &&
           has_constant(layout, op->weights,
                        op->groups *
                            esr_conv_weight_bytes(op->kernel_h, op->kernel_w, inputs, outputs));
}

/* Whether scratch memory lies in the arena and outside a buffer. */
static int has_scratch(const esr_layout *layout, const operator_t *op, const buffer_t *buffer)
{
    const uint64_t end = (uint64_t)op->scratch + op->scratch_bytes;

    return op->scratch % 4 == 0 && end <= header_of(layout)->buffer_bytes &&
           (op->scratch_bytes == 0 || end <= buffer->offset || end_of(buffer) <= op->scratch);
}

static int is_plain(const operator_t *op)
{
    return op->stride_h == 1 && op->stride_w == 1 && op->dilation_h == 1 && op->dilation_w == 1;
}

static int check_transposed(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                            const buffer_t *out)
{
    const uint32_t up_h = up_h_of(op), up_w = up_w_of(op);
    wide_row row;
    uint32_t outputs;

    if (!in_range(up_h, 1, ESR_MAX_FRAME_WINDOW) || !in_range(up_w, 1, ESR_MAX_FRAME_WINDOW)) {
        return 0;
    }
    row = wide_row_of(op, out);
    outputs = up_w * out->channels;
    return (op->kind == ESR_CONV || op->kind == ESR_ANY_CONV) && check_window(op) &&
           is_plain(op) && op->groups == 1 && has_scratch(layout, op, in) &&
           has_scratch(layout, op, out) && op->kernel_h <= in->depth &&
           op->kernel_h <= in->top + op->top / up_h + 1 &&
           op->kernel_w <= in->left + row.last + 1 &&
           row.last + row.windows <= (uint32_t)in->width + in->right &&
           check_weights(layout, op, in->channels, outputs, row.windows, row.bytes) &&
           has_constant(layout, op->bias, (uint64_t)outputs * 4) &&
           has_scales(layout, op->scales, outputs);
}

static int check_conv(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                      const buffer_t *out)
{
    const int is_any = op->kind == ESR_ANY_CONV || op->kind == ESR_ANY_DEPTHWISE;
    const int takes = is_any || is_plain(op) || (ESR_CONV_DILATIONS && op->kind == ESR_CONV);

    if (op->extra != 0) {
        return check_transposed(layout, op, in, out);
    }
    return has_windows(op, in, out) && takes && op->groups != 0 &&
           has_scratch(layout, op, in) && has_scratch(layout, op, out) &&
           in->channels % op->groups == 0 && out->channels % op->groups == 0 &&
           check_weights(layout, op, in->channels / op->groups, out->channels / op->groups,
                         out->width, 0) &&
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

/* Whether an axis of the output is that of the input, or its mean. */
static int is_mean(uint32_t in, uint32_t out)
{
    return out == in || out == 1;
}

static int check_gather(const esr_layout *layout, const operator_t *op, const buffer_t *in,
                        const buffer_t *out)
{
    const uint32_t entries = (uint32_t)out->height + out->width;
    const uint16_t *sources;

    if (!has_constant(layout, op->weights, (uint64_t)entries * sizeof *sources) ||
        op->extra + (uint64_t)(out->channels - 1u) * op->stride_w >= in->channels) {
        return 0;
    }
    sources = esr_constant(layout, op->weights);
    for (uint32_t i = 0; i < entries; i++) {
        if (sources[i] >= (i < out->height ? in->height : in->width)) {
            return 0;
        }
    }
    return 1;
}

/* Whether the last output of an axis lies within the input. */
static int has_positions(uint32_t in, uint32_t out, uint32_t step, uint32_t centers)
{
    const int64_t last = (int64_t)(out - 1) * step + esr_position_offset(step, centers);

    return last < (int64_t)in * ESR_POSITION_ONE;
}

/* Whether an axis of the second input is that of the output, or the same value for all. */
static int is_spread(uint32_t side, uint32_t out)
{
    return side == out || side == 1;
}

static int check_binary(const esr_layout *layout, const operator_t *op, const buffer_t *other,
                        const buffer_t *out)
{
    const uint64_t bytes = (uint64_t)op->kernel_h * op->kernel_w * op->groups;
    const int sums = op->extra <= ESR_BINARY_SUB_FROM;

    if (op->extra > ESR_BINARY_MAXIMUM || !is_spread(op->kernel_h, out->height) ||
        !is_spread(op->kernel_w, out->width) || !is_spread(op->groups, out->channels) ||
        !has_scales(layout, op->scales, sums ? 3 : op->extra == ESR_BINARY_MUL)) {
        return 0;
    }
    if (op->weights != 0) {
        return has_constant(layout, op->weights, bytes);
    }
    return op->kernel_h == other->height && op->kernel_w == other->width &&
           op->groups == other->channels &&
           (apart(other, out) || (other == out && same_shape(other, out)));
}

static int check_transpose(const operator_t *op, const buffer_t *in, const buffer_t *out)
{
    const uint32_t sides[3] = {in->height, in->width, in->channels};
    const uint32_t rows = op->extra & 3, columns = op->extra >> 2 & 3, channels = op->extra >> 4;

    return rows < 3 && columns < 3 && channels < 3 && rows != columns && rows != channels &&
           columns != channels && out->height == sides[rows] && out->width == sides[columns] &&
           out->channels == sides[channels];
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
    case ESR_SUM_ROWS:
    case ESR_MAX_ROWS:
        return check_window(op) && in->height == out->height &&
               out->channels == in->channels * (op->kind == ESR_SUM_ROWS ? 4u : 1u);
    case ESR_AVERAGE_SUMS:
    case ESR_LAST_MAX:
        return check_window(op) && in->width == out->width &&
               in->channels == out->channels * (op->kind == ESR_AVERAGE_SUMS ? 4u : 1u);
    case ESR_MEAN:
        return is_mean(in->height, out->height) && is_mean(in->width, out->width) &&
               is_mean(in->channels, out->channels) && has_scales(layout, op->scales, 1);
    case ESR_MEAN_SUMS:
        return out->height == 1 && in->width == out->width &&
               in->channels == out->channels * 4u && has_scales(layout, op->scales, 1);
    case ESR_SOFTMAX:
        return check_softmax(layout, op, in, out);
    case ESR_PAD:
        return check_pad(op, in, out);
    case ESR_RESHAPE:
        return (uint64_t)row_bytes(in) * in->height == (uint64_t)row_bytes(out) * out->height;
    case ESR_GATHER:
        return check_gather(layout, op, in, out);
    case ESR_TRANSPOSE:
        return check_transpose(op, in, out);
    case ESR_BINARY:
        return 1; /* check_operator has checked it with its second input */
    case ESR_BILINEAR:
        return op->extra <= 1 && in->channels == out->channels &&
               has_positions(in->height, out->height, op->stride_h, op->extra) &&
               has_positions(in->width, out->width, op->stride_w, op->extra);
    default:
        return 0;
    }
}

static int check_operator(const esr_layout *layout, const operator_t *op)
{
    const header_t *header = header_of(layout);
    const buffer_t *in, *other, *out;
    int in_place;

    if (op->kind >= 32 || !ESR_HAS(op->kind) || op->in >= header->buffers || op->other >= header->buffers ||
        op->out >= header->buffers || !is_int8(op->low) || !is_int8(op->high) ||
        op->low > op->high || !is_int8(op->in_zero_point) || !is_int8(op->other_zero_point) ||
        !is_int8(op->out_zero_point)) {
        return 0;
    }
    in = &buffers_of(header)[op->in];
    other = &buffers_of(header)[op->other];
    out = &buffers_of(header)[op->out];
    in_place = op->kind == ESR_PRELU || op->kind == ESR_LUT || op->kind == ESR_ADD ||
               op->kind == ESR_BINARY;
    if (op->kind == ESR_BINARY &&
        !(same_shape(in, out) && check_binary(layout, op, other, out))) {
        return 0;
    }
    if (op->kind == ESR_ADD &&
        (!same_shape(other, out) || (other != out && !apart(other, out)))) {
        return 0;
    }
    return ((in_place && in == out) || apart(in, out)) && check_kind(layout, op, in, out);
}

/* The next row of the input and of each output. */
typedef struct progress {
    uint32_t in;
    uint32_t out[ESR_MAX_OUTPUTS];
} progress;

static int check_entry(const header_t *header, const esr_frame_entry *entry, progress *next)
{
    const buffer_t *in = &buffers_of(header)[header->in_buffer];

    if (entry->action == ESR_FRAME_INPUT) {
        const int is_frame = in->top <= entry->row && entry->row - in->top < in->height;

        return entry->row < rows_of(in) && (!is_frame || entry->row == next->in++);
    }
    if (emitted_by(entry) < header->outputs) {
        return next->in != in->top && entry->row == next->out[emitted_by(entry)]++;
    }
    return entry->action < header->operators &&
           entry->row < rows_of(&buffers_of(header)[operators_of(header)[entry->action].out]);
}

/* Whether the program takes all input rows of the frame in order and emits all rows of each output
 * in order, none before the first input row. */
static int check_entries(const header_t *header)
{
    const buffer_t *in = &buffers_of(header)[header->in_buffer];
    progress next;

    next.in = in->top;
    for (uint32_t i = 0; i < header->outputs; i++) {
        next.out[i] = output_of(header, i)->top;
    }
    for (uint32_t i = 0; i < header->entries; i++) {
        if (!check_entry(header, &entries_of(header)[i], &next)) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < header->outputs; i++) {
        const buffer_t *out = output_of(header, i);

        if (next.out[i] != (uint32_t)out->top + out->height) {
            return 0;
        }
    }
    return next.in == (uint32_t)in->top + in->height;
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
    for (uint32_t i = 0; i < header->outputs; i++) {
        if (output_index(header, i) >= header->buffers) {
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
    if (!IS_TRUSTED && !check_records(layout)) {
        return ESR_PLAN;
    }
    layout->units = buffers_of(header)[header->in_buffer].width;
    layout->arena_bytes =
        (size_t)ESR_HEAD_BYTES + header->buffer_bytes;
    return width == layout->units ? ESR_OK : ESR_WIDTH;
}

#endif
