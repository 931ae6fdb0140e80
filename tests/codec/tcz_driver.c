/*
 * Writes the .tcz file of a dumped image without Python, so that sanitizers check everything. Every
 * block of memory has exactly the size that esr_tcz.h requires.
 *
 *     tcz_driver DUMP PLANES > FILE
 *
 * DUMP holds, in 32-bit little-endian words: plan bytes, width, height, step, channels; then the
 * plan and the image.
 */
#include "esr_tcz.h"

#include <stdio.h>
#include <stdlib.h>

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);

    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

static void *read_block(FILE *file, size_t bytes)
{
    void *memory = allocate(bytes);

    if (fread(memory, 1, bytes, file) != bytes) {
        fputs("the dump is too short\n", stderr);
        exit(2);
    }
    return memory;
}

static void require(int good, const char *action)
{
    if (!good) {
        fprintf(stderr, "%s failed\n", action);
        exit(1);
    }
}

static int put(void *user, const uint8_t *data, size_t count)
{
    (void)user;
    return fwrite(data, 1, count, stdout) != count;
}

int main(int count, char **names)
{
    static const esr_tcz_network network = {
        "tc-test", {0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0}, {1, 1, 1, 1}};
    FILE *file = count == 3 ? fopen(names[1], "rb") : NULL;
    esr_engine *engine = NULL;
    esr_tcz_image image = {&network, 0, 0};
    esr_tcz_memory memory;
    uint32_t *head;
    uint8_t *plan, *pixels;
    void *arena;
    esr_tcz *tcz = allocate(esr_tcz_bytes());
    size_t bytes;

    require(file != NULL, "opening the dump");
    head = read_block(file, 5 * sizeof *head);
    plan = read_block(file, head[0]);
    image.width = head[1], image.height = head[2];
    bytes = esr_arena_bytes(plan, head[0], ESR_TCZ_UP(head[1], head[3]));
    arena = allocate(bytes);
    memory.latent_bytes = ESR_TCZ_LATENT_BYTES(head[1], head[2], head[3], head[4]);
    memory.latents = allocate(memory.latent_bytes);
    memory.row_bytes = ESR_TCZ_ROW_BYTES(head[1], head[3]);
    memory.row = allocate(memory.row_bytes);
    require(esr_open(&engine, plan, head[0], ESR_TCZ_UP(head[1], head[3]), arena, bytes) == ESR_OK,
            "esr_open");
    require(esr_tcz_begin(tcz, engine, &image, &memory) == ESR_TCZ_OK, "esr_tcz_begin");
    for (uint32_t y = 0; y < head[2]; y++) {
        pixels = read_block(file, (size_t)head[1] * ESR_TCZ_COLOURS);
        require(esr_tcz_push_row(tcz, y, pixels) == ESR_TCZ_OK, "esr_tcz_push_row");
        free(pixels);
    }
    require(esr_tcz_end(tcz) == ESR_TCZ_OK, "esr_tcz_end");
    require(esr_tcz_write(tcz, (uint32_t)atoi(names[2]), put, NULL) == ESR_TCZ_OK, "esr_tcz_write");
    fclose(file);
    free(memory.row), free(memory.latents), free(arena), free(plan), free(head), free(tcz);
    return 0;
}
