/*
 * Kernels for x86-64, beside the portable ones, with the same bits. One library holds them all;
 * which of them an engine runs is found out when it is opened.
 */
#ifndef ESR_X86_H
#define ESR_X86_H

#include "esr.h"
#include "esr_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__SSE2__) && !defined(ESR_PORTABLE) && \
    ESR_LAYOUT == ESR_LAYOUT_LANES
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

/* A side of slopes shifts by so much at most where its products are added in 32 bits. */
#define ESR_MOST_SIDE_LEFT 14
#define ESR_MOST_SIDE_RIGHT 15

#define ESR_MOST_ALPHAS 4096

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
