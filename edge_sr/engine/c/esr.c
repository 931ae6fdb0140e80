/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: runs a plan row by row. esr_check.c has verified that no row lies
 * outside its buffer.
 */
#include "esr_engine.h"
#include "esr_frame.h"

#include <string.h>

const char *esr_status_text(esr_status status)
{
    static const char *const texts[] = {
        "success",
        "a pointer is null",
        "the address of the arena must be a multiple of 8 and that of the plan a multiple of 4",
        "the plan is damaged or was made for another version of the engine or another processor",
        "the network cannot run at this width",
        "the arena is smaller than esr_arena_bytes returns",
        "the network cannot run at this height",
        "the engine does not expect this call; call esr_begin to start a frame",
        "a row was skipped or repeated; push rows from the top, in order",
        "more rows were pushed than esr_begin was called with",
        "fewer rows were pushed than esr_begin was called with",
        "the sink asked to stop",
        "the network has no output of this number",
    };
    const size_t index = (size_t)status;

    return index < sizeof texts / sizeof texts[0] ? texts[index] : "unknown status";
}

size_t esr_arena_bytes(const void *plan, size_t plan_bytes, uint32_t width)
{
    esr_layout layout;

    return esr_check(&layout, plan, plan_bytes, width) == ESR_OK ? layout.arena_bytes : 0;
}

esr_status esr_open(esr_engine **engine, const void *plan, size_t plan_bytes, uint32_t width,
                    void *arena, size_t arena_bytes)
{
    esr_layout layout;
    esr_status status;

    if (engine == NULL) {
        return ESR_NULL;
    }
    *engine = NULL;
    if (plan == NULL || arena == NULL) {
        return ESR_NULL;
    }
    if ((uintptr_t)arena % ESR_ARENA_ALIGNMENT != 0) {
        return ESR_MISALIGNED;
    }
    status = esr_check(&layout, plan, plan_bytes, width);
    if (status != ESR_OK) {
        return status;
    }
    if (arena_bytes < layout.arena_bytes) {
        return ESR_ARENA;
    }
    *engine = arena;
    memset(*engine, 0, sizeof **engine);
    (*engine)->layout = layout;
    (*engine)->memory = (uint8_t *)arena + ESR_HEAD_BYTES;
    (*engine)->state = ESR_IDLE;
#if ESR_X86
    (void)esr_limit_kernels(*engine, ESR_KERNELS_AVX512);
#endif
    return ESR_OK;
}

esr_kernel_set esr_limit_kernels(esr_engine *engine, esr_kernel_set most)
{
#if ESR_X86
    engine->kernels = esr_x86_choose(&most);
    return most;
#else
    (void)engine, (void)most;
    return ESR_KERNELS_PORTABLE;
#endif
}

esr_status esr_describe(const esr_engine *engine, esr_info *info)
{
    const esr_plan_header *header;
    const esr_plan_buffer *in, *out;

    if (engine == NULL || info == NULL) {
        return ESR_NULL;
    }
#if ESR_FRAMES
    if (esr_is_frame(engine)) {
        esr_frame_describe(engine, 0, info);
        return ESR_OK;
    }
#endif
    header = engine->layout.header;
    in = &engine->layout.buffers[header->in_buffer];
    out = &engine->layout.buffers[header->out_buffer];
    info->in_width = engine->layout.units * in->unit_pixels;
    info->in_channels = in->channels;
    info->out_width = engine->layout.units * out->unit_pixels;
    info->out_channels = out->channels;
    info->rows_num = out->unit_pixels;
    info->rows_den = in->unit_pixels;
    info->column_step = in->unit_pixels;
    info->halo = header->halo;
    info->latency = header->latency;
    return ESR_OK;
}

static size_t row_bytes(const esr_engine *engine, const esr_plan_buffer *buffer)
{
    return (size_t)engine->layout.units * buffer->unit_pixels * buffer->channels;
}

/* The first byte of a buffer. */
static uint8_t *ring(const esr_engine *engine, const esr_plan_buffer *buffer)
{
    return engine->memory + esr_buffer_offset(&engine->layout, buffer);
}

/* The scratch memory, which follows the buffers. */
static void *scratch(const esr_engine *engine)
{
    const esr_plan_header *header = engine->layout.header;

    return engine->memory + (size_t)engine->layout.padded_units * header->unit_bytes +
           header->fixed_bytes;
}

/* The first pixel of a row, which can lie above or below the frame. */
static int8_t *row_at(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    const uint32_t slot = (uint32_t)row % buffer->depth;

    return (int8_t *)ring(engine, buffer) + esr_stride(&engine->layout, buffer) * slot +
           esr_padding_bytes(buffer);
}

/* The same for a row that will be written. Its padding is filled again, because buffers that are
 * not needed at the same time share memory. */
static int8_t *fresh_row(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    int8_t *pixels = row_at(engine, buffer, row);
    const size_t padding = (size_t)buffer->padding * buffer->channels;

    if (padding > 0) {
        memset(pixels - padding, buffer->zero_point, padding);
        memset(pixels + row_bytes(engine, buffer), buffer->zero_point, padding);
    }
    return pixels;
}

/* Fill a row below the frame with the zero point if a kernel reads it. */
static void fill_below(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    if ((uint32_t)row - engine->units * buffer->unit_pixels < buffer->bottom_padding) {
        memset(fresh_row(engine, buffer, row), buffer->zero_point, row_bytes(engine, buffer));
    }
}

static void run_conv(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const uint32_t above = esr_before(op, op->kernel_h), left = esr_before(op, op->kernel_w);
    const uint32_t stride = esr_stride_of(op);
    esr_conv args;

    args.in.ring = (const int8_t *)ring(engine, in) + esr_padding_bytes(in) -
                   (size_t)left * in->channels;
    args.in.row_bytes = esr_stride(layout, in);
    args.in.first = ((uint32_t)row * stride + in->depth - above) % in->depth;
    args.in.depth = in->depth;
    args.pixels = layout->units * out->unit_pixels;
    args.kernel_h = op->kernel_h;
    args.kernel_w = op->kernel_w;
    args.in_channels = in->channels;
    args.out_channels = out->channels;
    args.groups = op->groups;
    args.stride_w = stride;
#if ESR_CONV_DILATIONS
    args.dilation_h = 1;
    args.dilation_w = 1;
#endif
    args.weights = esr_constant(layout, op->weights);
    args.bias = esr_constant(layout, op->bias);
    args.scales = esr_constant(layout, op->scales);
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    args.out = fresh_row(engine, out, row);
    args.scratch = scratch(engine);
    args.scratch_bytes = layout->header->scratch_bytes;
    (op->kind == ESR_CONV ? ESR_KERNEL(engine, conv_row) : ESR_KERNEL(engine, depthwise_row))(&args);
}

static void run_prelu(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const esr_scale *scales = esr_constant(layout, op->scales);
    esr_prelu args;

    args.in = row_at(engine, in, row);
    args.out = fresh_row(engine, out, row);
    args.pixels = layout->units * out->unit_pixels;
    args.channels = out->channels;
    args.alpha = op->weights == 0 ? NULL : esr_constant(layout, op->weights);
    args.positive = scales[0];
    args.negative = scales[1];
    args.negate = (int32_t)op->extra;
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    ESR_KERNEL(engine, prelu_row)(&args);
}

static void run_lut(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const int8_t *source = row_at(engine, in, row);

    ESR_KERNEL(engine, lut_row)(source, fresh_row(engine, out, row),
                            esr_constant(layout, op->weights), row_bytes(engine, out));
}

static void run_add(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *out = &layout->buffers[op->out];
    esr_add args;

    args.left = row_at(engine, &layout->buffers[op->in], row);
    args.right = row_at(engine, &layout->buffers[op->other], row);
    args.out = fresh_row(engine, out, row);
    args.count = row_bytes(engine, out);
    args.scales = esr_constant(layout, op->scales);
    args.left_zero_point = op->in_zero_point;
    args.right_zero_point = op->other_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    ESR_KERNEL(engine, add_row)(&args);
}

/* Copy one input of a concatenation to its channels. */
static void run_concat(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    esr_copy args;

    args.in = row_at(engine, in, row);
    args.in_step = in->channels;
    args.out = fresh_row(engine, out, row) + op->extra;
    args.out_step = out->channels;
    args.count = in->channels;
    args.repeats = op->kernel_w;
    args.pixels = layout->units * out->unit_pixels;
    ESR_KERNEL(engine, copy_row)(&args);
}

/* Row y of the output consists of one part of each pixel of input row y / block. */
static void run_depth_to_space(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const uint32_t part = op->extra * out->channels;
    esr_copy args;

    args.in = row_at(engine, in, row / (int32_t)op->extra) + (uint32_t)row % op->extra * part;
    args.in_step = in->channels;
    args.out = fresh_row(engine, out, row);
    args.out_step = part;
    args.count = part;
    args.repeats = 1;
    args.pixels = layout->units * in->unit_pixels;
    ESR_KERNEL(engine, copy_row)(&args);
}

/* Each of the `block` input rows is one part of each pixel of the output row. */
static void run_space_to_depth(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const uint32_t part = op->extra * in->channels;
    int8_t *pixels = fresh_row(engine, out, row);
    esr_copy args;

    args.in_step = part;
    args.out_step = out->channels;
    args.count = part;
    args.repeats = 1;
    args.pixels = layout->units * out->unit_pixels;
    for (uint32_t i = 0; i < op->extra; i++) {
        args.in = row_at(engine, in, row * (int32_t)op->extra + (int32_t)i);
        args.out = pixels + (size_t)i * part;
        ESR_KERNEL(engine, copy_row)(&args);
    }
}

static void run_operator(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    switch (op->kind) {
    case ESR_CONV:
    case ESR_DEPTHWISE:
        run_conv(engine, op, row);
        break;
    case ESR_PRELU:
        run_prelu(engine, op, row);
        break;
    case ESR_LUT:
        run_lut(engine, op, row);
        break;
    case ESR_ADD:
        run_add(engine, op, row);
        break;
    case ESR_CONCAT:
        run_concat(engine, op, row);
        break;
    case ESR_DEPTH_TO_SPACE:
        run_depth_to_space(engine, op, row);
        break;
    default: /* esr_check accepts no other kind */
        run_space_to_depth(engine, op, row);
        break;
    }
}

/* Whether the row lies in the frame. */
static int inside(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    return row >= 0 && (uint32_t)row < engine->units * buffer->unit_pixels;
}

/* Pass a row of the output to the sink. Returns ESR_OK or ESR_STOPPED. */
static esr_status emit(esr_engine *engine, int32_t row)
{
    const esr_plan_buffer *out = &engine->layout.buffers[engine->layout.header->out_buffer];
    int stop;

    if (!inside(engine, out, row)) {
        return ESR_OK;
    }
    engine->state = ESR_BUSY;
    stop = esr_emit(engine, 0, (uint32_t)row, row_at(engine, out, row));
    engine->state = ESR_RUNNING;
    return stop ? ESR_STOPPED : ESR_OK;
}

static esr_status run_entry(esr_engine *engine, const esr_plan_entry *entry)
{
    const esr_layout *layout = &engine->layout;
    const int is_emit = entry->action == ESR_ENTRY_EMIT;
    const esr_plan_operator *op = is_emit ? NULL : &layout->operators[entry->action];
    const esr_plan_buffer *out = &layout->buffers[is_emit ? layout->header->out_buffer : op->out];
    const int32_t row = (int32_t)(engine->step * out->unit_pixels) + entry->row;

    if (is_emit) {
        return emit(engine, row);
    }
    if (inside(engine, out, row)) {
        run_operator(engine, op, row);
    } else if (row >= 0) {
        fill_below(engine, out, row);
    }
    return ESR_OK;
}

/* Run the program up to the next input row. */
static esr_status advance(esr_engine *engine)
{
    const esr_layout *layout = &engine->layout;
    esr_status status = ESR_OK;

    do {
        engine->entry++;
        if (engine->entry == layout->header->entries) {
            engine->entry = 0;
            engine->step++;
        }
        if (layout->entries[engine->entry].action == ESR_ENTRY_INPUT) {
            return ESR_OK;
        }
        status = run_entry(engine, &layout->entries[engine->entry]);
    } while (status == ESR_OK);
    return status;
}

esr_status esr_begin(esr_engine *engine, uint32_t height, esr_sink sink, void *user)
{
    const esr_layout *layout;

    if (engine == NULL || sink == NULL) {
        return ESR_NULL;
    }
    if (engine->state == ESR_BUSY) {
        return ESR_STATE;
    }
    layout = &engine->layout;
    engine->state = ESR_IDLE;
#if ESR_FRAMES
    engine->outputs_sink = NULL;
    if (esr_is_frame(engine)) {
        engine->sink = sink;
        engine->user = user;
        return esr_frame_begin(engine, height);
    }
#endif
    if (height == 0 || height % layout->header->unit_pixels != 0 ||
        height / layout->header->unit_pixels > ESR_MAX_UNITS) {
        return ESR_HEIGHT;
    }
    for (uint32_t i = 0; i < layout->header->buffers; i++) {
        const esr_plan_buffer *buffer = &layout->buffers[i];

        memset(ring(engine, buffer), buffer->zero_point,
               esr_stride(layout, buffer) * buffer->depth);
    }
    engine->units = height / layout->header->unit_pixels;
    engine->next_row = engine->step = engine->entry = 0;
    engine->sink = sink;
    engine->user = user;
    engine->state = ESR_RUNNING;
    return ESR_OK;
}

static esr_status push(esr_engine *engine, uint32_t y, const int8_t *row)
{
    const esr_plan_buffer *in = &engine->layout.buffers[engine->layout.header->in_buffer];

    if (row == NULL) {
        return ESR_NULL;
    }
    if (engine->next_row == engine->units * in->unit_pixels) {
        return ESR_TOO_MANY;
    }
    if (y != engine->next_row) {
        return ESR_ROW_ORDER;
    }
    memcpy(fresh_row(engine, in, (int32_t)y), row, row_bytes(engine, in));
    engine->next_row++;
    return advance(engine);
}

esr_status esr_push_row(esr_engine *engine, uint32_t y, const int8_t *row)
{
    esr_status status;

    if (engine == NULL) {
        return ESR_NULL;
    }
    if (engine->state != ESR_RUNNING) {
        return ESR_STATE;
    }
#if ESR_FRAMES
    status = esr_is_frame(engine) ? esr_frame_push(engine, y, row) : push(engine, y, row);
#else
    status = push(engine, y, row);
#endif
    if (status != ESR_OK) {
        engine->state = ESR_IDLE;
    }
    return status;
}

/* Push rows below the frame until the last output row has been emitted. */
static esr_status drain(esr_engine *engine)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[layout->header->in_buffer];
    esr_status status = ESR_OK;

    while (status == ESR_OK && engine->step < engine->units + layout->latency_steps) {
        fill_below(engine, in, (int32_t)engine->next_row);
        engine->next_row++;
        status = advance(engine);
    }
    return status;
}

esr_status esr_end(esr_engine *engine)
{
    esr_status status;

    if (engine == NULL) {
        return ESR_NULL;
    }
    if (engine->state != ESR_RUNNING) {
        return ESR_STATE;
    }
#if ESR_FRAMES
    if (esr_is_frame(engine)) {
        engine->state = ESR_IDLE;
        return esr_frame_end(engine);
    }
#endif
    if (engine->next_row < engine->units * engine->layout.header->unit_pixels) {
        engine->state = ESR_IDLE;
        return ESR_TOO_FEW;
    }
    status = drain(engine);
    engine->state = ESR_IDLE;
    return status;
}

uint32_t esr_version(void)
{
    return ESR_VERSION_MAJOR * 10000 + ESR_VERSION_MINOR * 100 + ESR_VERSION_PATCH;
}
