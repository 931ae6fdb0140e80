/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the format of a plan for frames of one size (a frame plan), written by
 * edge_sr/engine/frame_format.py. Plans for frames of any size: esr_plan.h.
 *
 * A frame plan consists of 32-bit little-endian words:
 *
 *     header, buffers, operators, entries, outputs (one after the other), then constants
 *
 * The program (the entries) describes the whole frame: each entry computes one row. Rows of a
 * buffer are counted from its top padding: row `top` is the first of the frame. A row outside the
 * frame is filled with the buffer's zero point.
 */
#ifndef ESR_FRAME_PLAN_H
#define ESR_FRAME_PLAN_H

#include "esr_plan.h"

#define ESR_FRAME_VERSION 3

#define ESR_MAX_FRAME_WINDOW 1024  /* kernel, stride and dilation */
#define ESR_MAX_FRAME_ENTRIES 1048576
#define ESR_MAX_OUTPUTS 16

/* Starts with the same four words as esr_plan_header. */
typedef struct esr_frame_header {
    uint32_t magic;
    uint32_t version;       /* ESR_FRAME_VERSION */
    uint32_t layout;        /* of the weights of ESR_CONV: ESR_LAYOUT_... */
    uint32_t bytes;         /* of the whole plan */
    uint32_t buffers;       /* number of records, like the next two */
    uint32_t operators;
    uint32_t entries;
    uint32_t in_buffer;     /* index of the input's buffer */
    uint32_t outputs;       /* number of records; each is the index of a buffer, 32 bits */
    uint32_t latency;       /* input rows, as in esr_info */
    uint32_t buffer_bytes;  /* of buffers and scratch memory together; a multiple of 4 */
} esr_frame_header;

/* A ring buffer of rows. Row r lies in slot r modulo depth. A row is stored as padding, pixels,
 * padding, rounded up to a multiple of 4 bytes. */
typedef struct esr_frame_buffer {
    uint16_t height;   /* rows of the frame */
    uint16_t width;    /* pixels of a row */
    uint16_t channels;
    uint16_t depth;    /* slots */
    uint16_t top;      /* rows above the frame that kernels read */
    uint16_t bottom;   /* rows below it */
    uint16_t left;     /* columns left of it */
    uint16_t right;    /* columns right of it */
    int32_t zero_point; /* the value of all padding, -128 to 127 */
    uint32_t offset;   /* the buffer's first byte; a multiple of 4 */
} esr_frame_buffer;

/* Kinds of operators: those of esr_plan_kind, and these. */
typedef enum esr_frame_kind {
    ESR_ANY_CONV = ESR_KINDS, /* any stride and dilation; weights: [output][h][w][input of group] */
    ESR_ANY_DEPTHWISE,        /* the same, one input per group; weights: [h][w][output] */
    ESR_MAX_POOL,
    ESR_AVERAGE_POOL,
    ESR_MEAN,                 /* over the axes of size 1 in the output; extra: number of values that
                               * give one, scales: one */
    ESR_SOFTMAX,              /* of each pixel's channels; weights: exp of 0, -1, ... -255, int32 */
    ESR_PAD,                  /* extra: first channel in the output; out_zero_point: the value */
    ESR_RESHAPE,
    ESR_GATHER,               /* copies; weights, uint16: the input row of each output row, then the
                               * column of each column; extra: first channel, stride_w: step */
    ESR_BILINEAR,             /* stride_h, stride_w: input pixels * 1024 per output pixel; extra: 1
                               * if the centers of pixels correspond, 0 if their corners do */
    /* Pooling row by row, where windows do not overlap. The first two add row y of the input to
     * row y - 1 of the output and write row y; the first row of a window starts anew. */
    ESR_SUM_ROWS,             /* row y: int32, the sums of a window's rows up to y */
    ESR_MAX_ROWS,             /* row y: the maxima of a window's rows up to y */
    ESR_AVERAGE_SUMS,         /* of ESR_SUM_ROWS, as ESR_AVERAGE_POOL; extra: width of the map */
    ESR_MEAN_SUMS,            /* the same, as ESR_MEAN */
    ESR_LAST_MAX,             /* of ESR_MAX_ROWS: the row of the whole window */
    ESR_BINARY,               /* of two inputs, value by value; extra: esr_binary_function;
                               * kernel_h, kernel_w, groups: height, width and channels of the
                               * second input, each as in the first or 1; weights: the second
                               * input if it is constant, else 0 */
    ESR_TRANSPOSE             /* extra: the input's axis (0: rows, 1: columns, 2: channels) that
                               * becomes rows | columns << 2 | channels << 4 */
} esr_frame_kind;

/* What ESR_BINARY computes of a left and a right value. */
typedef enum esr_binary_function {
    ESR_BINARY_ADD = 0,  /* scales: of left, right and the sum, as in ESR_ADD */
    ESR_BINARY_SUB,      /* left - right; scales as in ESR_BINARY_ADD */
    ESR_BINARY_SUB_FROM, /* right - left; scales as in ESR_BINARY_ADD */
    ESR_BINARY_MUL,      /* scales: of the product */
    ESR_BINARY_MINIMUM,  /* of the stored values */
    ESR_BINARY_MAXIMUM
} esr_binary_function;

/*
 * A transposed convolution is one operator of kind ESR_CONV or ESR_ANY_CONV for each row of its
 * stride; `extra` is stride of rows | stride of columns << 16, and stride_h and stride_w are 1. The
 * program calls operator i for row y of the frame if (y + top) % stride of rows == i. Then the row
 * is a convolution of the input's rows down to (y + top) / stride of rows, with the pixels between
 * two input pixels as output channels: weights, bias and scales belong to [pixel][output channel].
 * `left` pixels before the frame's are cut off.
 */
typedef struct esr_frame_operator {
    uint32_t kind;       /* esr_plan_kind or esr_frame_kind */
    uint32_t in;         /* index of a buffer, like the next two */
    uint32_t other;      /* second input of ESR_ADD and ESR_BINARY */
    uint32_t out;
    uint16_t kernel_h;   /* ESR_CONCAT, too: kernel_w is the number of repeats */
    uint16_t kernel_w;
    uint16_t stride_h;
    uint16_t stride_w;
    uint16_t dilation_h; /* rows from tap to tap */
    uint16_t dilation_w;
    uint16_t top;        /* rows of padding above the first window; of ESR_PAD: above the input */
    uint16_t left;
    uint32_t groups;
    uint32_t extra;      /* as above, and in esr_plan_kind and esr_frame_kind */
    uint32_t weights;    /* offset in bytes from the plan's start, like the next two */
    uint32_t bias;
    uint32_t scales;
    int32_t low;         /* range of the fused activation, -128 to 127 */
    int32_t high;
    int32_t in_zero_point;
    int32_t other_zero_point;
    int32_t out_zero_point;
    uint32_t scratch;       /* memory of a convolution while it computes a row: the first byte, */
    uint32_t scratch_bytes; /* counted like that of buffers; both are multiples of 4 */
} esr_frame_operator;

#define ESR_FRAME_INPUT 0xffffu /* take an input row, or fill one outside the frame */
#define ESR_FRAME_EMIT 0xfffeu  /* pass a row of output 0 to the sink; of output i: minus i */

typedef struct esr_frame_entry {
    uint16_t action; /* index of an operator, or ESR_FRAME_INPUT, ESR_FRAME_EMIT */
    uint16_t row;    /* of the operator's output, counted from its top padding */
} esr_frame_entry;

#endif
