/*
 * Compresses the frame in frame.bin into output.tcz, a file of version 2. The program reads one row
 * at a time; the parts of the file leave as soon as they are complete. Counts go to report.bin.
 * edge-sr checks both.
 *
 * frame.bin: width, height, channels as little-endian uint32, then the rows, uint8 RGB.
 * report.bin: a `report`, little-endian.
 */
#include <stdint.h>

#include "camera.h"
#include "esr_tcz2.h"
#include "model.h"
#include "port.h"

/* Exit codes, besides PORT_EXIT_FAULT. */
enum {
    EXIT_DONE = 0,  /* the report has the status */
    EXIT_FILE = 1,  /* a file cannot be opened, read or written */
    EXIT_FRAME = 2, /* the frame does not fit the model */
    EXIT_MODEL = 3  /* the engine rejects the model */
};

typedef struct report {
    uint32_t status;       /* esr_tcz2_status */
    uint32_t arena_needed; /* bytes, from esr_arena_bytes */
    uint32_t coder_needed; /* bytes, from esr_symbols_bytes */
    uint32_t state_bytes;  /* size of esr_tcz2 */
    uint32_t stack_used;   /* peak in bytes, with reset and main */
    uint32_t largest_put;  /* bytes of the largest part, or of the header */
    uint64_t open_ticks;   /* of esr_open */
    uint64_t frame_ticks;  /* from esr_tcz2_begin to esr_tcz2_end, with reading and writing */
} report;

typedef struct header {
    uint32_t width, height, channels;
} header;

typedef struct output {
    int32_t file;
    uint32_t largest; /* bytes of a call */
} output;

#define ARENA __attribute__((section(".arena"), aligned(ESR_ARENA_ALIGNMENT)))
#define CODEC __attribute__((section(".codec"), aligned(8)))
#define FRAME __attribute__((section(".frame"), aligned(4)))

static uint8_t ARENA arena[MODEL_ARENA_BYTES];
static uint8_t CODEC coder[CAMERA_CODER_BYTES];
static uint8_t CODEC part[CAMERA_PART_BYTES];
static int8_t CODEC extended[CAMERA_ROW_BYTES];
static esr_tcz2 CODEC tcz;

/* One row from the camera, which is a file here. */
static uint8_t FRAME row[CAMERA_WIDTH * MODEL_CHANNELS];

static int put_bytes(void *user, const uint8_t *bytes, size_t count)
{
    output *out = user;

    if (count > out->largest) {
        out->largest = (uint32_t)count;
    }
    return port_write(out->file, bytes, count);
}

static esr_tcz2_status compress(esr_engine *engine, int32_t frame, output *out)
{
    const esr_tcz2_image image = {&camera_codec, CAMERA_WIDTH, CAMERA_HEIGHT,
                                  CAMERA_ROWS_PER_PART};
    const esr_tcz2_memory memory = {extended, sizeof extended, coder, sizeof coder,
                                    part,     sizeof part};
    uint32_t y;
    esr_tcz2_status status = esr_tcz2_begin(&tcz, engine, &image, &memory, put_bytes, out);

    for (y = 0; status == ESR_TCZ2_OK && y < CAMERA_HEIGHT; y++) {
        if (port_read(frame, row, sizeof row) != 0) {
            port_exit(EXIT_FILE);
        }
        status = esr_tcz2_push_row(&tcz, y, row);
    }
    return status == ESR_TCZ2_OK ? esr_tcz2_end(&tcz) : status;
}

static void measure(int32_t frame, int32_t file, report *figures)
{
    esr_engine *engine;
    output out = {file, 0};

    figures->arena_needed = (uint32_t)esr_arena_bytes(model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH);
    figures->coder_needed =
        (uint32_t)esr_symbols_bytes(camera_context, CAMERA_CONTEXT_BYTES, MODEL_WIDTH / ESR_TCZ2_STEP);
    figures->state_bytes = (uint32_t)sizeof tcz;
    port_start_ticks();
    if (esr_open(&engine, model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH, arena, sizeof arena) !=
        ESR_OK) {
        port_exit(EXIT_MODEL);
    }
    figures->open_ticks = port_ticks();
    figures->status = (uint32_t)compress(engine, frame, &out);
    figures->frame_ticks = port_ticks() - figures->open_ticks;
    figures->largest_put = out.largest;
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
    int32_t file = open_or_exit("output.tcz", PORT_WRITE);

    if (port_read(frame, &size, sizeof size) != 0) {
        return EXIT_FILE;
    }
    if (size.width != CAMERA_WIDTH || size.height != CAMERA_HEIGHT ||
        size.channels != MODEL_CHANNELS) {
        return EXIT_FRAME;
    }
    measure(frame, file, &figures);
    port_close(file);
    file = open_or_exit("report.bin", PORT_WRITE);
    if (port_write(file, &figures, sizeof figures) != 0) {
        return EXIT_FILE;
    }
    port_close(file);
    return EXIT_DONE;
}
