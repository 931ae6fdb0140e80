/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: the state of an open engine, which lies at the start of the arena. */
#ifndef ESR_ENGINE_H
#define ESR_ENGINE_H

#include "esr_check.h"
#include "esr_config.h"
#include "esr_kernels.h"
#include "esr_x86.h"

/* The function that computes one row; `name` is that of the portable kernel without esr_. */
#if ESR_X86
#define ESR_KERNEL(engine, name) ((engine)->kernels->name)
#else
#define ESR_KERNEL(engine, name) esr_##name
#endif

enum esr_state {
    ESR_IDLE,    /* waits for esr_begin */
    ESR_RUNNING, /* waits for rows */
    ESR_BUSY     /* runs the sink */
};

struct esr_engine {
    esr_layout layout;
    uint8_t *memory;     /* start of the buffers */
    uint32_t units;      /* height of the frame */
    uint32_t next_row;   /* of the input */
    uint32_t step;       /* number of the program's run */
    uint32_t entry;      /* of the program; between calls one that takes an input row */
    enum esr_state state;
    esr_sink sink;
    void *user;
#if ESR_FRAMES
    esr_outputs_sink outputs_sink; /* used instead of the sink if it is not null */
#endif
#if ESR_X86
    const esr_x86_kernels *kernels;
#endif
};

/* Pass a row of an output to the sink; returns what the sink does. */
static inline int esr_emit(const esr_engine *engine, uint32_t output, uint32_t y, const int8_t *row)
{
#if ESR_FRAMES
    if (engine->outputs_sink != NULL) {
        return engine->outputs_sink(engine->user, output, y, row);
    }
#endif
    return output == 0 ? engine->sink(engine->user, y, row) : 0;
}

/* Fails to compile if the engine's state is larger than ESR_HEAD_BYTES. */
typedef char esr_engine_fits_its_head[sizeof(struct esr_engine) <= ESR_HEAD_BYTES ? 1 : -1];

#endif
