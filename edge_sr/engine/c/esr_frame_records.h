/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: reads the records of a frame plan; for esr_frame*.c alone. */
#ifndef ESR_FRAME_RECORDS_H
#define ESR_FRAME_RECORDS_H

#include "esr_frame.h"

#if ESR_FRAMES

/* Whether plans may have operators of a kind, below 32; a constant where the kind is one. */
#define ESR_HAS(kind) ((ESR_FRAME_KINDS >> (kind) & 1u) != 0)

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

/* The index of an output's buffer. */
static inline uint32_t output_index(const header_t *header, uint32_t output)
{
    return ((const uint32_t *)(const void *)(entries_of(header) + header->entries))[output];
}

static inline const buffer_t *output_of(const header_t *header, uint32_t output)
{
    return &buffers_of(header)[output_index(header, output)];
}

/* The index of the output whose row an entry emits; at least ESR_MAX_OUTPUTS if it emits none. */
static inline uint32_t emitted_by(const esr_frame_entry *entry)
{
    return ESR_FRAME_EMIT - (uint32_t)entry->action;
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

/* Output rows of a transposed convolution for each input row, and pixels for each pixel. */
static inline uint32_t up_h_of(const operator_t *op)
{
    return op->extra & UINT16_MAX;
}

static inline uint32_t up_w_of(const operator_t *op)
{
    return op->extra >> 16;
}

/* The row that a transposed convolution computes: `windows` times up_w pixels, of which the output
 * has a part. */
typedef struct wide_row {
    uint32_t last;       /* input column that the first window ends with */
    uint32_t windows;
    uint32_t cut;        /* pixels before those of the output */
    uint64_t bytes;      /* scratch memory for the row; 0: it is the output's */
} wide_row;

static inline wide_row wide_row_of(const operator_t *op, const buffer_t *out)
{
    const uint32_t up = up_w_of(op), last = op->left / up;
    const uint32_t windows = (out->width - 1u + op->left) / up - last + 1;
    const uint64_t bytes = ((uint64_t)windows * up * out->channels + 3) / 4 * 4;
    const wide_row row = {last, windows, op->left % up, windows * up == out->width ? 0 : bytes};

    return row;
}

#endif

#endif
