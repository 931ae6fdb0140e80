/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the simplest image files: PGM (grey, "P5") and PPM (RGB, "P6"), 8 bits per value. */
#ifndef NETPBM_H
#define NETPBM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Return the pixels, row after row, 1 (P5) or 3 (P6) bytes each, to be freed; NULL: unreadable. */
static uint8_t *read_netpbm(const char *path, char kind, uint32_t *width, uint32_t *height)
{
    FILE *file = fopen(path, "rb");
    unsigned columns = 0, rows = 0;
    char found = 0;
    uint8_t *pixels = NULL;

    if (file == NULL) {
        return NULL;
    }
    if (fscanf(file, "P%c %u %u 255", &found, &columns, &rows) == 3 && found == kind &&
        fgetc(file) != EOF && columns - 1 < 65535 && rows - 1 < 65535) {
        const size_t bytes = (size_t)columns * rows * (kind == '6' ? 3 : 1);

        pixels = malloc(bytes);
        if (pixels != NULL && fread(pixels, 1, bytes, file) != bytes) {
            free(pixels);
            pixels = NULL;
        }
    }
    fclose(file);
    *width = columns;
    *height = rows;
    return pixels;
}

#endif
