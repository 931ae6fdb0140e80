/*
 * Runs a model on the frame in frame.bin and writes the result to output00.bin, row by row, so that
 * neither frame is in RAM; further outputs go to output01.bin and so on. Counts go to report.bin.
 * edge-sr checks all of them.
 *
 * frame.bin: width, height, channels as little-endian uint32, then the rows, int8 NHWC.
 * report.bin: a `report`, little-endian.
 */
#include <stdint.h>

#include "esr.h"
#include "model.h"
#include "port.h"

/* Exit codes, besides PORT_EXIT_FAULT. */
enum {
    EXIT_DONE = 0,   /* the report has the engine's status */
    EXIT_FILE = 1,   /* a file cannot be opened, read or written */
    EXIT_FRAME = 2   /* the frame does not fit the model */
};

typedef struct report {
    uint32_t status;       /* esr_status */
    uint32_t arena_needed; /* bytes, from esr_arena_bytes */
    uint32_t stack_used;   /* peak in bytes, with reset and main */
    uint32_t rows_out;     /* of all outputs */
    uint64_t open_ticks;   /* of esr_open */
    uint64_t frame_ticks;  /* from esr_begin to esr_end, with reading and writing of rows */
} report;

typedef struct output {
    int32_t file;
    uint32_t row_bytes;
    uint32_t rows;
} output;

typedef struct header {
    uint32_t width, height, channels;
} header;

#define ARENA __attribute__((section(".arena"), aligned(ESR_ARENA_ALIGNMENT)))
#define FRAME __attribute__((section(".frame"), aligned(4)))

static uint8_t ARENA arena[MODEL_ARENA_BYTES];

/* One row from the application's frame buffer, which is a file here. */
static int8_t FRAME row[MODEL_WIDTH * MODEL_CHANNELS];

static int write_row(void *user, uint32_t y, const int8_t *values)
{
    output *out = user;
    if (y != out->rows) {
        return 1;
    }
    out->rows++;
    return port_write(out->file, values, out->row_bytes);
}

/* Pass the rows of all outputs to their files; `user` is the array of outputs. */
#if MODEL_OUTPUTS > 1
static int write_any_row(void *user, uint32_t number, uint32_t y, const int8_t *values)
{
    return write_row((output *)user + number, y, values);
}

static esr_status describe(const esr_engine *engine, uint32_t number, esr_info *info)
{
    return esr_describe_output(engine, number, info);
}

static esr_status begin(esr_engine *engine, uint32_t height, output *outs)
{
    return esr_begin_outputs(engine, height, write_any_row, outs);
}
#else
static esr_status describe(const esr_engine *engine, uint32_t number, esr_info *info)
{
    (void)number;
    return esr_describe(engine, info);
}

static esr_status begin(esr_engine *engine, uint32_t height, output *outs)
{
    return esr_begin(engine, height, write_row, outs);
}
#endif

static esr_status run_frame(esr_engine *engine, int32_t frame, uint32_t height, output *outs)
{
    uint32_t y;
    esr_status status = begin(engine, height, outs);
    for (y = 0; status == ESR_OK && y < height; y++) {
        if (port_read(frame, row, sizeof row) != 0) {
            port_exit(EXIT_FILE);
        }
        status = esr_push_row(engine, y, row);
    }
    return status == ESR_OK ? esr_end(engine) : status;
}

static void measure(int32_t frame, uint32_t height, output *outs, report *figures)
{
    esr_engine *engine;
    esr_info info;
    uint32_t i;

    figures->arena_needed =
        (uint32_t)esr_arena_bytes(model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH);
    port_start_ticks();
    figures->status = (uint32_t)esr_open(&engine, model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH,
                                         arena, sizeof arena);
    figures->open_ticks = port_ticks();
    if (figures->status == ESR_OK) {
        for (i = 0; i < MODEL_OUTPUTS; i++) {
            (void)describe(engine, i, &info);
            outs[i].row_bytes = info.out_width * info.out_channels;
        }
        figures->status = (uint32_t)run_frame(engine, frame, height, outs);
        figures->frame_ticks = port_ticks() - figures->open_ticks;
    }
    for (i = 0; i < MODEL_OUTPUTS; i++) {
        figures->rows_out += outs[i].rows;
    }
    figures->stack_used = port_stack_used();
}

static int32_t open_or_exit(const char *name, port_mode mode)
{
    int32_t file = port_open(name, mode);
    if (file < 0) {
        port_exit(EXIT_FILE);
    }
    return file;
}

/* Not inlined: main's stack counts. */
__attribute__((noinline)) static void open_outputs(output *outs)
{
    char name[] = "output00.bin";
    uint32_t i;

    for (i = 0; i < MODEL_OUTPUTS; i++) {
        name[6] = (char)('0' + i / 10);
        name[7] = (char)('0' + i % 10);
        outs[i].file = open_or_exit(name, PORT_WRITE);
    }
}

int main(void)
{
    output outs[MODEL_OUTPUTS] = {{0, 0, 0}};
    report figures = {0};
    header size;
    uint32_t i;
    int32_t file, frame = open_or_exit("frame.bin", PORT_READ);

    if (port_read(frame, &size, sizeof size) != 0) {
        return EXIT_FILE;
    }
    if (size.width != MODEL_WIDTH || size.channels != MODEL_CHANNELS) {
        return EXIT_FRAME;
    }
    open_outputs(outs);
    measure(frame, size.height, outs, &figures);
    for (i = 0; i < MODEL_OUTPUTS; i++) {
        port_close(outs[i].file);
    }
    file = open_or_exit("report.bin", PORT_WRITE);
    if (port_write(file, &figures, sizeof figures) != 0) {
        return EXIT_FILE;
    }
    port_close(file);
    return EXIT_DONE;
}
