/*
 * libFuzzer target: runs hostile plans. scripts/fuzz_engine.sh builds and runs it.
 *
 * The first two bytes select width and height, the rest is the plan. Plan and arena have their
 * exact sizes on the heap, so that AddressSanitizer detects an access to the first byte outside.
 */
#include "esr.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ARENA 2000000u

static uint64_t sum; /* so that compilers do not remove the reads of rows */

static int take(void *user, uint32_t y, const int8_t *row)
{
    const esr_info *info = user;

    for (uint32_t i = 0; i < info->out_width * info->out_channels; i++) {
        sum += (uint8_t)row[i];
    }
    return y == 40;
}

static int take_any(void *user, uint32_t output, uint32_t y, const int8_t *row)
{
    esr_info info;

    if (esr_describe_output(user, output, &info) != ESR_OK) {
        abort();
    }
    return take(&info, y, row);
}

/* Every second height with the rows of all outputs. */
static esr_status begin(esr_engine *engine, uint32_t height, esr_info *info)
{
    return height % 2 ? esr_begin_outputs(engine, height, take_any, engine)
                      : esr_begin(engine, height, take, info);
}

static void run_frame(esr_engine *engine, uint32_t height)
{
    esr_info info;
    esr_status status;
    int8_t *row;

    if (esr_describe(engine, &info) != ESR_OK) {
        abort();
    }
    row = calloc(info.in_width, info.in_channels);
    if (row == NULL) {
        abort();
    }
    height *= info.rows_den;
    status = begin(engine, height, &info);
    if (status == ESR_HEIGHT) { /* a frame plan runs at one height */
        height = info.rows_den;
        status = begin(engine, height, &info);
    }
    for (uint32_t y = 0; status == ESR_OK && y < height; y++) {
        memset(row, (int)(y * 37), (size_t)info.in_width * info.in_channels);
        status = esr_push_row(engine, y, row);
    }
    if (status == ESR_OK) {
        status = esr_end(engine);
    }
    if (status != ESR_OK && status != ESR_STOPPED) {
        abort(); /* a plan that was opened must run */
    }
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    esr_engine *engine;
    void *plan, *arena;
    uint32_t width, height;
    size_t bytes;

    if (size < 2) {
        return 0;
    }
    width = data[0] % 40 + 1, height = data[1] % 8 + 1;
    plan = malloc(size - 2 > 0 ? size - 2 : 1);
    if (plan == NULL) {
        return 0;
    }
    memcpy(plan, data + 2, size - 2);
    bytes = esr_arena_bytes(plan, size - 2, width);
    if (bytes > 0 && bytes <= MAX_ARENA && (arena = malloc(bytes)) != NULL) {
        if (esr_open(&engine, plan, size - 2, width, arena, bytes) != ESR_OK) {
            abort(); /* esr_arena_bytes has accepted the plan */
        }
        run_frame(engine, height);
        free(arena);
    }
    free(plan);
    return 0;
}
