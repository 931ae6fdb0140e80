/* Reads a plan as if it were hostile: what passes esr_check can be run at the given width without
 * touching memory outside of arena and plan. */
#ifndef ESR_CHECK_H
#define ESR_CHECK_H

#include "esr.h"
#include "esr_plan.h"

/* The arena starts with the engine, which takes this on every machine. */
#define ESR_HEAD_BYTES 128

/* A plan at a width. */
typedef struct esr_layout {
    const esr_plan_header *header;
    const esr_plan_buffer *buffers;
    const esr_plan_operator *operators;
    const esr_plan_entry *entries;
    size_t arena_bytes;
    uint32_t units;       /* of the frame's width */
    uint32_t wide_units;  /* the same, rounded up: what buffers are laid out for */
    uint32_t steps_late;  /* steps from an input row to the last output row that needs it */
} esr_layout;

/* ESR_NULL, ESR_MISALIGNED, ESR_PLAN, ESR_WIDTH. */
esr_status esr_check(esr_layout *layout, const void *plan, size_t plan_bytes, uint32_t width);

/* Bytes on each side of a row. */
static inline size_t esr_margin_bytes(const esr_plan_buffer *buffer)
{
    return ((size_t)buffer->margin * buffer->channels + 3) / 4 * 4;
}

/* From row to row. */
static inline size_t esr_stride(const esr_layout *layout, const esr_plan_buffer *buffer)
{
    return (size_t)layout->wide_units * buffer->rate * buffer->channels +
           2 * esr_margin_bytes(buffer);
}

static inline size_t esr_buffer_offset(const esr_layout *layout, const esr_plan_buffer *buffer)
{
    return (size_t)layout->wide_units * buffer->unit_offset + buffer->fixed_offset;
}

/* A constant in the plan, by its offset in bytes. */
static inline const void *esr_constant(const esr_layout *layout, uint32_t offset)
{
    return (const uint8_t *)(const void *)layout->header + offset;
}

#endif
