/*
 * Writes the .tcz file of version 2 of a dumped image without Python, so that sanitizers check
 * everything. Every block of memory has exactly the size that esr_tcz2.h requires.
 *
 *     tcz2_driver DUMP > FILE
 *
 * DUMP holds, in 32-bit little-endian words: plan bytes, context bytes, width, height, channels,
 * rows per part; then the plan, the context and the image.
 */
#include "esr_tcz2.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLAN, CONTEXT, WIDTH, HEIGHT, CHANNELS, ROWS_PER_PART, WORDS };

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

static void push_rows(esr_tcz2 *tcz, FILE *file, const uint32_t *head)
{
    for (uint32_t y = 0; y < head[HEIGHT]; y++) {
        uint8_t *pixels = read_block(file, (size_t)head[WIDTH] * ESR_TCZ2_COLOURS);

        require(esr_tcz2_push_row(tcz, y, pixels) == ESR_TCZ2_OK, "esr_tcz2_push_row");
        free(pixels);
    }
    require(esr_tcz2_end(tcz) == ESR_TCZ2_OK, "esr_tcz2_end");
}

int main(int count, char **names)
{
    esr_tcz2_codec codec = {
        "cae-test", {0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15}, 300, NULL, 0};
    FILE *file = count == 2 ? fopen(names[1], "rb") : NULL;
    esr_engine *engine = NULL;
    esr_tcz2_image image = {&codec, 0, 0, 0};
    esr_tcz2_memory memory;
    uint32_t *head, wide;
    uint8_t *plan, *context;
    void *arena;
    esr_tcz2 *tcz = allocate(esr_tcz2_bytes());
    size_t bytes;

    require(file != NULL, "opening the dump");
    head = read_block(file, WORDS * sizeof *head);
    plan = read_block(file, head[PLAN]);
    context = read_block(file, head[CONTEXT]);
    codec.context = context, codec.context_bytes = head[CONTEXT];
    image.width = head[WIDTH], image.height = head[HEIGHT];
    image.rows_per_part = head[ROWS_PER_PART];
    wide = ESR_TCZ2_UP(head[WIDTH]);
    bytes = esr_arena_bytes(plan, head[PLAN], wide);
    arena = allocate(bytes);
    memory.row_bytes = ESR_TCZ2_ROW_BYTES(head[WIDTH]);
    memory.row = allocate(memory.row_bytes);
    memory.coder_bytes = esr_symbols_bytes(context, head[CONTEXT], wide / ESR_TCZ2_STEP);
    memory.coder = allocate(memory.coder_bytes);
    memory.part_bytes = ESR_TCZ2_PART_BYTES(head[WIDTH], head[CHANNELS], head[ROWS_PER_PART]);
    memory.part = allocate(memory.part_bytes);
    require(esr_open(&engine, plan, head[PLAN], wide, arena, bytes) == ESR_OK, "esr_open");
    require(esr_tcz2_begin(tcz, engine, &image, &memory, put, NULL) == ESR_TCZ2_OK,
            "esr_tcz2_begin");
    push_rows(tcz, file, head);
    fclose(file);
    free(memory.row), free(memory.coder), free(memory.part), free(arena), free(context);
    free(plan), free(head), free(tcz);
    return 0;
}
