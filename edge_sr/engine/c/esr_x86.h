/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: kernels for x86-64, with the same bits as the portable ones. One
 * library contains all sets; esr_open selects the set that an engine runs.
 */
#ifndef ESR_X86_H
#define ESR_X86_H

#include "esr.h"
#include "esr_frame_kernels.h"

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
    void (*prelu_row)(const esr_prelu *args);
    void (*lut_row)(const int8_t *in, int8_t *out, const int8_t *table, size_t count);
    void (*add_row)(const esr_add *args);
    void (*copy_row)(const esr_copy *args);
#if ESR_FRAMES
    void (*any_conv_row)(const esr_conv *args);
    void (*any_depthwise_row)(const esr_conv *args);
#endif
} esr_x86_kernels;

extern const esr_x86_kernels esr_avx2;   /* Haswell, Zen, and later */
extern const esr_x86_kernels esr_avx512; /* with VNNI and VBMI: Ice Lake, Zen 4, and later */

/* The best set, at most `*most`, that this machine can run. Sets `*most` to its number. */
const esr_x86_kernels *esr_x86_choose(esr_kernel_set *most);

/*
 * A convolution's scale in 64 bits. esr_multiply(sum, scale) is (high product + 2^(right - 1) -
 * (sum < 0)) / 2^right, where the high product is (sum * multiplier + 2^30) / 2^31. The same result
 * with one addition and one shift: (sum * multiplier + addend + (sum < 0 ? negative_addend : 0)) /
 * 2^shift. A high product of 0 can be treated as negative, because it is rounded to 0 either way.
 */
typedef struct esr_wide_scale {
    int64_t multiplier;
    int64_t addend;
    int64_t negative_addend;
    int64_t shift;
} esr_wide_scale;

/* Convert a scale. Returns 0 if it shifts left, else 1. */
static inline int esr_widen_scale(esr_wide_scale *to, esr_scale scale)
{
    const int32_t right = -scale.shift;

    if (right < 0) {
        return 0;
    }
    to->multiplier = scale.multiplier;
    to->addend = ((int64_t)1 << 30) + (right > 0 ? (int64_t)1 << (30 + right) : 0);
    to->negative_addend = right > 0 ? -((int64_t)1 << 31) : 0;
    to->shift = 31 + right;
    return 1;
}

/* Maximum shifts of a PReLU scale for which products can be added in 32 bits. */
#define ESR_MAX_BRANCH_LEFT 14
#define ESR_MAX_BRANCH_RIGHT 15

/*
 * One branch (x >= 0 or x < 0) of PReLU in 32 bits. value = x * alpha has 16 bits. The multiplier
 * is split into 16 high and 16 low bits, so that products fit in 32 bits. esr_multiply(value,
 * scale) is (value * high + addend + value * low / 2^16 + (value < 0 ? negative_addend : 0)) /
 * 2^right.
 */
typedef struct esr_branch {
    int32_t high;
    int32_t low;
    int32_t addend;
    int32_t negative_addend;
    int32_t right;
} esr_branch;

static inline esr_branch esr_branch_of(esr_scale scale)
{
    const int32_t half = scale.shift < 0 ? 1 << (14 - scale.shift) : 0;
    const int32_t one = scale.shift > 0 ? 1 << (14 - scale.shift) : 1 << 14;
    const esr_branch branch = {scale.multiplier >> 16, scale.multiplier & 0xffff, one + half,
                               scale.shift < 0 ? -(1 << 15) : 0, 15 - scale.shift};

    return branch;
}

#define ESR_MAX_ALPHAS 4096

/* Repeat the alphas for channels + `more` values, so that `more` can be read from any channel on.
 * */
static inline void esr_repeat_alphas(int8_t *to, const esr_prelu *args, uint32_t more)
{
    for (uint32_t i = 0; i < args->channels + more; i++) {
        to[i] = args->alpha[i % args->channels];
    }
}

/* Whether there is one alpha for each channel and all scales are in range. */
static inline int esr_is_plain_prelu(const esr_prelu *args)
{
    const int32_t positive = args->positive.shift, negative = args->negative.shift;

    return args->alpha != NULL && !args->negate && args->channels <= ESR_MAX_ALPHAS &&
           -ESR_MAX_BRANCH_RIGHT <= positive && positive <= ESR_MAX_BRANCH_LEFT &&
           -ESR_MAX_BRANCH_RIGHT <= negative && negative <= ESR_MAX_BRANCH_LEFT;
}

static inline uint32_t esr_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t esr_round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

#endif

#endif
