/*
 * The plan's layout: 32-bit little-endian words, written by edge_sr/engine/plan_format.py.
 *
 *     header, buffers, operators, entries (one after the other), then constants
 *
 * Widths and heights are counted in units, so that one plan serves all sizes: a unit is `rate`
 * pixels of a buffer, along a row as well as in rows. The frame is W / header.rate units wide.
 *
 * The program is what happens in one step, which takes header.rate input rows; step t applies
 * each entry to row t * rate + entry.row of its operator's output. Rows outside of the frame are
 * skipped, but for those just below it that a kernel reads: these are filled with zero points.
 */
#ifndef ESR_PLAN_H
#define ESR_PLAN_H

#include "esr_layout.h"

#include <stdint.h>

#define ESR_PLAN_MAGIC UINT32_C(0x31525345) /* "ESR1" */
#define ESR_PLAN_VERSION 2

/* Buffers are laid out for a width rounded up to so many units, which keeps them aligned. */
#define ESR_UNIT_ROUND 4

/* What no plan goes beyond. */
#define ESR_MAX_RATE 256
#define ESR_MAX_CHANNELS 4096
#define ESR_MAX_KERNEL 127
#define ESR_MAX_DEPTH 65536
#define ESR_MAX_RECORDS 65536
#define ESR_MAX_DELAY 65536      /* rows */
#define ESR_MAX_UNITS 1048576    /* along each side of a frame */

typedef struct esr_plan_header {
    uint32_t magic;
    uint32_t version;
    uint32_t layout;      /* of weights: ESR_LAYOUT_... */
    uint32_t bytes;       /* of the whole plan */
    uint32_t buffers;     /* counts of records */
    uint32_t operators;
    uint32_t entries;
    uint32_t rate;        /* input pixels in a unit */
    uint32_t in_buffer;
    uint32_t out_buffer;
    uint32_t halo;        /* as in esr_info, like the next */
    uint32_t latency;
    uint32_t unit_bytes;  /* all buffers together take */
    uint32_t fixed_bytes; /* unit_bytes * units + fixed_bytes */
    uint32_t scratch_bytes; /* of memory after the buffers, for convolutions; whole words */
} esr_plan_header;

/* A ring of rows: `margin` pixels, the row, `margin` pixels; margins take whole words. */
typedef struct esr_plan_buffer {
    uint32_t rate;
    uint32_t channels;
    uint32_t depth;       /* rows */
    uint32_t margin;      /* columns beside the frame that kernels read */
    uint32_t below;       /* rows below the frame that kernels read */
    int32_t zero_point;   /* which fills both */
    uint32_t unit_offset; /* it starts at unit_offset * units + fixed_offset */
    uint32_t fixed_offset;
} esr_plan_buffer;

typedef enum esr_plan_kind {
    ESR_CONV,           /* extra: none */
    ESR_DEPTHWISE,
    ESR_PRELU,          /* extra: 1 negates the negative side; weights: alphas, or 0 */
    ESR_LUT,            /* weights: the table */
    ESR_ADD,
    ESR_CONCAT,         /* extra: first channel; kernel_w: repeats */
    ESR_DEPTH_TO_SPACE, /* extra: block */
    ESR_SPACE_TO_DEPTH, /* extra: block */
    ESR_KINDS
} esr_plan_kind;

typedef struct esr_plan_operator {
    uint32_t kind;
    uint32_t in;       /* buffers */
    uint32_t other;    /* the second summand's */
    uint32_t out;
    uint32_t kernel_h;
    uint32_t kernel_w;
    uint32_t groups;
    uint32_t extra;
    uint32_t weights;  /* bytes from the plan's start, like the next two */
    uint32_t bias;
    uint32_t scales;
    int32_t low;
    int32_t high;
    int32_t in_zero_point;
    int32_t other_zero_point;
    int32_t out_zero_point;
} esr_plan_operator;

#define ESR_ENTRY_INPUT UINT32_C(0xffffffff) /* wait for an input row */
#define ESR_ENTRY_EMIT UINT32_C(0xfffffffe)  /* hand a row of the output to the sink */

typedef struct esr_plan_entry {
    uint32_t what; /* an operator, or one of the above */
    int32_t row;
} esr_plan_entry;

#endif
