/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the context model of the lossless bit plane coder.
 * docs/reference/tcz.md specifies it.
 *
 * Each bit is predicted from neighbouring samples: their more significant planes are known, and
 * the current plane too where it has been coded already. An adaptive linear predictor (NLMS,
 * normalized least mean squares) estimates how far the sample lies above or below the threshold
 * between a 0 and a 1. The prediction and the activity (the sum of absolute differences nearby)
 * select one of 192 adaptive contexts.
 *
 * Before a row is coded, everything is known but the bit to the left of each sample. A row is
 * therefore coded in blocks, in three passes: (1) predict all samples, for a left bit of 0 and of
 * 1; (2) code the bits one after the other; (3) update the predictor's weights. Passes 1 and 3
 * have no dependencies between samples, so compilers vectorize their loops.
 */
#include "esr_coder.h"

#include "esr_range.h"

#include <string.h>

#ifndef ESR_HOT
#define ESR_HOT
#endif

#define BLOCK ESR_CODER_BLOCK
#define EDGE ESR_CODER_EDGE

/* The predictor's taps: the differences of neighbours (by compass direction; N, NW, NE and W have
 * been coded in this plane) from the current sample, and the second differences of the previous
 * channel. */
enum { W, N, NW, NE, E, S, SW, SECOND_X, SECOND_Y };

/* Weights are stored in units of 2^-16. Predictions use them in units of 2^-7 and are in 2^-7 half
 * steps. Two half steps are the value of the current plane's bit. */
#define ONE 65536
#define WEIGHT_MAX (2 * ONE)
#define PREDICT_SHIFT 9
#define HALF_STEP 128

/* Weight updates are divided by 2^UPDATE_SHIFT. */
#define UPDATE_SHIFT 6

/* Predictions are clamped to fine bins of 1/8 half step, -BIN_MAX to BIN_MAX. */
#define BIN_SHIFT 4
#define BIN_MAX 80

#define ACTIVITY_MAX 255

static const int32_t first_weights[ESR_CODER_TAPS] = {
    [W] = 24576, [N] = 24576, [NW] = -8192, [E] = 12288, [S] = 12288,
};

/* The prediction bin (0 to 23) of a fine bin, from -BIN_MAX on. The 12 bins on each side of 0 are
 * separated by the thresholds 1, 3, 5, 7, 10, 14, 20, 28, 40, 56 and 80. */
static const uint8_t prediction_bins[2 * BIN_MAX + 1] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5,
    5, 5, 6, 6, 6, 6, 7, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 14, 14, 15, 15, 16, 16, 16, 17,
    17, 17, 17, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19, 20, 20, 20, 20, 20, 20, 20,
    20, 20, 20, 20, 20, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 22, 22, 22,
    22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 23,
};

/* The first of the 24 contexts (one for each prediction bin) of an activity. The 8 classes of
 * activity are separated by the thresholds 3, 6, 10, 16, 26, 44 and 80. */
static const uint8_t first_contexts[256] = {
    0, 0, 0, 24, 24, 24, 48, 48, 48, 48, 72, 72, 72, 72, 72, 72, 96, 96, 96, 96, 96, 96, 96, 96, 96,
    96, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120,
    144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144,
    144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168,
};

/* The NLMS step size of half the activity, h: 2^18 / (8 + h^2), at most 32767. h^2 approximates the
 * energy of the taps, by which NLMS normalizes. */
static const int16_t step_sizes[128] = {
    32767, 29127, 21845, 15420, 10922, 7943, 5957, 4599, 3640, 2945, 2427, 2032, 1724, 1481, 1285,
    1125, 992, 882, 789, 710, 642, 583, 532, 488, 448, 414, 383, 355, 330, 308, 288, 270, 254, 238,
    225, 212, 201, 190, 180, 171, 163, 155, 147, 141, 134, 128, 123, 118, 113, 108, 104, 100, 96,
    93, 89, 86, 83, 80, 77, 75, 72, 70, 68, 65, 63, 61, 60, 58, 56, 54, 53, 51, 50, 49, 47, 46, 45,
    44, 43, 41, 40, 39, 38, 38, 37, 36, 35, 34, 33, 33, 32, 31, 30, 30, 29, 29, 28, 27, 27, 26, 26,
    25, 25, 24, 24, 23, 23, 22, 22, 22, 21, 21, 20, 20, 20, 19, 19, 19, 18, 18, 18, 17, 17, 17, 17,
    16, 16, 16,
};

/* The position of a block in the samples. */
typedef struct position {
    const uint8_t *channel; /* the first sample of the channel */
    uint32_t y;
    uint32_t x;             /* of the block's first sample */
    uint32_t count;         /* samples of the block */
    unsigned plane;         /* 7: the most significant */
    int is_first;           /* whether the channel is the first one */
} position;

static inline int clamp(int value, int limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

static inline int magnitude(int value)
{
    return value < 0 ? -value : value;
}

/* Shift samples right to the current plane. `ones` is 0x01010101 to set the plane's own bit, where
 * it is not coded yet, else 0. */
static inline void shift_samples(uint8_t *to, const uint8_t *from, uint32_t count, unsigned plane,
                                 uint32_t ones)
{
    const uint32_t mask = (0xFFu >> plane) * 0x01010101u;
    uint32_t i = 0;
    uint32_t four;

    for (; i + sizeof four <= count; i += sizeof four) {
        memcpy(&four, from + i, sizeof four);
        four = (four >> plane & mask) | ones;
        memcpy(to + i, &four, sizeof four);
    }
    for (; i < count; i++) {
        to[i] = (uint8_t)(from[i] >> plane | (ones & 1u));
    }
}

/* Load the row at `offset_y` (-1, 0, 1) from the block, with its left and right neighbours. Beyond
 * the frame the nearest row or sample is repeated. */
static inline void load_row(uint8_t *row, const esr_coder_shape *shape, const position *at,
                            int offset_y, uint32_t ones)
{
    const uint32_t y = offset_y < 0   ? at->y - (at->y > 0)
                       : offset_y > 0 ? at->y + (at->y + 1 < shape->height)
                                      : at->y;
    const uint32_t lead = at->x > 0;
    const uint32_t trail = at->x + at->count < shape->width;
    const uint8_t *from = at->channel + (size_t)y * shape->width + at->x;
    uint8_t *to = row + EDGE;

    shift_samples(to, from, at->count + trail, at->plane, ones);
    to[-1] = lead != 0 ? (uint8_t)(from[-1] >> at->plane | (ones & 1u)) : to[0];
    if (trail == 0) {
        to[at->count] = to[at->count - 1];
    }
}

static void load_rows(esr_coder_block *block, const esr_coder_shape *shape, const position *at)
{
    const uint32_t ones = 0x01010101u;

    load_row(block->above, shape, at, -1, at->y > 0 ? 0 : ones);
    load_row(block->here, shape, at, 0, ones);
    load_row(block->below, shape, at, 1, ones);
    if (!at->is_first) {
        position previous = *at;

        previous.channel -= (size_t)shape->height * shape->width;
        for (int i = 0; i < 3; i++) {
            load_row(block->previous[i], shape, &previous, i - 1, 0);
        }
    }
}

/* The second differences of the previous channel, negated. */
static inline void difference_previous(esr_coder_block *block, uint32_t count)
{
    const uint8_t *above = block->previous[0] + EDGE;
    const uint8_t *here = block->previous[1] + EDGE;
    const uint8_t *below = block->previous[2] + EDGE;

    for (uint32_t i = 0; i < count; i++) {
        block->second_x[i] = (int16_t)(2 * here[i] - here[(ptrdiff_t)i - 1] - here[i + 1]);
        block->second_y[i] = (int16_t)(2 * here[i] - above[i] - below[i]);
    }
}

/* The activity of each sample: the sum of absolute differences nearby, in half steps. */
static inline void measure_activity(esr_coder_block *block, uint32_t count)
{
    const uint8_t *above = block->above + EDGE;
    const uint8_t *here = block->here + EDGE;
    const uint8_t *below = block->below + EDGE;

    for (uint32_t i = 0; i < count; i++) {
        const int w = 2 * here[(ptrdiff_t)i - 1];
        const int e = 2 * here[i + 1];
        const int n = 2 * above[i] + 1;
        const int s = 2 * below[i];
        const int own = 2 * here[i];
        const int activity = magnitude(w - e) + magnitude(n - s) +
                             magnitude(w - 2 * above[(ptrdiff_t)i - 1] - 1) +
                             magnitude(n - 2 * above[i + 1] - 1) +
                             (magnitude(w + e - 2 * own) >> 1) +
                             (magnitude(n + s - 2 * own) >> 1) + magnitude(block->second_x[i]) +
                             magnitude(block->second_y[i]);

        block->activity[i] = (uint8_t)(activity < ACTIVITY_MAX ? activity : ACTIVITY_MAX);
    }
}

static inline uint8_t fine_bin(int16_t prediction)
{
    return (uint8_t)(clamp(prediction >> BIN_SHIFT, BIN_MAX) + BIN_MAX);
}

/* Predict all samples of the block. Sums wrap around at 16 bits. */
static inline void predict(esr_coder_block *block, const int32_t *weights, uint32_t count)
{
    const uint8_t *above = block->above + EDGE;
    const uint8_t *here = block->here + EDGE;
    const uint8_t *below = block->below + EDGE;
    int16_t rounded[ESR_CODER_TAPS];
    int sum = 0; /* of the neighbours' weights: all of them subtract the current sample */

    for (int i = 0; i < ESR_CODER_TAPS; i++) {
        rounded[i] = (int16_t)((weights[i] + (1 << (PREDICT_SHIFT - 1))) >> PREDICT_SHIFT);
        sum += i < SECOND_X ? rounded[i] : 0;
    }
    const int16_t w = rounded[W], n = rounded[N], nw = rounded[NW], ne = rounded[NE];
    const int16_t e = rounded[E], s = rounded[S], sw = rounded[SW];
    const int16_t second_x = rounded[SECOND_X], second_y = rounded[SECOND_Y];
    const int16_t own = (int16_t)sum;
    const int16_t rest = (int16_t)(n + nw + ne - w);

    for (uint32_t i = 0; i < count; i++) {
        const int half = w * here[(ptrdiff_t)i - 1] + e * here[i + 1] +
                         nw * above[(ptrdiff_t)i - 1] + n * above[i] + ne * above[i + 1] +
                         sw * below[(ptrdiff_t)i - 1] + s * below[i] - own * here[i];
        const int prediction =
            2 * half + second_x * block->second_x[i] + second_y * block->second_y[i] + rest;

        block->prediction[i] = (int16_t)(uint16_t)prediction;
    }
    for (uint32_t i = 0; i < count; i++) {
        block->fine_bins[0][i] = fine_bin(block->prediction[i]);
        block->fine_bins[1][i] = fine_bin((int16_t)(uint16_t)(block->prediction[i] + 2 * w));
    }
}

ESR_HOT static void prepare(esr_coder_block *block, const int32_t *weights, uint32_t count,
                            int is_first)
{
    if (is_first) {
        memset(block->second_x, 0, sizeof block->second_x);
        memset(block->second_y, 0, sizeof block->second_y);
    } else {
        difference_previous(block, count);
    }
    measure_activity(block, count);
    predict(block, weights, count);
}

/* NLMS update: hinge error (margin: half a step) times the step size, which is in `error` before.
 * `weight` is that of W: the predictions were made for a left bit of 0. */
static inline void scale_errors(esr_coder_block *block, int32_t weight, uint32_t count)
{
    const int16_t twice = (int16_t)(2 * ((weight + (1 << (PREDICT_SHIFT - 1))) >> PREDICT_SHIFT));

    for (uint32_t i = 0; i < count; i++) {
        const int16_t prediction =
            (int16_t)(uint16_t)(block->prediction[i] + twice * block->bits[i]);
        const int16_t sign = (int16_t)(2 * block->bits[i + 1] - 1);
        const int16_t clamped = (int16_t)clamp(prediction, HALF_STEP);
        const int16_t margin = (int16_t)(clamped * sign);
        const int16_t hinge = (int16_t)(HALF_STEP - (margin > 0 ? margin : 0));
        const int16_t error = (int16_t)(hinge * sign * 64);

        block->error[i] = (int16_t)((error * block->error[i] + (1 << 14)) >> 15);
    }
}

static inline int32_t updated(int32_t weight, int32_t correlation)
{
    return clamp(weight + ((correlation + (1 << (UPDATE_SHIFT - 1))) >> UPDATE_SHIFT), WEIGHT_MAX);
}

/* Correlation of the error with a row's left, centre and right neighbours. */
typedef struct correlation {
    int32_t left;
    int32_t centre;
    int32_t right;
} correlation;

static inline correlation correlate_row(const int16_t *error, const uint8_t *row, uint32_t count)
{
    int32_t left = 0;
    int32_t centre = 0;
    int32_t right = 0;

    for (uint32_t i = 0; i < count; i++) {
        left += error[i] * (int16_t)row[(ptrdiff_t)i - 1];
        centre += error[i] * (int16_t)row[i];
        right += error[i] * (int16_t)row[i + 1];
    }
    const correlation sums = {left, centre, right};

    return sums;
}

static inline int32_t correlate_bits(const int16_t *error, const uint8_t *bits, uint32_t count)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        sum += error[i] * (int16_t)bits[i];
    }
    return sum;
}

static inline int32_t correlate_second(const int16_t *error, const int16_t *differences,
                                       uint32_t count)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        sum += error[i] * differences[i];
    }
    return sum;
}

/* Move the weights along the correlation of the scaled errors with the taps. */
ESR_HOT static void update_weights(esr_coder_block *block, int32_t *weights, uint32_t count,
                                   int is_first)
{
    const int16_t *error = block->error;
    int32_t all = 0;

    scale_errors(block, weights[W], count);
    for (uint32_t i = 0; i < count; i++) {
        all += error[i];
    }
    const correlation above = correlate_row(error, block->above + EDGE, count);
    const correlation here = correlate_row(error, block->here + EDGE, count);
    const correlation below = correlate_row(error, block->below + EDGE, count);
    const int32_t bits = correlate_bits(error, block->bits, count);
    const int32_t own = 2 * here.centre;
    const int32_t coded = own - all;

    weights[W] = updated(weights[W], 2 * (here.left + bits) - own - all);
    weights[N] = updated(weights[N], 2 * above.centre - coded);
    weights[NW] = updated(weights[NW], 2 * above.left - coded);
    weights[NE] = updated(weights[NE], 2 * above.right - coded);
    weights[E] = updated(weights[E], 2 * here.right - own);
    weights[S] = updated(weights[S], 2 * below.centre - own);
    weights[SW] = updated(weights[SW], 2 * below.left - own);
    if (!is_first) {
        weights[SECOND_X] =
            updated(weights[SECOND_X], correlate_second(error, block->second_x, count));
        weights[SECOND_Y] =
            updated(weights[SECOND_Y], correlate_second(error, block->second_y, count));
    }
}

/* The context of sample i. `left_mask` is all ones if the bit to the left is 1, else 0. */
static inline esr_context *select_context(esr_coder *coder, uint32_t i, uint32_t left_mask)
{
    esr_coder_block *block = &coder->block;
    const uint32_t activity = block->activity[i];
    const uint32_t if_0 = prediction_bins[block->fine_bins[0][i]];
    const uint32_t if_1 = prediction_bins[block->fine_bins[1][i]];

    block->error[i] = step_sizes[activity >> 1];
    return &coder->contexts[first_contexts[activity] + (if_0 ^ ((if_0 ^ if_1) & left_mask))];
}

static void encode_bits(esr_coder *coder, const uint8_t *row, uint32_t count)
{
    esr_range *range = &coder->range;
    esr_interval in = esr_range_load_interval(range);
    uint8_t *bits = coder->block.bits;
    uint32_t mask = 0u - bits[0];

    for (uint32_t i = 0; i < count; i++) {
        esr_context *context = select_context(coder, i, mask);

        mask = 0u - (row[i] >> coder->planes_left & 1u);
        esr_range_encode(range, &in, context, mask);
        bits[i + 1] = mask & 1u;
    }
    esr_range_store_interval(range, &in);
}

static void decode_bits(esr_coder *coder, uint8_t *row, uint32_t count)
{
    const uint32_t one = (uint32_t)1 << coder->planes_left;
    esr_range *range = &coder->range;
    esr_interval in = esr_range_load_interval(range);
    uint8_t *bits = coder->block.bits;
    uint32_t mask = 0u - bits[0];

    for (uint32_t i = 0; i < count; i++) {
        mask = esr_range_decode(range, &in, select_context(coder, i, mask));
        bits[i + 1] = mask & 1u;
        row[i] = (uint8_t)(row[i] | (mask & one));
    }
    esr_range_store_interval(range, &in);
}

/* Code a row block by block; `out` is null when encoding. */
static void code_row(esr_coder *coder, position *at, int32_t *weights, uint8_t *out)
{
    const esr_coder_shape *shape = &coder->shape;
    esr_coder_block *block = &coder->block;
    const size_t row = (size_t)at->y * shape->width;

    block->bits[0] = 0;
    for (at->x = 0; at->x < shape->width; at->x += BLOCK) {
        const uint32_t left = shape->width - at->x;

        at->count = left < BLOCK ? left : BLOCK;
        load_rows(block, shape, at);
        prepare(block, weights, at->count, at->is_first);
        if (out == NULL) {
            encode_bits(coder, at->channel + row + at->x, at->count);
        } else {
            decode_bits(coder, out + row + at->x, at->count);
        }
        update_weights(block, weights, at->count, at->is_first);
        block->bits[0] = block->bits[at->count];
    }
}

/* Code all rows of all channels; `out` is null when encoding. */
static void code_rows(esr_coder *coder, const uint8_t *samples, uint8_t *out)
{
    const esr_coder_shape *shape = &coder->shape;
    const size_t size = (size_t)shape->height * shape->width;

    for (uint32_t i = 0; i < shape->channels; i++) {
        position at = {samples + i * size, 0, 0, 0, coder->planes_left, i == 0};

        for (; at.y < shape->height && coder->range.stopped == 0; at.y++) {
            code_row(coder, &at, coder->weights[i], out == NULL ? NULL : out + i * size);
        }
    }
}

static int is_valid_size(uint32_t size)
{
    return size >= 1 && size <= ESR_CODER_SIDE;
}

esr_coder_status esr_coder_begin(esr_coder *coder, const esr_coder_shape *shape)
{
    if (coder == NULL || shape == NULL) {
        return ESR_CODER_NULL;
    }
    coder->planes_left = 0;
    if (!is_valid_size(shape->width) || !is_valid_size(shape->height) || shape->channels < 1 ||
        shape->channels > ESR_CODER_CHANNELS ||
        shape->width > PTRDIFF_MAX / ESR_CODER_CHANNELS / shape->height) {
        return ESR_CODER_SHAPE;
    }
    coder->shape = *shape;
    coder->planes_left = ESR_CODER_PLANES;
    for (int i = 0; i < ESR_CODER_CHANNELS; i++) {
        memcpy(coder->weights[i], first_weights, sizeof first_weights);
    }
    for (int i = 0; i < ESR_CODER_CONTEXTS; i++) {
        esr_context_reset(&coder->contexts[i]);
    }
    return ESR_CODER_OK;
}

esr_coder_status esr_encode_plane(esr_coder *coder, const uint8_t *samples, esr_put put,
                                  void *user)
{
    if (coder == NULL || samples == NULL || put == NULL) {
        return ESR_CODER_NULL;
    }
    if (coder->planes_left == 0) {
        return ESR_CODER_ENDED;
    }
    coder->planes_left--;
    esr_range_start(&coder->range, user);
    coder->range.put = put;
    code_rows(coder, samples, NULL);
    esr_range_finish(&coder->range);
    if (coder->range.stopped != 0) {
        coder->planes_left = 0;
        return ESR_CODER_STOPPED;
    }
    return ESR_CODER_OK;
}

esr_coder_status esr_decode_plane(esr_coder *coder, uint8_t *samples, esr_take take, void *user)
{
    if (coder == NULL || samples == NULL || take == NULL) {
        return ESR_CODER_NULL;
    }
    if (coder->planes_left == 0) {
        return ESR_CODER_ENDED;
    }
    coder->planes_left--;
    esr_range_start(&coder->range, user);
    coder->range.take = take;
    esr_range_open(&coder->range);
    code_rows(coder, samples, samples);
    return ESR_CODER_OK;
}

int esr_put_bytes(void *user, const uint8_t *bytes, size_t count)
{
    esr_bytes *to = user;

    if (count > to->room - to->used) {
        return 1;
    }
    memcpy(to->bytes + to->used, bytes, count);
    to->used += count;
    return 0;
}

size_t esr_take_bytes(void *user, uint8_t *bytes, size_t room)
{
    esr_bytes *from = user;
    const size_t left = from->room - from->used;
    const size_t count = left < room ? left : room;

    if (count > 0) {
        memcpy(bytes, from->bytes + from->used, count);
        from->used += count;
    }
    return count;
}

uint32_t esr_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };

    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

size_t esr_coder_bytes(void)
{
    return sizeof(esr_coder);
}
