/*
 * What computes one row of one operator. esr_kernels.c does it on any machine; esr_dsp.c and
 * esr_mve.c replace its convolutions and slopes where esr_layout.h says so, with the same bits.
 *
 * Rows are NHWC int8: `pixels` x channels. Sizes have been checked by esr_open; where in and out
 * overlap they are equal (a unary operator or an addition in place).
 */
#ifndef ESR_KERNELS_H
#define ESR_KERNELS_H

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

/* A window of rows in a ring: row i lies in slot (first + i) % depth. */
typedef struct esr_window {
    const int8_t *ring;  /* slot 0, at the leftmost column that the first output pixel reads */
    size_t row_bytes;    /* from slot to slot */
    uint32_t first;
    uint32_t depth;
} esr_window;

static inline const int8_t *esr_window_row(const esr_window *window, uint32_t row)
{
    const uint32_t slot = window->first + row; /* first < depth, and row < depth */

    return window->ring + window->row_bytes * (slot < window->depth ? slot : slot - window->depth);
}

/*
 * Convolution, stride 1; the borders are in the ring already, filled with the input's zero point,
 * whose part in each sum has been taken out of the bias.
 *
 * weights, in one of the orders of esr_layout.h, for each group:
 * lanes: for each block of lanes of its outputs: [kernel_h][kernel_w][inputs][lanes];
 * halves: for each two outputs, int16: [four taps][output][tap], where the taps of a window are
 *     [kernel_w][kernel_h][inputs], each column filled up to an even number, the whole to a
 *     multiple of 8; where four divides the inputs, each four of them are in the order 0, 2, 1, 3;
 * bytes: for each four outputs: [sixteen taps][output][tap], where the taps of a window are
 *     [kernel_w][kernel_h][inputs], filled up to a multiple of 16.
 * Depthwise (one input per group), always: [kernel_h][kernel_w][out_channels].
 */
typedef struct esr_conv {
    esr_window in;
    uint32_t pixels;
    uint32_t kernel_h;
    uint32_t kernel_w;
    uint32_t in_channels;
    uint32_t out_channels;
    uint32_t groups;          /* divides both counts of channels */
    const int8_t *weights;
    const int32_t *bias;      /* out_channels */
    const esr_scale *scales;  /* out_channels */
    int32_t out_zero_point;
    int32_t low;              /* range of the fused activation */
    int32_t high;
    int8_t *out;
    void *scratch;            /* whole words, at least esr_conv_scratch_bytes() */
    size_t scratch_bytes;
} esr_conv;

/* Bytes of one group's weights, and the least scratch memory; `inputs`, `outputs`: of the group. */
uint64_t esr_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                               uint32_t outputs);
uint64_t esr_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs);

/* Lanes of the block that starts with so many outputs of a group left. */
static inline uint32_t esr_conv_lanes(uint32_t outputs)
{
    return outputs > 8 ? 16 : outputs > 4 ? 8 : 4;
}

void esr_conv_row(const esr_conv *args);
void esr_depthwise_row(const esr_conv *args); /* groups == in_channels */

/*
 * Two slopes: PReLU, leaky ReLU, ReLU, and rescaling (equal slopes).
 * x = in - in_zero_point; out = x >= 0 ? x * positive : sign * (x * alpha[channel] * negative).
 */
typedef struct esr_slopes {
    const int8_t *in;
    int8_t *out;
    uint32_t pixels;
    uint32_t channels;
    const int8_t *alpha;  /* one per channel, or null: 1 */
    esr_scale positive;
    esr_scale negative;
    int32_t negate;       /* 1: the negative side changes its sign after rounding */
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t low;
    int32_t high;
} esr_slopes;

void esr_slopes_row(const esr_slopes *args);
void esr_portable_slopes_row(const esr_slopes *args); /* the reference, which others fall back on */

/* out = table[in + 128], `count` values. */
void esr_table_row(const int8_t *in, int8_t *out, const int8_t *table, size_t count);

/* left * scale + right * scale, rescaled, all in TFLM's 20 extra bits. */
typedef struct esr_sum {
    const int8_t *left;
    const int8_t *right;
    int8_t *out;
    size_t count;
    const esr_scale *scales; /* of left, right and out; no shift is above 0 */
    int32_t left_zero_point;
    int32_t right_zero_point;
    int32_t out_zero_point;
    int32_t low;
    int32_t high;
} esr_sum;

void esr_sum_row(const esr_sum *args);

/* Copy each pixel's `count` values to its place in wider pixels, `repeats` times side by side. */
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
