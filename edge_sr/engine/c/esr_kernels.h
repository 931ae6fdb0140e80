/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the kernels. Each computes one row of one operator. esr_kernels.c has
 * portable kernels for any processor; esr_dsp.c and esr_mve.c replace convolutions and PReLU for
 * their layouts (esr_layout.h), with the same bits.
 *
 * Rows are NHWC int8: `pixels` x channels. esr_open has checked all sizes. `in` and `out` do not
 * overlap or are equal (a unary operator or an addition in place).
 */
#ifndef ESR_KERNELS_H
#define ESR_KERNELS_H

#include "esr_config.h"
#include "esr_layout.h"
#include "esr_rounding.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ESR_INLINE static inline __attribute__((always_inline))
#define ESR_NOINLINE __attribute__((noinline))
#else
#define ESR_INLINE static inline
#define ESR_NOINLINE
#endif

/* The rows of a ring buffer that a kernel reads: row i lies in slot (first + i) % depth. */
typedef struct esr_window {
    const int8_t *ring;  /* slot 0, at the leftmost column that the first output pixel reads */
    size_t row_bytes;    /* from slot to slot */
    uint32_t first;      /* slot of row 0 */
    uint32_t depth;      /* slots */
} esr_window;

static inline const int8_t *esr_window_row(const esr_window *window, uint32_t row)
{
    const uint32_t slot = window->first + row; /* first < depth, and row < depth */

    return window->ring + window->row_bytes * (slot < window->depth ? slot : slot - window->depth);
}

/*
 * Convolution. The padding is in the ring buffer already: it holds the input's zero point, whose
 * part in each sum has been subtracted from the bias.
 *
 * weights, in the layout of esr_layout.h, for each group:
 * simd: for each block of up to 16 outputs: [kernel_h][kernel_w][inputs][lanes];
 * dsp16: int16, for each two outputs: [four taps][output][tap]. The taps of a window are
 *     [kernel_w][kernel_h][inputs]; each column is padded with 0 to an even number, the window to a
 *     multiple of 8. If the number of inputs is a multiple of four, each four of them are in the
 *     order 0, 2, 1, 3;
 * mve8: for each four outputs: [sixteen taps][output][tap]. The taps of a window are
 *     [kernel_w][kernel_h][inputs], padded with 0 to a multiple of 16.
 * Depthwise (one input per group), in every layout: [kernel_h][kernel_w][out_channels].
 */
typedef struct esr_conv {
    esr_window in;
    uint32_t pixels;
    uint32_t kernel_h;
    uint32_t kernel_w;
    uint32_t in_channels;
    uint32_t out_channels;
    uint32_t groups;          /* divides in_channels and out_channels */
    uint32_t stride_w;        /* columns from window to window; 1 of esr_depthwise_row() */
#if ESR_FRAMES
    uint32_t dilation_h;      /* rows from tap to tap */
    uint32_t dilation_w;
#endif
    const int8_t *weights;
    const int32_t *bias;      /* out_channels */
    const esr_scale *scales;  /* out_channels */
    int32_t out_zero_point;
    int32_t low;              /* range of the fused activation, -128 to 127 */
    int32_t high;
    int8_t *out;
    void *scratch;            /* aligned to 4 bytes, at least esr_conv_scratch_bytes() */
    size_t scratch_bytes;
} esr_conv;

/* 1: esr_conv_row() takes any stride and dilation in frame plans; 0: only 1, as esr_depthwise_row()
 * does. */
#if ESR_FRAMES && ESR_LAYOUT == ESR_LAYOUT_SIMD
#define ESR_CONV_DILATIONS 1
#else
#define ESR_CONV_DILATIONS 0
#endif

/* Dilation, 1 where it is constant. */
static inline uint32_t esr_dilation_h(const esr_conv *args)
{
#if ESR_CONV_DILATIONS
    return args->dilation_h;
#else
    (void)args;
    return 1;
#endif
}

static inline uint32_t esr_dilation_w(const esr_conv *args)
{
#if ESR_CONV_DILATIONS
    return args->dilation_w;
#else
    (void)args;
    return 1;
#endif
}

/* Bytes of one group's weights, and minimum bytes of scratch memory. `inputs`, `outputs`: channels
 * of the group; `stride`: of columns. */
uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs);
uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                uint32_t stride);

/* Lanes of the next block when `outputs` channels of a group are left. */
static inline uint32_t esr_conv_lanes(uint32_t outputs)
{
    return outputs > 8 ? 16 : outputs > 4 ? 8 : 4;
}

void esr_conv_row(const esr_conv *args);
void esr_depthwise_row(const esr_conv *args); /* groups == in_channels */

/*
 * A piecewise linear function of two branches: PReLU, leaky ReLU, ReLU, and rescaling (equal
 * scales). x = in - in_zero_point; out = x >= 0 ? x * positive : sign * (x * alpha[channel] *
 * negative).
 */
typedef struct esr_prelu {
    const int8_t *in;
    int8_t *out;
    uint32_t pixels;
    uint32_t channels;
    const int8_t *alpha;  /* one per channel, or null: all are 1 */
    esr_scale positive;
    esr_scale negative;
    int32_t negate;       /* 1: sign is -1, applied after rounding; 0: sign is 1 */
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t low;
    int32_t high;
} esr_prelu;

void esr_prelu_row(const esr_prelu *args);
void esr_portable_prelu_row(const esr_prelu *args); /* the reference, and the fallback of others */

/* Lookup table: out = table[in + 128], `count` values; the table has 256. */
void esr_lut_row(const int8_t *in, int8_t *out, const int8_t *table, size_t count);

/* Addition: (left * its scale + right * its scale) * out's scale. The inputs are shifted left by 20
 * bits first, as in TensorFlow Lite Micro. */
typedef struct esr_add {
    const int8_t *left;
    const int8_t *right;
    int8_t *out;
    size_t count;
    const esr_scale *scales; /* of left, right and out; shifts are 0 or less */
    int32_t left_zero_point;
    int32_t right_zero_point;
    int32_t out_zero_point;
    int32_t low;
    int32_t high;
} esr_add;

void esr_add_row(const esr_add *args);

/* Copy each pixel's `count` values `repeats` times, side by side, into a pixel of the output. */
typedef struct esr_copy {
    const int8_t *in;
    uint32_t in_step;   /* values from pixel to pixel */
    int8_t *out;
    uint32_t out_step;
    uint32_t count;
    uint32_t repeats;
    uint32_t pixels;
} esr_copy;

void esr_copy_row(const esr_copy *args);

#endif
