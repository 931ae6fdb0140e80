/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compress an RGB image to a .tcz file with edge-sr's engine, row by row.
 *
 *     python write_encoder.py encoder
 *     cc -std=c99 -O2 -Iencoder/src compress_frame.c encoder/src/esr*.c
 *         encoder/src/encoder_plan.c -o compress_frame
 *     ./compress_frame frame.ppm frame.tcz
 *     edge-sr decompress frame.tcz frame.png
 *
 * The first command writes the encoder network (encoder.h) and the engine (esr_tcz.h) as C. On a
 * microcontroller the memory is static arrays, rows come from a camera, and write_bytes sends the
 * file by radio: neither the image nor the file is ever in RAM as a whole.
 */
#include "encoder.h"
#include "netpbm.h"

#include <stdio.h>
#include <stdlib.h>

/* Receives the bytes of the file, some at a time. */
static int write_bytes(void *user, const uint8_t *bytes, size_t count)
{
    FILE *file = user;

    return fwrite(bytes, 1, count, file) != count;
}

/* Run the encoder on all rows; `tcz` keeps the result. */
static esr_tcz_status encode(esr_tcz *tcz, esr_engine *engine, const esr_tcz_image *image,
                             const esr_tcz_memory *memory, const uint8_t *pixels)
{
    esr_tcz_status status = esr_tcz_begin(tcz, engine, image, memory);

    for (uint32_t y = 0; status == ESR_TCZ_OK && y < image->height; y++) {
        status = esr_tcz_push_row(tcz, y, pixels + (size_t)y * image->width * ESR_TCZ_COLOURS);
    }
    return status == ESR_TCZ_OK ? esr_tcz_end(tcz) : status;
}

int main(int count, char **arguments)
{
    static esr_tcz tcz;
    esr_tcz_image image = {&encoder_network, 0, 0};
    uint8_t *pixels;
    void *arena;
    size_t arena_bytes;
    uint32_t width;
    esr_tcz_memory memory;
    esr_engine *engine;
    esr_tcz_status status;
    FILE *file;

    if (count != 3) {
        fprintf(stderr, "usage: compress_frame FRAME.ppm FRAME.tcz (binary PPM, 8 bits)\n");
        return 2;
    }
    pixels = read_netpbm(arguments[1], '6', &image.width, &image.height);
    if (pixels == NULL) {
        return 1; /* read_netpbm has said why */
    }
    width = ESR_TCZ_UP(image.width, ENCODER_STEP);
    arena_bytes = esr_arena_bytes(encoder_plan, ENCODER_PLAN_BYTES, width);
    arena = malloc(arena_bytes);
    memory.latent_bytes =
        ESR_TCZ_LATENT_BYTES((size_t)image.width, image.height, ENCODER_STEP, ENCODER_CHANNELS);
    memory.latents = malloc(memory.latent_bytes);
    memory.row_bytes = ESR_TCZ_ROW_BYTES(image.width, ENCODER_STEP);
    memory.row = malloc(memory.row_bytes);
    file = fopen(arguments[2], "wb");
    if (arena == NULL || memory.latents == NULL || memory.row == NULL || file == NULL) {
        perror(arguments[2]);
        return 1;
    }
    if (esr_open(&engine, encoder_plan, ENCODER_PLAN_BYTES, width, arena, arena_bytes) != ESR_OK) {
        fprintf(stderr, "the engine cannot run the encoder at width %lu\n", (unsigned long)width);
        return 1;
    }
    status = encode(&tcz, engine, &image, &memory, pixels);
    if (status == ESR_TCZ_OK) {
        status = esr_tcz_write(&tcz, ESR_CODER_PLANES, write_bytes, file);
    }
    if (fclose(file) != 0 || status != ESR_TCZ_OK) {
        fprintf(stderr, "cannot compress %s: status %d\n", arguments[1], (int)status);
        return 1;
    }
    printf("%s: arena %lu bytes, latents %lu bytes\n", arguments[2], (unsigned long)arena_bytes,
           (unsigned long)memory.latent_bytes);
    free(memory.row), free(memory.latents), free(arena), free(pixels);
    return 0;
}
