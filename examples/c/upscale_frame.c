/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upscale a grey image to twice its size with edge-sr's engine, row by row.
 *
 *     edge-sr firmware export tinypssr-anchor-x2 --target cmake --out upscaler
 *     cc -std=c99 -O2 -Iupscaler/src upscale_frame.c upscaler/src/esr*.c
 *         upscaler/src/tinypssr_anchor_x2_plan.c -o upscale_frame
 *     ./upscale_frame frame.pgm upscaled.pgm
 *
 * The first command writes the network (tinypssr_anchor_x2.h) and the engine (esr.h) as C. On a
 * microcontroller the arena is a static array of TINYPSSR_ANCHOR_X2_PLAN_ARENA_BYTES(width) bytes,
 * rows come from a camera, and write_row sends them to a display.
 */
#include "netpbm.h"
#include "tinypssr_anchor_x2.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct output {
    FILE *file;
    uint32_t width;
} output;

/* Receives each finished row of the output. The network's values are the pixels minus 128. */
static int write_row(void *user, uint32_t y, const int8_t *row)
{
    const output *to = user;

    (void)y;
    for (uint32_t x = 0; x < to->width; x++) {
        if (putc(row[x] + 128, to->file) == EOF) {
            return 1;
        }
    }
    return 0;
}

/* Upscale all rows. `row` has room for `width` values. */
static esr_status upscale(esr_engine *engine, const uint8_t *pixels, uint32_t width,
                          uint32_t height, int8_t *row, output *to)
{
    esr_status status = esr_begin(engine, height, write_row, to);

    for (uint32_t y = 0; status == ESR_OK && y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            row[x] = (int8_t)(pixels[(size_t)y * width + x] - 128);
        }
        status = esr_push_row(engine, y, row);
    }
    return status == ESR_OK ? esr_end(engine) : status;
}

int main(int count, char **arguments)
{
    uint32_t width = 0, height = 0;
    uint8_t *pixels;
    void *arena;
    int8_t *row;
    size_t arena_bytes;
    output to;
    esr_engine *engine;
    esr_status status;

    if (count != 3) {
        fprintf(stderr, "usage: upscale_frame FRAME.pgm UPSCALED.pgm (binary PGM, 8 bits)\n");
        return 2;
    }
    pixels = read_netpbm(arguments[1], '5', &width, &height);
    if (pixels == NULL) {
        return 1; /* read_netpbm has said why */
    }
    arena_bytes = esr_arena_bytes(tinypssr_anchor_x2_plan, TINYPSSR_ANCHOR_X2_PLAN_BYTES, width);
    arena = malloc(arena_bytes);
    row = malloc(width);
    to.width = 2 * width;
    to.file = fopen(arguments[2], "wb");
    if (arena == NULL || row == NULL || to.file == NULL) {
        perror(arguments[2]);
        return 1;
    }
    fprintf(to.file, "P5\n%lu %lu\n255\n", 2 * (unsigned long)width, 2 * (unsigned long)height);
    status = esr_open(&engine, tinypssr_anchor_x2_plan, TINYPSSR_ANCHOR_X2_PLAN_BYTES, width,
                      arena, arena_bytes);
    if (status == ESR_OK) {
        status = upscale(engine, pixels, width, height, row, &to);
    }
    if (fclose(to.file) != 0 || status != ESR_OK) {
        fprintf(stderr, "cannot upscale %s: %s\n", arguments[1], esr_status_text(status));
        return 1;
    }
    printf("%s: %lux%lu, arena %lu bytes\n", arguments[2], 2 * (unsigned long)width,
           2 * (unsigned long)height, (unsigned long)arena_bytes);
    free(row), free(arena), free(pixels);
    return 0;
}
