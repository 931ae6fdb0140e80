/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the kernels of operators that only frame plans have. Each computes one
 * row, as those of esr_kernels.h do; every processor runs these portable ones.
 */
#ifndef ESR_FRAME_KERNELS_H
#define ESR_FRAME_KERNELS_H

#include "esr_config.h"
#include "esr_kernels.h"

#if ESR_FRAMES

/* Convolutions of any stride and dilation, with weights as a .tflite has them, one byte each:
 * [output][kernel_h][kernel_w][input of the group]; depthwise: [kernel_h][kernel_w][output]. */
void esr_any_conv_row(const esr_conv *args);
void esr_any_depthwise_row(const esr_conv *args);

/* Minimum bytes of scratch memory of esr_any_conv_row(). `inputs`: channels of a group. */
uint64_t esr_any_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs);

/* Pooling. `in` has the window's rows that lie in the frame, from column 0 on. */
typedef struct esr_pool {
    esr_window in;
    uint32_t rows;      /* at least 1 */
    uint32_t in_pixels;
    uint32_t channels;
    uint32_t kernel_w;
    uint32_t stride_w;
    uint32_t left;      /* columns of padding, which do not count */
    uint32_t pixels;
    int32_t low;
    int32_t high;
    int8_t *out;
} esr_pool;

void esr_max_pool_row(const esr_pool *args);
void esr_average_pool_row(const esr_pool *args);

/* The mean over all pixels of all rows, which is one pixel. */
typedef struct esr_mean {
    esr_window in;
    uint32_t rows;
    uint32_t in_pixels;
    uint32_t channels;
    uint32_t count;     /* rows * in_pixels */
    esr_scale scale;    /* includes 1 / count */
    int32_t in_zero_point;
    int32_t out_zero_point;
    int8_t *out;
} esr_mean;

void esr_mean_row(const esr_mean *args);

/* exps: exp(scale * -i) for i from 0 to 255 without integer bits; the output has scale 1/256 and
 * zero point -128. */
void esr_softmax_row(const int8_t *in, int8_t *out, const int32_t *exps, uint32_t pixels,
                     uint32_t channels);

#endif

#endif
