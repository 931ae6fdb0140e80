/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the format of a plan, written by edge_sr/engine/plan_format.py.
 *
 * A plan consists of 32-bit little-endian words:
 *
 *     header, buffers, operators, entries (one after the other), then constants
 *
 * Widths and heights are counted in units, so that one plan serves all sizes: a unit is
 * `unit_pixels` pixels of a buffer, along a row as well as in rows. A frame of width W is
 * W / header.unit_pixels units wide.
 *
 * The program (the entries) describes one step, which takes header.unit_pixels input rows. In
 * step t, an entry computes row t * unit_pixels + entry.row of its operator's output. Rows
 * outside the frame are skipped, except for rows just below it that a kernel reads as padding:
 * these are filled with the zero point.
 */
#ifndef ESR_PLAN_H
#define ESR_PLAN_H

#include "esr_layout.h"

#include <stdint.h>

#define ESR_PLAN_MAGIC UINT32_C(0x31525345) /* "ESR1" */
#define ESR_PLAN_VERSION 2

/* Buffers are allocated for a width rounded up to a multiple of this many units, which keeps them
 * aligned. */
#define ESR_UNIT_ROUND 4

/* Limits of every plan. They keep sizes below 2^63. */
#define ESR_MAX_UNIT_PIXELS 256  /* pixels per unit */
#define ESR_MAX_CHANNELS 4096
#define ESR_MAX_KERNEL 127       /* kernel height and width, padding */
#define ESR_MAX_STRIDE 4         /* of convolutions */
#define ESR_MAX_DEPTH 65536      /* rows of a ring buffer */
#define ESR_MAX_RECORDS 65536    /* buffers, operators, entries: each */
#define ESR_MAX_DELAY 65536      /* rows */
#define ESR_MAX_UNITS 1048576    /* width and height of a frame */

typedef struct esr_plan_header {
    uint32_t magic;
    uint32_t version;
    uint32_t layout;          /* of the weights: ESR_LAYOUT_... */
    uint32_t bytes;           /* of the whole plan */
    uint32_t buffers;         /* number of records, like the next two */
    uint32_t operators;
    uint32_t entries;
    uint32_t unit_pixels;     /* pixels of the input per unit */
    uint32_t in_buffer;       /* index of the input's buffer */
    uint32_t out_buffer;      /* index of the output's buffer */
    uint32_t halo;            /* input columns, as in esr_info */
    uint32_t latency;         /* input rows, as in esr_info */
    uint32_t unit_bytes;      /* all buffers together take unit_bytes * units + fixed_bytes */
    uint32_t fixed_bytes;     /* a multiple of 4 */
    uint32_t scratch_bytes;   /* memory after the buffers for convolutions; a multiple of 4 */
} esr_plan_header;

/* A ring buffer of rows. A row is stored as padding, pixels, padding; padding is rounded up to a
 * multiple of 4 bytes. */
typedef struct esr_plan_buffer {
    uint32_t unit_pixels;    /* pixels per unit */
    uint32_t channels;
    uint32_t depth;          /* rows */
    uint32_t padding;        /* columns left and right of the frame that kernels read */
    uint32_t bottom_padding; /* rows below the frame that kernels read */
    int32_t zero_point;      /* the value of the padding, -128 to 127 */
    uint32_t unit_offset;    /* the buffer starts at unit_offset * units + fixed_offset */
    uint32_t fixed_offset;   /* a multiple of 4 */
} esr_plan_buffer;

typedef enum esr_plan_kind {
    ESR_CONV,           /* extra: stride - 1 */
    ESR_DEPTHWISE,
    ESR_PRELU,          /* extra: 1 negates the results of negative values; weights: alphas, or 0 */
    ESR_LUT,            /* weights: the table of 256 values */
    ESR_ADD,
    ESR_CONCAT,         /* extra: first channel in the output; kernel_w: repeats */
    ESR_DEPTH_TO_SPACE, /* extra: block size */
    ESR_SPACE_TO_DEPTH, /* extra: block size */
    ESR_KINDS
} esr_plan_kind;

typedef struct esr_plan_operator {
    uint32_t kind;     /* esr_plan_kind */
    uint32_t in;       /* index of a buffer, like the next two */
    uint32_t other;    /* second input of ESR_ADD; of other kinds the same as `in` */
    uint32_t out;
    uint32_t kernel_h;
    uint32_t kernel_w;
    uint32_t groups;
    uint32_t extra;
    uint32_t weights;  /* offset in bytes from the plan's start, like the next two */
    uint32_t bias;
    uint32_t scales;
    int32_t low;       /* range of the fused activation, -128 to 127 */
    int32_t high;
    int32_t in_zero_point;
    int32_t other_zero_point;
    int32_t out_zero_point;
} esr_plan_operator;

/* Rows and columns from window to window of a convolution. */
static inline uint32_t esr_stride_of(const esr_plan_operator *op)
{
    return op->extra + 1;
}

/* Rows or columns of a window, of `kernel` in all, before and after the `stride` ones that belong to
 * its output. */
static inline uint32_t esr_before(const esr_plan_operator *op, uint32_t kernel)
{
    return kernel > op->extra ? (kernel - op->extra - 1) / 2 : 0;
}

static inline uint32_t esr_after(const esr_plan_operator *op, uint32_t kernel)
{
    return kernel > op->extra ? (kernel - op->extra) / 2 : 0;
}

#define ESR_ENTRY_INPUT UINT32_C(0xffffffff) /* wait for an input row */
#define ESR_ENTRY_EMIT UINT32_C(0xfffffffe)  /* pass a row of the output to the sink */

typedef struct esr_plan_entry {
    uint32_t action; /* index of an operator, or ESR_ENTRY_INPUT, ESR_ENTRY_EMIT */
    int32_t row;     /* relative to the step */
} esr_plan_entry;

#endif
