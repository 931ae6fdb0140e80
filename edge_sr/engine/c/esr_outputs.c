/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: networks of several outputs. */
#include "esr_frame.h"

#if ESR_FRAMES

uint32_t esr_outputs(const esr_engine *engine)
{
    if (engine == NULL) {
        return 0;
    }
    return esr_is_frame(engine) ? esr_frame_outputs(engine) : 1;
}

esr_status esr_describe_output(const esr_engine *engine, uint32_t output, esr_info *info)
{
    const esr_status status = esr_describe(engine, info);

    if (status != ESR_OK) {
        return status;
    }
    if (output >= esr_outputs(engine)) {
        return ESR_OUTPUT;
    }
    if (esr_is_frame(engine)) {
        esr_frame_describe(engine, output, info);
    }
    return ESR_OK;
}

/* Stands for the sink that esr_begin() needs; it is not called. */
static int no_sink(void *user, uint32_t y, const int8_t *row)
{
    (void)user, (void)y, (void)row;
    return 1;
}

esr_status esr_begin_outputs(esr_engine *engine, uint32_t height, esr_outputs_sink sink, void *user)
{
    esr_status status;

    if (sink == NULL) {
        return ESR_NULL;
    }
    status = esr_begin(engine, height, no_sink, user); /* emits no row yet */
    if (status == ESR_OK) {
        engine->outputs_sink = sink;
    }
    return status;
}

#endif
