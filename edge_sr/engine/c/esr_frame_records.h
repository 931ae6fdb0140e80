/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: reads the records of a frame plan; for esr_frame*.c alone. */
#ifndef ESR_FRAME_RECORDS_H
#define ESR_FRAME_RECORDS_H

#include "esr_frame.h"

#if ESR_FRAMES

typedef esr_frame_header header_t;
typedef esr_frame_buffer buffer_t;
typedef esr_frame_operator operator_t;

static inline const header_t *header_of(const esr_layout *layout)
{
    return (const header_t *)(const void *)layout->header;
}

static inline const buffer_t *buffers_of(const header_t *header)
{
    return (const buffer_t *)(const void *)(header + 1);
}

static inline const operator_t *operators_of(const header_t *header)
{
    return (const operator_t *)(const void *)(buffers_of(header) + header->buffers);
}

static inline const esr_frame_entry *entries_of(const header_t *header)
{
    return (const esr_frame_entry *)(const void *)(operators_of(header) + header->operators);
}

static inline size_t row_bytes(const buffer_t *buffer)
{
    return (size_t)buffer->width * buffer->channels;
}

/* Bytes from slot to slot. */
static inline size_t stride_of(const buffer_t *buffer)
{
    const size_t columns = (size_t)buffer->left + buffer->width + buffer->right;

    return (columns * buffer->channels + 3) / 4 * 4;
}

static inline uint32_t rows_of(const buffer_t *buffer)
{
    return (uint32_t)buffer->top + buffer->height + buffer->bottom;
}

#endif

#endif
