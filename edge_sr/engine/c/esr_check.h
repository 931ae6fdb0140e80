/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: checks a plan, which is untrusted input. A plan that passes esr_check
 * can be run at the given width without touching memory outside arena and plan.
 *
 * Define ESR_TRUSTED_PLANS in a program that holds its plans as constants, to leave out the check
 * that the buffers of an operator do not overlap (about 250 bytes of code), and of plans for frames of
 * one size the check of all but the header (about 4 KB).
 */
#ifndef ESR_CHECK_H
#define ESR_CHECK_H

#include "esr.h"
#include "esr_plan.h"

/* Bytes that the engine's state takes at the start of the arena, the same on every machine. */
#define ESR_HEAD_BYTES 128

/* A plan and the memory layout of its buffers at a width. */
typedef struct esr_layout {
    const esr_plan_header *header;
    const esr_plan_buffer *buffers;
    const esr_plan_operator *operators;
    const esr_plan_entry *entries;
    size_t arena_bytes;
    uint32_t units;         /* width of the frame */
    uint32_t padded_units;  /* the same, rounded up to a multiple of ESR_UNIT_ROUND */
    uint32_t latency_steps; /* steps from an input row to the last output row that needs it */
} esr_layout;

/* Check a plan and lay its buffers out. Returns ESR_OK, ESR_NULL, ESR_MISALIGNED, ESR_PLAN or
 * ESR_WIDTH. */
esr_status esr_check(esr_layout *layout, const void *plan, size_t plan_bytes, uint32_t width);

/* Bytes of padding left of a row, and right of it. */
static inline size_t esr_padding_bytes(const esr_plan_buffer *buffer)
{
    return ((size_t)buffer->padding * buffer->channels + 3) / 4 * 4;
}

/* Bytes from one row of a buffer to the next. */
static inline size_t esr_stride(const esr_layout *layout, const esr_plan_buffer *buffer)
{
    return (size_t)layout->padded_units * buffer->unit_pixels * buffer->channels +
           2 * esr_padding_bytes(buffer);
}

/* Bytes from the start of the arena's buffers to this one. */
static inline size_t esr_buffer_offset(const esr_layout *layout, const esr_plan_buffer *buffer)
{
    return (size_t)layout->padded_units * buffer->unit_offset + buffer->fixed_offset;
}

/* A constant of the plan at an offset in bytes. */
static inline const void *esr_constant(const esr_layout *layout, uint32_t offset)
{
    return (const uint8_t *)(const void *)layout->header + offset;
}

#endif
