/*
 * Runs a model on the frame in frame.bin and writes the result to output.bin, row by row, so that
 * neither frame is in RAM. Counts go to report.bin. edge-sr checks both.
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
    uint32_t rows_out;
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

static esr_status run_frame(esr_engine *engine, int32_t frame, uint32_t height, output *out)
{
    uint32_t y;
    esr_status status = esr_begin(engine, height, write_row, out);
    for (y = 0; status == ESR_OK && y < height; y++) {
        if (port_read(frame, row, sizeof row) != 0) {
            port_exit(EXIT_FILE);
        }
        status = esr_push_row(engine, y, row);
    }
    return status == ESR_OK ? esr_end(engine) : status;
}

static void measure(int32_t frame, uint32_t height, int32_t file, report *figures)
{
    esr_engine *engine;
    esr_info info;
    output out = {file, 0, 0};

    figures->arena_needed =
        (uint32_t)esr_arena_bytes(model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH);
    port_start_ticks();
    figures->status = (uint32_t)esr_open(&engine, model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH,
                                         arena, sizeof arena);
    figures->open_ticks = port_ticks();
    if (figures->status == ESR_OK) {
        (void)esr_describe(engine, &info);
        out.row_bytes = info.out_width * info.out_channels;
        figures->status = (uint32_t)run_frame(engine, frame, height, &out);
        figures->frame_ticks = port_ticks() - figures->open_ticks;
    }
    figures->rows_out = out.rows;
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

int main(void)
{
    report figures = {0};
    header size;
    int32_t frame = open_or_exit("frame.bin", PORT_READ);
    int32_t file = open_or_exit("output.bin", PORT_WRITE);

    if (port_read(frame, &size, sizeof size) != 0) {
        return EXIT_FILE;
    }
    if (size.width != MODEL_WIDTH || size.channels != MODEL_CHANNELS) {
        return EXIT_FRAME;
    }
    measure(frame, size.height, file, &figures);
    port_close(file);
    file = open_or_exit("report.bin", PORT_WRITE);
    if (port_write(file, &figures, sizeof figures) != 0) {
        return EXIT_FILE;
    }
    port_close(file);
    return EXIT_DONE;
}
