/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the simplest image files: PGM (grey, "P5") and PPM (RGB, "P6"), 8 bits per value. */
#ifndef NETPBM_H
#define NETPBM_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Read the next number of the header, after spaces and comments ("# ..."); 0: not a number. */
static uint32_t read_number(FILE *file)
{
    unsigned long number = 0;
    int c;

    do {
        c = fgetc(file);
        if (c == '#') {
            while (c != '\n' && c != EOF) {
                c = fgetc(file);
            }
        }
    } while (isspace(c));
    ungetc(c, file);
    return fscanf(file, "%9lu", &number) == 1 && number <= 65535 ? (uint32_t)number : 0;
}

/* Return the pixels, row after row, 1 (P5) or 3 (P6) bytes each, to be freed. NULL: the file is
 * not such an image; the reason is on stderr. */
static uint8_t *read_netpbm(const char *path, char kind, uint32_t *width, uint32_t *height)
{
    FILE *file = fopen(path, "rb");
    uint8_t *pixels = NULL;
    size_t bytes = 0;

    if (file == NULL) {
        perror(path);
        return NULL;
    }
    if (fgetc(file) == 'P' && fgetc(file) == kind) {
        *width = read_number(file);
        *height = read_number(file);
        bytes = (size_t)*width * *height * (kind == '6' ? 3 : 1);
    }
    if (bytes == 0 || read_number(file) != 255 || fgetc(file) == EOF) {
        fprintf(stderr, "%s is not a binary P%c image of 8 bits\n", path, kind);
    } else if ((pixels = malloc(bytes)) == NULL) {
        fprintf(stderr, "%s does not fit into memory\n", path);
    } else if (fread(pixels, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s ends before its last pixel\n", path);
        free(pixels);
        pixels = NULL;
    }
    fclose(file);
    return pixels;
}

#endif
