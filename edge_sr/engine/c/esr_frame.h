/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: runs plans for frames of one size (esr_frame_plan.h). The functions do
 * the work of those of esr.h that have the same names.
 */
#ifndef ESR_FRAME_H
#define ESR_FRAME_H

#include "esr_config.h"
#include "esr_engine.h"
#include "esr_frame_plan.h"

#if ESR_FRAMES

/* Whether the bytes start like a frame plan; the plan is aligned. */
static inline int esr_is_frame_plan(const esr_plan_header *header, size_t plan_bytes)
{
    return plan_bytes >= sizeof(esr_frame_header) && header->version == ESR_FRAME_VERSION;
}

static inline int esr_is_frame(const esr_engine *engine)
{
    return !ESR_STREAMS || engine->layout.header->version == ESR_FRAME_VERSION;
}

/* Check a plan. Sets header, units (the frame's width) and arena_bytes of the layout. Returns
 * ESR_OK, ESR_PLAN or ESR_WIDTH. */
esr_status esr_frame_check(esr_layout *layout, const void *plan, size_t plan_bytes,
                           uint32_t width);

/* The number of outputs. */
uint32_t esr_frame_outputs(const esr_engine *engine);

void esr_frame_describe(const esr_engine *engine, uint32_t output, esr_info *info);

/* Returns ESR_OK or ESR_HEIGHT. Sink and user are set. */
esr_status esr_frame_begin(esr_engine *engine, uint32_t height);

/* Returns ESR_OK, ESR_NULL, ESR_TOO_MANY, ESR_ROW_ORDER or ESR_STOPPED. */
esr_status esr_frame_push(esr_engine *engine, uint32_t y, const int8_t *row);

/* Returns ESR_OK or ESR_TOO_FEW. */
esr_status esr_frame_end(const esr_engine *engine);

#endif

#endif
