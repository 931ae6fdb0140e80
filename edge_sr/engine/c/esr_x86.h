/*
 * Kernels for x86-64, beside the portable ones, with the same bits. One library holds them all;
 * which of them an engine runs is found out when it is opened.
 */
#ifndef ESR_X86_H
#define ESR_X86_H

#include "esr.h"
#include "esr_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__SSE2__) && !defined(ESR_PORTABLE) && \
    ESR_LAYOUT == ESR_LAYOUT_SIMD
#define ESR_X86 1
#else
#define ESR_X86 0
#endif

#if ESR_X86

typedef struct esr_x86_kernels {
    void (*conv_row)(const esr_conv *args);
    void (*depthwise_row)(const esr_conv *args);
    void (*slopes_row)(const esr_slopes *args);
    void (*table_row)(const int8_t *in, int8_t *out, const int8_t *table, size_t count);
    void (*sum_row)(const esr_sum *args);
    void (*copy_row)(const esr_copy *args);
} esr_x86_kernels;

extern const esr_x86_kernels esr_avx2;   /* Haswell, Zen, and later */
extern const esr_x86_kernels esr_avx512; /* with VNNI and VBMI: Ice Lake, Zen 4, and later */

/* The best set that this machine can run, and not beyond `most`, which is set to what it is. */
const esr_x86_kernels *esr_x86_choose(esr_kernel_set *most);

/* A convolution's scales shift right by so much at most where sums, rounding and zero point are
 * added in 64 bits. */
#define ESR_MOST_RIGHT 22

/*
 * A convolution's scale and zero point: what esr_multiply() gives for a sum, plus the zero point, is
 * (high product + 2^(right - 1) - (sum < 0)) / 2^right + zero point, where the high product is
 * (sum * multiplier + 2^30) / 2^31. All of it is added first and shifted once:
 * (sum * multiplier + rest + (sum < 0 ? below : 0)) / 2^shift. A high product of 0 may be taken for
 * a negative one, because both are rounded to 0.
 */
typedef struct esr_wide_scale {
    int64_t multiplier;
    int64_t rest;
    int64_t below;
    int64_t shift;
} esr_wide_scale;

/* Whether there is one: else the scale is not of the usual kind. */
static inline int esr_widen_scale(esr_wide_scale *to, esr_scale scale, int32_t zero_point)
{
    const int32_t right = -scale.shift;

    if (right < 0 || right > ESR_MOST_RIGHT) {
        return 0;
    }
    to->multiplier = scale.multiplier;
    to->rest = ((int64_t)1 << 30) + zero_point * ((int64_t)1 << (31 + right)) +
               (right > 0 ? (int64_t)1 << (30 + right) : 0);
    to->below = right > 0 ? -((int64_t)1 << 31) : 0;
    to->shift = 31 + right;
    return 1;
}

/* A side of slopes shifts by so much at most where its products are added in 32 bits. */
#define ESR_MOST_SIDE_LEFT 14
#define ESR_MOST_SIDE_RIGHT 15

/*
 * One side of slopes with x * alpha = value, which has 16 bits: the multiplier is split in two
 * halves, so that products fit in 32 bits, and
 * (value * high + rest + value * low / 2^16 + (value < 0 ? below : 0)) / 2^right is what
 * esr_multiply() gives.
 */
typedef struct esr_side {
    int32_t high;
    int32_t low;
    int32_t rest;
    int32_t below;
    int32_t right;
} esr_side;

static inline esr_side esr_side_of(esr_scale scale)
{
    const int32_t half = scale.shift < 0 ? 1 << (14 - scale.shift) : 0;
    const int32_t one = scale.shift > 0 ? 1 << (14 - scale.shift) : 1 << 14;
    const esr_side side = {scale.multiplier >> 16, scale.multiplier & 0xffff, one + half,
                           scale.shift < 0 ? -(1 << 15) : 0, 15 - scale.shift};

    return side;
}

#define ESR_MOST_ALPHAS 4096

/* Alphas for a row, and `more` behind them, so that as many can be read from any channel on. */
static inline void esr_repeat_alphas(int8_t *to, const esr_slopes *args, uint32_t more)
{
    for (uint32_t i = 0; i < args->channels + more; i++) {
        to[i] = args->alpha[i % args->channels];
    }
}

/* Whether the slopes are of the kind that PReLU has: one alpha for each channel, usual scales. */
static inline int esr_is_plain_prelu(const esr_slopes *args)
{
    const int32_t positive = args->positive.shift, negative = args->negative.shift;

    return args->alpha != NULL && !args->negate && args->channels <= ESR_MOST_ALPHAS &&
           -ESR_MOST_SIDE_RIGHT <= positive && positive <= ESR_MOST_SIDE_LEFT &&
           -ESR_MOST_SIDE_RIGHT <= negative && negative <= ESR_MOST_SIDE_LEFT;
}

static inline uint32_t esr_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t esr_round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

#endif

#endif
