/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: what the kernels for Helium share: the arithmetic of four values. */
#ifndef ESR_MVE_QUAD_H
#define ESR_MVE_QUAD_H

#include "esr_kernels.h"
#include "esr_mve.h"

/* 32-bit values of a vector. */
#define ESR_QUAD 4

/* esr_divide_by_power(), by -right: vrshlq rounds ties upward; subtracting 1 from negative values
 * first rounds them away from zero. */
static inline int32x4_t esr_divide_quad(int32x4_t value, int32x4_t right)
{
    const int32x4_t minus_1_if_negative = vshrq_n_s32(vandq_s32(value, right), 31);

    return vrshlq_s32(vaddq_s32(value, minus_1_if_negative), right);
}

/* esr_multiply(), for shifts that are divided into left (0 or more) and right (0 or less). */
static inline int32x4_t esr_multiply_quad(int32x4_t value, int32x4_t multiplier, int32x4_t left,
                                          int32x4_t right)
{
    return esr_divide_quad(vqrdmulhq_s32(vshlq_s32(value, left), multiplier), right);
}

/* Requantize and store min(count, 4) channels, from `channel` on, of the pixels [first, first +
 * pixels) of a row. sums: [pixel][4], without bias. In esr_mve.c. */
void esr_store_quad(const esr_conv *args, const int32_t *sums, uint32_t first, uint32_t pixels,
                    uint32_t channel, uint32_t count);

#endif
