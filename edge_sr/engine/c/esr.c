/* Runs a plan row by row; esr_check.c has made sure that no row leaves its buffer. */
#include "esr_check.h"
#include "esr_kernels.h"
#include "esr_x86.h"

#include <string.h>

/* What computes one row, by the name of the portable kernel without esr_. */
#if ESR_X86
#define KERNEL(engine, name) ((engine)->kernels->name)
#else
#define KERNEL(engine, name) esr_##name
#endif

enum state {
    IDLE,    /* esr_begin is due */
    RUNNING, /* rows are due */
    BUSY     /* the sink is running */
};

struct esr_engine {
    esr_layout layout;
    uint8_t *memory;     /* where buffers start */
    uint32_t units;      /* of the frame's height */
    uint32_t next_row;   /* of the input */
    uint32_t step;
    uint32_t entry;      /* of the program; between calls an ESR_ENTRY_INPUT */
    enum state state;
    esr_sink sink;
    void *user;
#if ESR_X86
    const esr_x86_kernels *kernels;
#endif
};

/* Fails to compile where an engine would not fit in the head of its arena. */
typedef char engine_fits_its_head[sizeof(esr_engine) <= ESR_HEAD_BYTES ? 1 : -1];

const char *esr_status_text(esr_status status)
{
    static const char *const texts[] = {
        "all is well",
        "a pointer is null",
        "the arena must be aligned to 8 bytes and the plan to 4",
        "the plan is damaged or was made for another version of the engine",
        "the network cannot run at this width",
        "the arena is smaller than esr_arena_bytes asks for",
        "the network cannot run at this height",
        "the engine is not waiting for this call; esr_begin starts a frame",
        "rows must come from the top, none left out and none twice",
        "there are more rows than esr_begin was told",
        "there are fewer rows than esr_begin was told",
        "the sink asked to stop",
    };
    const size_t index = (size_t)status;

    return index < sizeof texts / sizeof texts[0] ? texts[index] : "this is no status of the engine";
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
    (*engine)->state = IDLE;
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
    header = engine->layout.header;
    in = &engine->layout.buffers[header->in_buffer];
    out = &engine->layout.buffers[header->out_buffer];
    info->in_width = engine->layout.units * in->rate;
    info->in_channels = in->channels;
    info->out_width = engine->layout.units * out->rate;
    info->out_channels = out->channels;
    info->rows_num = out->rate;
    info->rows_den = in->rate;
    info->column_step = in->rate;
    info->halo = header->halo;
    info->latency = header->latency;
    return ESR_OK;
}

static size_t row_bytes(const esr_engine *engine, const esr_plan_buffer *buffer)
{
    return (size_t)engine->layout.units * buffer->rate * buffer->channels;
}

/* Where the buffer starts. */
static uint8_t *ring(const esr_engine *engine, const esr_plan_buffer *buffer)
{
    return engine->memory + esr_buffer_offset(&engine->layout, buffer);
}

/* Behind all buffers. */
static void *scratch(const esr_engine *engine)
{
    const esr_plan_header *header = engine->layout.header;

    return engine->memory + (size_t)engine->layout.wide_units * header->unit_bytes +
           header->fixed_bytes;
}

/* The first pixel of a row, which may be one above or below the frame. */
static int8_t *row_at(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    const uint32_t slot = (uint32_t)row % buffer->depth;

    return (int8_t *)ring(engine, buffer) + esr_stride(&engine->layout, buffer) * slot +
           esr_margin_bytes(buffer);
}

/* The same for a row that is about to be written: its margins are renewed, because buffers that
 * are not needed at the same time share memory. */
static int8_t *fresh_row(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    int8_t *pixels = row_at(engine, buffer, row);
    const size_t margin = (size_t)buffer->margin * buffer->channels;

    if (margin > 0) {
        memset(pixels - margin, buffer->zero_point, margin);
        memset(pixels + row_bytes(engine, buffer), buffer->zero_point, margin);
    }
    return pixels;
}

/* A row below the frame is as if it held zeros, where a kernel reads it at all. */
static void fill_below(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    if ((uint32_t)row - engine->units * buffer->rate < buffer->below) {
        memset(fresh_row(engine, buffer, row), buffer->zero_point, row_bytes(engine, buffer));
    }
}

static void run_conv(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const uint32_t above = (op->kernel_h - 1) / 2, left = (op->kernel_w - 1) / 2;
    esr_conv args;

    args.in.ring = (const int8_t *)ring(engine, in) + esr_margin_bytes(in) -
                   (size_t)left * in->channels;
    args.in.row_bytes = esr_stride(layout, in);
    args.in.first = ((uint32_t)row + in->depth - above) % in->depth;
    args.in.depth = in->depth;
    args.pixels = layout->units * out->rate;
    args.kernel_h = op->kernel_h;
    args.kernel_w = op->kernel_w;
    args.in_channels = in->channels;
    args.out_channels = out->channels;
    args.groups = op->groups;
    args.weights = esr_constant(layout, op->weights);
    args.bias = esr_constant(layout, op->bias);
    args.scales = esr_constant(layout, op->scales);
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    args.out = fresh_row(engine, out, row);
    args.scratch = scratch(engine);
    args.scratch_bytes = layout->header->scratch_bytes;
    (op->kind == ESR_CONV ? KERNEL(engine, conv_row) : KERNEL(engine, depthwise_row))(&args);
}

static void run_slopes(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const esr_scale *scales = esr_constant(layout, op->scales);
    esr_slopes args;

    args.in = row_at(engine, in, row);
    args.out = fresh_row(engine, out, row);
    args.pixels = layout->units * out->rate;
    args.channels = out->channels;
    args.alpha = op->weights == 0 ? NULL : esr_constant(layout, op->weights);
    args.positive = scales[0];
    args.negative = scales[1];
    args.negate = (int32_t)op->extra;
    args.in_zero_point = op->in_zero_point;
    args.out_zero_point = op->out_zero_point;
    args.low = op->low;
    args.high = op->high;
    KERNEL(engine, slopes_row)(&args);
}

static void run_table(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[op->in], *out = &layout->buffers[op->out];
    const int8_t *source = row_at(engine, in, row);

    KERNEL(engine, table_row)(source, fresh_row(engine, out, row),
                              esr_constant(layout, op->weights), row_bytes(engine, out));
}

static void run_sum(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *out = &layout->buffers[op->out];
    esr_sum args;

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
    KERNEL(engine, sum_row)(&args);
}

/* One part of a concatenation of channels. */
static void run_join(const esr_engine *engine, const esr_plan_operator *op, int32_t row)
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
    args.pixels = layout->units * out->rate;
    KERNEL(engine, copy_row)(&args);
}

/* Row y of the output takes one part of each pixel of row y / block. */
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
    args.pixels = layout->units * in->rate;
    KERNEL(engine, copy_row)(&args);
}

/* Each of `block` rows of the input is one part of each pixel of the output. */
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
    args.pixels = layout->units * out->rate;
    for (uint32_t i = 0; i < op->extra; i++) {
        args.in = row_at(engine, in, row * (int32_t)op->extra + (int32_t)i);
        args.out = pixels + (size_t)i * part;
        KERNEL(engine, copy_row)(&args);
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
        run_slopes(engine, op, row);
        break;
    case ESR_LUT:
        run_table(engine, op, row);
        break;
    case ESR_ADD:
        run_sum(engine, op, row);
        break;
    case ESR_CONCAT:
        run_join(engine, op, row);
        break;
    case ESR_DEPTH_TO_SPACE:
        run_depth_to_space(engine, op, row);
        break;
    default: /* esr_check lets no other kind through */
        run_space_to_depth(engine, op, row);
        break;
    }
}

static int inside(const esr_engine *engine, const esr_plan_buffer *buffer, int32_t row)
{
    return row >= 0 && (uint32_t)row < engine->units * buffer->rate;
}

/* ESR_OK, or ESR_STOPPED. */
static esr_status emit(esr_engine *engine, int32_t row)
{
    const esr_plan_buffer *out = &engine->layout.buffers[engine->layout.header->out_buffer];
    int stop;

    if (!inside(engine, out, row)) {
        return ESR_OK;
    }
    engine->state = BUSY;
    stop = engine->sink(engine->user, (uint32_t)row, row_at(engine, out, row));
    engine->state = RUNNING;
    return stop ? ESR_STOPPED : ESR_OK;
}

static esr_status run_entry(esr_engine *engine, const esr_plan_entry *entry)
{
    const esr_layout *layout = &engine->layout;
    const int is_emit = entry->what == ESR_ENTRY_EMIT;
    const esr_plan_operator *op = is_emit ? NULL : &layout->operators[entry->what];
    const esr_plan_buffer *out = &layout->buffers[is_emit ? layout->header->out_buffer : op->out];
    const int32_t row = (int32_t)(engine->step * out->rate) + entry->row;

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

/* Go through the program up to the next input row. */
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
        if (layout->entries[engine->entry].what == ESR_ENTRY_INPUT) {
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
    if (engine->state == BUSY) {
        return ESR_STATE;
    }
    layout = &engine->layout;
    engine->state = IDLE;
    if (height == 0 || height % layout->header->rate != 0 ||
        height / layout->header->rate > ESR_MAX_UNITS) {
        return ESR_HEIGHT;
    }
    for (uint32_t i = 0; i < layout->header->buffers; i++) {
        const esr_plan_buffer *buffer = &layout->buffers[i];

        memset(ring(engine, buffer), buffer->zero_point, esr_stride(layout, buffer) * buffer->depth);
    }
    engine->units = height / layout->header->rate;
    engine->next_row = engine->step = engine->entry = 0;
    engine->sink = sink;
    engine->user = user;
    engine->state = RUNNING;
    return ESR_OK;
}

static esr_status push(esr_engine *engine, uint32_t y, const int8_t *row)
{
    const esr_plan_buffer *in = &engine->layout.buffers[engine->layout.header->in_buffer];

    if (row == NULL) {
        return ESR_NULL;
    }
    if (engine->next_row == engine->units * in->rate) {
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
    if (engine->state != RUNNING) {
        return ESR_STATE;
    }
    status = push(engine, y, row);
    if (status != ESR_OK) {
        engine->state = IDLE;
    }
    return status;
}

/* Rows below the frame go in until the last output row has come out. */
static esr_status drain(esr_engine *engine)
{
    const esr_layout *layout = &engine->layout;
    const esr_plan_buffer *in = &layout->buffers[layout->header->in_buffer];
    esr_status status = ESR_OK;

    while (status == ESR_OK && engine->step < engine->units + layout->steps_late) {
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
    if (engine->state != RUNNING) {
        return ESR_STATE;
    }
    if (engine->next_row < engine->units * engine->layout.header->rate) {
        engine->state = IDLE;
        return ESR_TOO_FEW;
    }
    status = drain(engine);
    engine->state = IDLE;
    return status;
}
