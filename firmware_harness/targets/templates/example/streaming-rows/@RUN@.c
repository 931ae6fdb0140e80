#include "@RUN@.h"

#include "@IDENT@.h"
#include "checksum.h"
#include "test_frame.h"

/* All the RAM of the engine; 64-bit words for alignment. */
static uint64_t arena[(@ARENA_BYTES@ + 7u) / 8u];

typedef struct output {
    uint32_t checksum;
    uint32_t row_bytes;
} output;

/* Receives each finished row; an application would pass it to a display or a radio. */
static int take_row(void *user, uint32_t y, const int8_t *row)
{
    output *out = (output *)user;
    (void)y;
    out->checksum = checksum_add(out->checksum, row, out->row_bytes);
    return 0;
}

int @RUN@_test_frame(uint32_t *checksum)
{
    const uint32_t row_bytes = TEST_FRAME_WIDTH * TEST_FRAME_CHANNELS;
    esr_engine *engine;
    esr_info info;
    output out = {0, 0};
    uint32_t y;
    esr_status status = esr_open(&engine, @IDENT@_plan, @UPPER@_PLAN_BYTES, TEST_FRAME_WIDTH,
                                 arena, sizeof arena);
    if (status != ESR_OK) {
        return (int)status;
    }
    (void)esr_describe(engine, &info);
    out.row_bytes = info.out_width * info.out_channels;
    status = esr_begin(engine, TEST_FRAME_HEIGHT, take_row, &out);
    for (y = 0; status == ESR_OK && y < TEST_FRAME_HEIGHT; y++) {
        status = esr_push_row(engine, y, test_frame + y * row_bytes);
    }
    if (status == ESR_OK) {
        status = esr_end(engine);
    }
    *checksum = out.checksum;
    return (int)status;
}
