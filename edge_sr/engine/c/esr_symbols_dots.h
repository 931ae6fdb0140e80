/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the sums of products of esr_symbols.c, for each family of processors.
 * All give the same sums.
 */
#ifndef ESR_SYMBOLS_DOTS_H
#define ESR_SYMBOLS_DOTS_H

#include "esr_layout.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Inputs that lie together in weights: [group][output][ESR_SYMBOLS_GROUP]. */
#define ESR_SYMBOLS_GROUP 16

/* One layer of the network. */
typedef struct esr_symbols_layer {
    const int8_t *weights;
    const int8_t *inputs;
    const uint8_t *groups; /* the groups whose inputs are not all zero, ascending */
    uint32_t count;        /* of groups */
    uint32_t outputs;
} esr_symbols_layer;

/* sums[o] = the sum of inputs times weights of output o. */
typedef void (*esr_symbols_dots)(int32_t *sums, const esr_symbols_layer *layer);

/* The processor's own instructions; a host that emulates those of the kernels has none of them. */
#define ESR_SYMBOLS_MVE 0
#define ESR_SYMBOLS_DSP 0
#if ESR_LAYOUT == ESR_LAYOUT_MVE8 && defined(__ARM_FEATURE_MVE)
#undef ESR_SYMBOLS_MVE
#define ESR_SYMBOLS_MVE 1
#elif ESR_LAYOUT == ESR_LAYOUT_DSP16 && defined(__ARM_FEATURE_DSP)
#undef ESR_SYMBOLS_DSP
#define ESR_SYMBOLS_DSP 1
#endif

#if ESR_SYMBOLS_MVE
#include <arm_mve.h>
#define ESR_SYMBOLS_STEP 8
#elif ESR_SYMBOLS_DSP
#define ESR_SYMBOLS_STEP 4
#else
#define ESR_SYMBOLS_STEP 16
#endif

#if ESR_SYMBOLS_DSP
/* sum + the products of two int16 each. */
static inline int32_t esr_symbols_add_two(int32_t sum, int32_t a, int32_t b)
{
    int32_t result;

    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline int32_t esr_symbols_word(const void *bytes)
{
    int32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}
#endif

/* sum + the products of ESR_SYMBOLS_STEP values. */
static inline int32_t esr_symbols_add_step(int32_t sum, const int16_t *a, const int16_t *b)
{
#if ESR_SYMBOLS_MVE
    return vmladavaq_s16(sum, vldrhq_s16(a), vldrhq_s16(b));
#elif ESR_SYMBOLS_DSP
    sum = esr_symbols_add_two(sum, esr_symbols_word(a), esr_symbols_word(b));
    return esr_symbols_add_two(sum, esr_symbols_word(a + 2), esr_symbols_word(b + 2));
#else
    for (int i = 0; i < ESR_SYMBOLS_STEP; i++) {
        sum += a[i] * b[i];
    }
    return sum;
#endif
}

/* The fastest that this processor has. */
esr_symbols_dots esr_symbols_choose_dots(void);

#endif
