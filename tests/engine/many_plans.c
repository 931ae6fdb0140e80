/*
 * Runs many plans, one after the other, on an emulated board. jobs.bin holds for each plan, in
 * 32-bit little-endian words: plan bytes, width, height, bytes of an input row; then the plan and
 * the frame. The sink writes all outputs to output.bin.
 */
#include "esr.h"
#include "port.h"

#define PLAN_BYTES (192 * 1024)
#define ARENA_BYTES (128 * 1024)
#define ROW_BYTES (16 * 1024)

struct job {
    uint32_t plan_bytes, width, height, row_bytes;
};

struct output {
    int32_t file;
    uint32_t row_bytes;
};

static uint8_t plan[PLAN_BYTES] __attribute__((aligned(ESR_PLAN_ALIGNMENT)));
static uint8_t arena[ARENA_BYTES] __attribute__((aligned(ESR_ARENA_ALIGNMENT)));
static int8_t row[ROW_BYTES];

static int write_row(void *user, uint32_t y, const int8_t *values)
{
    const struct output *output = user;

    (void)y;
    return port_write(output->file, values, output->row_bytes);
}

static int run(const struct job *job, int32_t jobs, int32_t file)
{
    struct output output = {file, 0};
    esr_engine *engine;
    esr_info info;

    if (job->plan_bytes > PLAN_BYTES || job->row_bytes > ROW_BYTES ||
        port_read(jobs, plan, job->plan_bytes) != 0 ||
        esr_open(&engine, plan, job->plan_bytes, job->width, arena, ARENA_BYTES) != ESR_OK ||
        esr_describe(engine, &info) != ESR_OK) {
        return 1;
    }
    output.row_bytes = info.out_width * info.out_channels;
    if (esr_begin(engine, job->height, write_row, &output) != ESR_OK) {
        return 1;
    }
    for (uint32_t y = 0; y < job->height; y++) {
        if (port_read(jobs, row, job->row_bytes) != 0 ||
            esr_push_row(engine, y, row) != ESR_OK) {
            return 1;
        }
    }
    return esr_end(engine) != ESR_OK;
}

int main(void)
{
    const int32_t jobs = port_open("jobs.bin", PORT_READ);
    const int32_t file = port_open("output.bin", PORT_WRITE);
    struct job job;

    while (port_read(jobs, &job, sizeof job) == 0) {
        if (run(&job, jobs, file) != 0) {
            return 1;
        }
    }
    port_close(file);
    return 0;
}
