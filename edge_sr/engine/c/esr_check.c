/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: checks a plan, see esr_check.h. */
#include "esr_check.h"
#include "esr_frame.h"
#include "esr_kernels.h"

/* Sizes are computed in 64 bits. The limits in esr_plan.h keep all products below 2^63. */

static int is_int8(int32_t value)
{
    return -128 <= value && value <= 127;
}

static int in_range(uint32_t value, uint32_t least, uint32_t most)
{
    return least <= value && value <= most;
}

/* Whether `bytes` bytes from `offset` on lie in the plan and start at a whole word. */
static int has_constant(const esr_layout *layout, uint32_t offset, uint64_t bytes)
{
    return offset % 4 == 0 && offset <= layout->header->bytes &&
           bytes <= layout->header->bytes - offset;
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

static uint64_t record_bytes(const esr_plan_header *header)
{
    return sizeof *header + (uint64_t)header->buffers * sizeof(esr_plan_buffer) +
           (uint64_t)header->operators * sizeof(esr_plan_operator) +
           (uint64_t)header->entries * sizeof(esr_plan_entry);
}

static int check_header(const esr_plan_header *header, size_t plan_bytes)
{
    return header->magic == ESR_PLAN_MAGIC && header->version == ESR_PLAN_VERSION &&
           header->layout == ESR_LAYOUT && header->fixed_bytes % 4 == 0 &&
           header->scratch_bytes % 4 == 0 &&
           header->bytes <= plan_bytes && in_range(header->buffers, 1, ESR_MAX_RECORDS) &&
           in_range(header->operators, 1, ESR_MAX_RECORDS) &&
           in_range(header->entries, 1, ESR_MAX_RECORDS) && record_bytes(header) <= header->bytes &&
           in_range(header->unit_pixels, 1, ESR_MAX_UNIT_PIXELS) &&
           header->in_buffer < header->buffers && header->out_buffer < header->buffers &&
           header->latency <= ESR_MAX_DELAY && header->halo <= ESR_MAX_DELAY;
}

/* Whether each field of the buffer is within its limits. */
static int check_buffer(const esr_plan_buffer *buffer)
{
    return in_range(buffer->unit_pixels, 1, ESR_MAX_UNIT_PIXELS) &&
           in_range(buffer->channels, 1, ESR_MAX_CHANNELS) &&
           in_range(buffer->depth, 1, ESR_MAX_DEPTH) && buffer->padding <= ESR_MAX_KERNEL &&
           buffer->bottom_padding <= ESR_MAX_KERNEL && is_int8(buffer->zero_point) &&
           buffer->unit_offset <= INT32_MAX && buffer->fixed_offset <= INT32_MAX &&
           buffer->fixed_offset % 4 == 0;
}

/* Whether the buffer lies inside the memory for buffers at this width. */
static int fits(const esr_layout *layout, const esr_plan_buffer *buffer)
{
    const uint64_t units = layout->padded_units;
    const uint64_t padding = ((uint64_t)buffer->padding * buffer->channels + 3) / 4 * 4;
    const uint64_t stride = units * buffer->unit_pixels * buffer->channels + 2 * padding;
    const uint64_t end =
        units * buffer->unit_offset + buffer->fixed_offset + stride * buffer->depth;

    return end <= units * layout->header->unit_bytes + layout->header->fixed_bytes;
}

static int check_window(const esr_plan_operator *op, const esr_plan_buffer *in,
                        const esr_plan_buffer *out)
{
    return op->extra < (op->kind == ESR_CONV ? ESR_MAX_STRIDE : 1) &&
           in->unit_pixels == out->unit_pixels * esr_stride_of(op) &&
           in_range(op->kernel_h, 1, ESR_MAX_KERNEL) &&
           in_range(op->kernel_w, 1, ESR_MAX_KERNEL) && op->kernel_h <= in->depth &&
           esr_after(op, op->kernel_w) <= in->padding && op->groups != 0 &&
           in->channels % op->groups == 0 && out->channels % op->groups == 0;
}

static int check_weights(const esr_layout *layout, const esr_plan_operator *op, uint32_t inputs,
                         uint32_t outputs)
{
    const uint32_t height = op->kernel_h, width = op->kernel_w;

    if (op->kind == ESR_DEPTHWISE) {
        return inputs == 1 &&
               has_constant(layout, op->weights,
                            (uint64_t)height * width * op->groups * outputs);
    }
    return esr_conv_scratch_bytes(height, width, inputs, esr_stride_of(op)) <=
               layout->header->scratch_bytes &&
           has_constant(layout, op->weights,
                        op->groups * esr_conv_weight_bytes(height, width, inputs, outputs));
}

static int check_conv(const esr_layout *layout, const esr_plan_operator *op,
                      const esr_plan_buffer *in, const esr_plan_buffer *out)
{
    return check_window(op, in, out) &&
           check_weights(layout, op, in->channels / op->groups, out->channels / op->groups) &&
           has_constant(layout, op->bias, (uint64_t)out->channels * 4) &&
           has_scales(layout, op->scales, out->channels);
}

static int same_shape(const esr_plan_buffer *a, const esr_plan_buffer *b)
{
    return a->unit_pixels == b->unit_pixels && a->channels == b->channels;
}

/* Whether the channels of `deep` are blocks of pixels of `large`. */
static int is_block(const esr_plan_buffer *deep, const esr_plan_buffer *large, uint32_t block)
{
    return in_range(block, 1, ESR_MAX_UNIT_PIXELS) &&
           large->unit_pixels == deep->unit_pixels * block &&
           deep->channels == large->channels * block * block;
}

static int check_operator(const esr_layout *layout, const esr_plan_operator *op)
{
    const esr_plan_buffer *in, *other, *out;
    const uint32_t count = layout->header->buffers;

    if (op->in >= count || op->other >= count || op->out >= count || !is_int8(op->low) ||
        !is_int8(op->high) || op->low > op->high || !is_int8(op->in_zero_point) ||
        !is_int8(op->other_zero_point) || !is_int8(op->out_zero_point)) {
        return 0;
    }
    in = &layout->buffers[op->in];
    other = &layout->buffers[op->other];
    out = &layout->buffers[op->out];
    switch (op->kind) {
    case ESR_CONV:
    case ESR_DEPTHWISE:
        return check_conv(layout, op, in, out);
    case ESR_PRELU:
        return same_shape(in, out) && has_scales(layout, op->scales, 2) && op->extra <= 1 &&
               (op->weights == 0 || has_constant(layout, op->weights, in->channels));
    case ESR_LUT:
        return same_shape(in, out) && has_constant(layout, op->weights, 256);
    case ESR_ADD:
        return same_shape(in, out) && same_shape(other, out) && has_scales(layout, op->scales, 3);
    case ESR_CONCAT:
        return in->unit_pixels == out->unit_pixels && op->extra <= ESR_MAX_CHANNELS &&
               in_range(op->kernel_w, 1, ESR_MAX_CHANNELS) &&
               op->extra + (uint64_t)in->channels * op->kernel_w <= out->channels;
    case ESR_DEPTH_TO_SPACE:
        return is_block(in, out, op->extra);
    case ESR_SPACE_TO_DEPTH:
        return is_block(out, in, op->extra) && in->depth >= op->extra;
    default:
        return 0;
    }
}

/* Whether the program starts with an input row, takes the step's input rows in order and emits its
 * output rows in order. Every output row of a frame is then emitted. Sets layout->latency_steps. */
static int check_entries(esr_layout *layout)
{
    const esr_plan_header *header = layout->header;
    const uint32_t out_rows = layout->buffers[header->out_buffer].unit_pixels;
    uint32_t inputs = 0, outputs = 0;
    int32_t first = 0;

    if (layout->entries[0].action != ESR_ENTRY_INPUT) {
        return 0;
    }
    for (uint32_t i = 0; i < header->entries; i++) {
        const esr_plan_entry *entry = &layout->entries[i];

        if (entry->row < -ESR_MAX_DELAY || entry->row > ESR_MAX_DELAY) {
            return 0;
        }
        if (entry->action == ESR_ENTRY_INPUT) {
            if (entry->row != (int32_t)inputs++) {
                return 0;
            }
        } else if (entry->action == ESR_ENTRY_EMIT) {
            first = outputs == 0 ? entry->row : first;
            if (entry->row != first + (int32_t)outputs++) {
                return 0;
            }
        } else if (entry->action >= header->operators) {
            return 0;
        }
    }
    layout->latency_steps = (uint32_t)-first / out_rows + ((uint32_t)-first % out_rows != 0);
    return inputs == header->unit_pixels && outputs == out_rows && first <= 0;
}

static int check_records(esr_layout *layout)
{
    const esr_plan_header *header = layout->header;

    for (uint32_t i = 0; i < header->buffers; i++) {
        if (!check_buffer(&layout->buffers[i])) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < header->operators; i++) {
        if (!check_operator(layout, &layout->operators[i])) {
            return 0;
        }
    }
    return layout->buffers[header->in_buffer].unit_pixels == header->unit_pixels &&
           check_entries(layout);
}

#ifndef ESR_TRUSTED_PLANS

/* Whether the operator can write its output while it reads a buffer. Every kernel can if the two
 * share no byte; an element-wise kernel can also work in place. All buffers fit in the arena. */
static int can_write(const esr_layout *layout, const esr_plan_operator *op, uint32_t source)
{
    const esr_plan_buffer *in = &layout->buffers[source], *out = &layout->buffers[op->out];
    const size_t in_start = esr_buffer_offset(layout, in);
    const size_t out_start = esr_buffer_offset(layout, out);

    if (in == out) {
        return op->kind == ESR_PRELU || op->kind == ESR_LUT || op->kind == ESR_ADD;
    }
    return in_start < out_start ? in_start + esr_stride(layout, in) * in->depth <= out_start
                                : out_start + esr_stride(layout, out) * out->depth <= in_start;
}

static int check_overlap(const esr_layout *layout)
{
    for (uint32_t i = 0; i < layout->header->operators; i++) {
        const esr_plan_operator *op = &layout->operators[i];

        if (!can_write(layout, op, op->in) || !can_write(layout, op, op->other)) {
            return 0;
        }
    }
    return 1;
}

#endif

/* Lay the buffers out at the width: sets units, padded_units and arena_bytes. */
static esr_status check_width(esr_layout *layout, uint32_t width)
{
    const esr_plan_header *header = layout->header;
    uint64_t bytes;

    if (width == 0 || width % header->unit_pixels != 0 ||
        width / header->unit_pixels > ESR_MAX_UNITS) {
        return ESR_WIDTH;
    }
    layout->units = width / header->unit_pixels;
    layout->padded_units = (layout->units + ESR_UNIT_ROUND - 1) / ESR_UNIT_ROUND * ESR_UNIT_ROUND;
    bytes = (uint64_t)layout->padded_units * header->unit_bytes + header->fixed_bytes +
            header->scratch_bytes + ESR_HEAD_BYTES;
    if (bytes > INT32_MAX) {
        return ESR_WIDTH;
    }
    for (uint32_t i = 0; i < header->buffers; i++) {
        if (!fits(layout, &layout->buffers[i])) {
            return ESR_PLAN;
        }
    }
#ifndef ESR_TRUSTED_PLANS
    if (!check_overlap(layout)) {
        return ESR_PLAN;
    }
#endif
    layout->arena_bytes = (size_t)bytes;
    return ESR_OK;
}

esr_status esr_check(esr_layout *layout, const void *plan, size_t plan_bytes, uint32_t width)
{
    const esr_plan_header *header = plan;

    if (plan == NULL) {
        return ESR_NULL;
    }
    if ((uintptr_t)plan % ESR_PLAN_ALIGNMENT != 0) {
        return ESR_MISALIGNED;
    }
#if ESR_FRAMES
    if (esr_is_frame_plan(header, plan_bytes)) {
        return esr_frame_check(layout, plan, plan_bytes, width);
    }
#endif
    if (!ESR_STREAMS || plan_bytes < sizeof *header || !check_header(header, plan_bytes)) {
        return ESR_PLAN;
    }
    layout->header = header;
    layout->buffers = (const esr_plan_buffer *)(const void *)(header + 1);
    layout->operators =
        (const esr_plan_operator *)(const void *)(layout->buffers + header->buffers);
    layout->entries = (const esr_plan_entry *)(const void *)(layout->operators + header->operators);
    return check_records(layout) ? check_width(layout, width) : ESR_PLAN;
}
