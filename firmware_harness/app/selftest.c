/*
 * Runs a model on a generated frame and compares the CRC-32 of all output bytes with the one computed
 * at build time; of several outputs, the exclusive or of their CRC-32s. There is no host: the outcome stays in RAM, in `result`, the only variable in the
 * section .result, where a debugger reads it.
 */
#include <stdint.h>

#include "esr.h"
#include "model.h"
#include "port.h"
#include "test.h"

enum {
    STATE_RUNNING = 0x45535230, /* "ESR0", as a number */
    STATE_PASSED = 0x45535231,
    STATE_FAILED = 0x45535232, /* see status, crc and rows_out */
    STATE_FAULT = 0x45535233   /* a processor exception */
};

typedef struct outcome {
    uint32_t state;
    uint32_t status;       /* esr_status */
    uint32_t crc;          /* of all output bytes, as above */
    uint32_t expected_crc;
    uint32_t rows_out;     /* of all outputs */
    uint32_t arena_needed; /* bytes, from esr_arena_bytes */
    uint32_t stack_used;   /* peak in bytes, with reset and main */
    uint32_t reserved;
    uint64_t open_ticks;   /* processor clock cycles of esr_open */
    uint64_t frame_ticks;  /* from esr_begin to esr_end, with making of rows and CRC */
} outcome;

static volatile outcome __attribute__((section(".result"), used)) result;

static uint8_t __attribute__((section(".arena"), aligned(ESR_ARENA_ALIGNMENT)))
arena[MODEL_ARENA_BYTES];

static int8_t __attribute__((section(".frame"), aligned(4))) row[MODEL_WIDTH * MODEL_CHANNELS];

void port_exit(int code)
{
    if (code == PORT_EXIT_FAULT) {
        result.state = STATE_FAULT;
    }
    for (;;) {
    }
}

static uint32_t crc32(uint32_t crc, const int8_t *values, uint32_t count)
{
    uint32_t i;
    int bit;
    for (i = 0; i < count; i++) {
        crc ^= (uint8_t)values[i];
        for (bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0 - (crc & 1)));
        }
    }
    return crc;
}

typedef struct output {
    uint32_t row_bytes;
    uint32_t rows;
    uint32_t crc;
} output;

static int take_row(void *user, uint32_t y, const int8_t *values)
{
    output *out = user;
    if (y != out->rows) {
        return 1;
    }
    out->rows++;
    result.rows_out++;
    out->crc = crc32(out->crc, values, out->row_bytes);
    return 0;
}

#if MODEL_OUTPUTS > 1
static int take_any_row(void *user, uint32_t number, uint32_t y, const int8_t *values)
{
    return take_row((output *)user + number, y, values);
}

static esr_status describe(const esr_engine *engine, uint32_t number, esr_info *info)
{
    return esr_describe_output(engine, number, info);
}

static esr_status begin(esr_engine *engine, output *outs)
{
    return esr_begin_outputs(engine, TEST_HEIGHT, take_any_row, outs);
}
#else
static esr_status describe(const esr_engine *engine, uint32_t number, esr_info *info)
{
    (void)number;
    return esr_describe(engine, info);
}

static esr_status begin(esr_engine *engine, output *outs)
{
    return esr_begin(engine, TEST_HEIGHT, take_row, outs);
}
#endif

static void make_row(uint32_t *state)
{
    uint32_t i;
    for (i = 0; i < sizeof row; i++) {
        *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
        row[i] = (int8_t)(uint8_t)(*state >> 24);
    }
}

static esr_status run_frame(esr_engine *engine, output *outs)
{
    uint32_t y, state = 1;
    esr_status status = begin(engine, outs);
    for (y = 0; status == ESR_OK && y < TEST_HEIGHT; y++) {
        make_row(&state);
        status = esr_push_row(engine, y, row);
    }
    return status == ESR_OK ? esr_end(engine) : status;
}

static void measure(void)
{
    output outs[MODEL_OUTPUTS] = {{0, 0, 0}};
    esr_engine *engine;
    esr_info info;
    uint32_t i;

    result.arena_needed = (uint32_t)esr_arena_bytes(model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH);
    port_start_ticks();
    result.status = (uint32_t)esr_open(&engine, model_plan, MODEL_PLAN_BYTES, MODEL_WIDTH, arena,
                                       sizeof arena);
    result.open_ticks = port_ticks();
    if (result.status == ESR_OK) {
        for (i = 0; i < MODEL_OUTPUTS; i++) {
            (void)describe(engine, i, &info);
            outs[i].row_bytes = info.out_width * info.out_channels;
            outs[i].crc = UINT32_MAX;
        }
        result.status = (uint32_t)run_frame(engine, outs);
        for (i = 0; i < MODEL_OUTPUTS; i++) {
            result.crc ^= ~outs[i].crc;
        }
        result.frame_ticks = port_ticks() - result.open_ticks;
    }
    result.stack_used = port_stack_used();
}

int main(void)
{
    result.state = STATE_RUNNING;
    result.expected_crc = TEST_CRC;
    measure();
    result.state = result.status == ESR_OK && result.crc == TEST_CRC ? STATE_PASSED : STATE_FAILED;
    return 0;
}
