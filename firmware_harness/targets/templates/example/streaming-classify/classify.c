#include "classify.h"

#include <string.h>

#include "@IDENT@.h"
#include "checksum.h"
#include "test_frame.h"

/* All the RAM of the engine; 64-bit words for alignment. */
static uint64_t arena[(@UPPER@_PLAN_ARENA_BYTES + 7u) / 8u];

static int8_t test_scores[CLASSIFY_CLASSES];

/* Receives the output: one row of one pixel, whose channels are the scores. */
static int take_scores(void *user, uint32_t y, const int8_t *row)
{
    (void)y;
    memcpy(user, row, CLASSIFY_CLASSES);
    return 0;
}

int classify(const int8_t *frame, int8_t scores[CLASSIFY_CLASSES])
{
    const uint32_t row_bytes = TEST_FRAME_WIDTH * TEST_FRAME_CHANNELS;
    esr_engine *engine;
    uint32_t y;
    esr_status status = esr_open(&engine, @IDENT@_plan, @UPPER@_PLAN_BYTES, TEST_FRAME_WIDTH,
                                 arena, sizeof arena);
    if (status != ESR_OK) {
        return (int)status;
    }
    status = esr_begin(engine, TEST_FRAME_HEIGHT, take_scores, scores);
    for (y = 0; status == ESR_OK && y < TEST_FRAME_HEIGHT; y++) {
        status = esr_push_row(engine, y, frame + y * row_bytes);
    }
    return (int)(status == ESR_OK ? esr_end(engine) : status);
}

int classify_test_frame(uint32_t *checksum)
{
    int status = classify(test_frame, test_scores);
    *checksum = checksum_add(0, test_scores, sizeof test_scores);
    return status;
}

unsigned classify_test_class(void)
{
    unsigned i, best = 0;
    for (i = 1; i < CLASSIFY_CLASSES; i++) {
        best = test_scores[i] > test_scores[best] ? i : best;
    }
    return best;
}
