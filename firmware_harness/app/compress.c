/*
 * Compresses the frame in frame.bin into output.tcz. The program reads one row at a time, keeps the
 * latents in RAM and writes the file while it is coded. Counts go to report.bin. edge-sr checks both.
 *
 * frame.bin: width, height, channels as little-endian uint32, then the rows, uint8 RGB.
 * report.bin: a `report`, little-endian.
 */
#include <stdint.h>

#include "camera.h"
#include "esr_tcz.h"
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
    uint32_t status;       /* esr_tcz_status */
    uint32_t arena_needed; /* bytes, from esr_arena_bytes */
    uint32_t state_bytes;  /* size of esr_tcz, with the coder */
    uint32_t stack_used;   /* peak in bytes, with reset and main */
    uint64_t open_ticks;   /* of esr_open */
    uint64_t latent_ticks; /* from esr_tcz_begin to esr_tcz_end, with reading of rows */
    uint64_t write_ticks;  /* of esr_tcz_write, with writing to the host */
} report;

typedef struct header {
    uint32_t width, height, channels;
} header;

#define ARENA __attribute__((section(".arena"), aligned(ESR_ARENA_ALIGNMENT)))
#define LATENTS __attribute__((section(".latents")))
#define CODEC __attribute__((section(".codec"), aligned(8)))
#define FRAME __attribute__((section(".frame"), aligned(4)))

static uint8_t ARENA arena[MODEL_ARENA_BYTES];
static uint8_t LATENTS latents[CAMERA_LATENT_BYTES];
static int8_t CODEC extended[CAMERA_ROW_BYTES];
static esr_tcz CODEC tcz;

/* One row from the camera, which is a file here. */
static uint8_t FRAME row[CAMERA_WIDTH * MODEL_CHANNELS];

static int put_bytes(void *user, const uint8_t *bytes, size_t count)
{
    const int32_t *file = user;
    return port_write(*file, bytes, count);
}

static esr_tcz_status take_frame(esr_engine *engine, int32_t frame, uint32_t height)
{
    const esr_tcz_image image = {&camera_network, CAMERA_WIDTH, height};
    const esr_tcz_memory memory = {latents, sizeof latents, extended, sizeof extended};
    uint32_t y;
    esr_tcz_status status = esr_tcz_begin(&tcz, engine, &image, &memory);
    for (y = 0; status == ESR_TCZ_OK && y < height; y++) {
        if (port_read(frame, row, sizeof row) != 0) {
            port_exit(EXIT_FILE);
        }
        status = esr_tcz_push_row(&tcz, y, row);
    }
    return status == ESR_TCZ_OK ? esr_tcz_end(&tcz) : status;
}

static void measure(int32_t frame, uint32_t height, int32_t file, report *figures)
{
    esr_engine *engine;
    esr_tcz_status status;

    figures->arena_needed =
        (uint32_t)esr_arena_bytes(model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH);
    figures->state_bytes = (uint32_t)sizeof tcz;
    port_start_ticks();
    if (esr_open(&engine, model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH, arena, sizeof arena) !=
        ESR_OK) {
        port_exit(EXIT_MODEL);
    }
    figures->open_ticks = port_ticks();
    status = take_frame(engine, frame, height);
    figures->latent_ticks = port_ticks() - figures->open_ticks;
    if (status == ESR_TCZ_OK) {
        status = esr_tcz_write(&tcz, CAMERA_PLANES, put_bytes, &file);
        figures->write_ticks = port_ticks() - figures->open_ticks - figures->latent_ticks;
    }
    figures->status = (uint32_t)status;
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
    if (size.width != CAMERA_WIDTH || size.height > CAMERA_HEIGHT ||
        size.channels != MODEL_CHANNELS) {
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
