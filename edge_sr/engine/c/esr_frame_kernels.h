/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the kernels of operators that only frame plans have. Each computes one
 * row, as those of esr_kernels.h do. Kernels for families of processors replace some of them.
 */
#ifndef ESR_FRAME_KERNELS_H
#define ESR_FRAME_KERNELS_H

#include "esr_config.h"
#include "esr_kernels.h"

#if ESR_FRAMES

/*
 * Convolutions of any stride and dilation, with compact weights, one byte each, in the order of a
 * .tflite: [output][kernel_h][kernel_w][input of the group]; dsp16: for each two outputs of a group,
 * [four taps][output][tap], windows padded with 0 to a multiple of four taps.
 *
 * Depthwise: [kernel_h][kernel_w][output]; dsp16, if there are at least four inputs of one output
 * each and windows are small, for each four of them: [kernel_w][two rows][two outputs][row][output],
 * a last single row of outputs 2 and 3 in place of the second one, and the others 0. The last four
 * are those that end with the last output.
 */
void esr_any_conv_row(const esr_conv *args);
void esr_any_depthwise_row(const esr_conv *args);

/* The references, and the fallbacks of others. */
void esr_portable_any_conv_row(const esr_conv *args);
void esr_portable_any_depthwise_row(const esr_conv *args);

/* Bytes of one group's weights, and minimum bytes of scratch memory, of esr_any_conv_row(); the same
 * of all groups, of esr_any_depthwise_row(). `inputs`, `outputs`: channels of the group; `pixels`: of
 * an output row. */
uint64_t esr_any_conv_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                   uint32_t outputs);
uint64_t esr_any_conv_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t inputs,
                                    uint32_t pixels);
uint64_t esr_any_depthwise_weight_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                        uint32_t outputs);
uint64_t esr_any_depthwise_scratch_bytes(uint32_t kernel_h, uint32_t kernel_w, uint32_t groups,
                                         uint32_t outputs);

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

/* The columns [*start, *end) of a window that lie in the frame. */
static inline void esr_pool_columns(const esr_pool *args, uint32_t pixel, uint32_t *start,
                                    uint32_t *end)
{
    const uint32_t first = pixel * args->stride_w, last = first + args->kernel_w;
    const uint32_t from = first > args->left ? first - args->left : 0;
    const uint32_t to = last > args->left ? last - args->left : 0;

    *start = from < args->in_pixels ? from : args->in_pixels;
    *end = to < args->in_pixels ? to : args->in_pixels;
}

/* previous: maxima of the window's rows above, or NULL; it may be args->out. */
void esr_max_pool_row(const esr_pool *args, const int8_t *previous);
void esr_average_pool_row(const esr_pool *args);

/* The same in two steps. First sums, pixels * channels: the columns of one row are added to those
 * of the rows above, which are NULL in the first row; `previous` may be `sums`. Then the average of
 * `args->rows` rows; `args->in` is not read. */
void esr_sum_row(const esr_pool *args, const int32_t *previous, int32_t *sums);
void esr_average_sums_row(const esr_pool *args, const int32_t *sums);

/* The mean over rows, and over columns and channels where the output has one: a row of pixels. */
typedef struct esr_mean {
    esr_window in;
    uint32_t rows;
    uint32_t in_pixels;
    uint32_t in_channels;
    uint32_t out_pixels;   /* in_pixels or 1 */
    uint32_t out_channels; /* in_channels or 1 */
    uint32_t count;        /* of values that give one */
    esr_scale scale;       /* includes 1 / count */
    int32_t in_zero_point;
    int32_t out_zero_point;
    int8_t *out;
} esr_mean;

void esr_mean_row(const esr_mean *args);

/* The same of sums over all pixels; rows, in_pixels and in are not read. */
void esr_mean_sums_row(const esr_mean *args, const int32_t *sums);

/* exps: exp(scale * -i) for i from 0 to 255 without integer bits; the output has scale 1/256 and
 * zero point -128. */
void esr_softmax_row(const int8_t *in, int8_t *out, const int32_t *exps, uint32_t pixels,
                     uint32_t channels);

/* Copy some pixels of a row, and of each pixel some channels, evenly spaced. */
typedef struct esr_gather {
    const int8_t *in;         /* the first channel of column 0 */
    uint32_t in_channels;
    const uint16_t *columns;  /* of the input, for each pixel */
    uint32_t channel_step;
    int8_t *out;
    uint32_t pixels;
    uint32_t channels;        /* of the output */
} esr_gather;

void esr_gather_row(const esr_gather *args);

/* A function of two rows, value by value; `right` can have one pixel or one channel for all. */
typedef struct esr_binary {
    const int8_t *left;
    const int8_t *right;
    uint32_t function;       /* esr_binary_function */
    uint32_t pixels;
    uint32_t channels;
    uint32_t right_pixels;   /* pixels or 1 */
    uint32_t right_channels; /* channels or 1 */
    const esr_scale *scales; /* as in esr_binary_function */
    int32_t left_zero_point;
    int32_t right_zero_point;
    int32_t out_zero_point;
    int32_t low;
    int32_t high;
    int8_t *out;
} esr_binary;

void esr_binary_row(const esr_binary *args);

/* Positions of bilinear interpolation along an axis, in fixed point with 10 bits after the point:
 * output i lies at i * step + offset of the input. */
#define ESR_POSITION_BITS 10
#define ESR_POSITION_ONE (1 << ESR_POSITION_BITS)

static inline int32_t esr_position_offset(uint32_t step, uint32_t centers)
{
    return centers ? (int32_t)(step / 2) - ESR_POSITION_ONE / 2 : 0;
}

/* The neighbours of a position, and its distance from the lower one. */
typedef struct esr_neighbours {
    uint32_t lower;
    uint32_t upper;
    int32_t distance; /* below 0 only if both are equal */
} esr_neighbours;

static inline esr_neighbours esr_neighbours_of(int32_t position, uint32_t last)
{
    const uint32_t lower = position < 0 ? 0 : (uint32_t)position >> ESR_POSITION_BITS;
    const int inside = position > 0 && lower < last && position % ESR_POSITION_ONE != 0;
    const esr_neighbours result = {lower, inside ? lower + 1 : lower,
                                   position - (int32_t)(lower << ESR_POSITION_BITS)};

    return result;
}

/* A row between two rows, interpolated along both axes. */
typedef struct esr_bilinear {
    const int8_t *above;
    const int8_t *below;
    int32_t distance;   /* from the row above */
    uint32_t in_pixels;
    uint32_t channels;
    uint32_t step;      /* of columns */
    int32_t offset;     /* the same */
    uint32_t pixels;
    int8_t *out;
} esr_bilinear;

void esr_bilinear_row(const esr_bilinear *args);

#endif

#endif
