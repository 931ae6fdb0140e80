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

/* The scales of four channels, their shifts divided into left and right as in esr_multiply(). */
typedef struct esr_scales {
    int32x4_t multiplier, left, right; /* right: 0 or less */
} esr_scales;

static inline esr_scales esr_split_scales(int32x4_t multiplier, int32x4_t shift)
{
    const int32x4_t zero = vdupq_n_s32(0);
    const esr_scales result = {multiplier, vmaxq_s32(shift, zero), vminq_s32(shift, zero)};

    return result;
}

/* Load the scales of the predicate `lanes`. */
static inline esr_scales esr_load_scales(const esr_scale *from, mve_pred16_t lanes)
{
    const uint32x4_t offsets = vidupq_n_u32(0, 8); /* sizeof *from */
    const int32x4_t shift = vldrwq_gather_offset_z_s32(&from->shift, offsets, lanes);

    return esr_split_scales(vldrwq_gather_offset_z_s32(&from->multiplier, offsets, lanes), shift);
}

/* Load four scales. */
static inline esr_scales esr_load_four_scales(const esr_scale *from)
{
    const int32x4x2_t pairs = vld2q_s32(&from->multiplier);

    return esr_split_scales(pairs.val[0], pairs.val[1]);
}

/* esr_multiply(). */
static inline int32x4_t esr_multiply_quad(int32x4_t value, const esr_scales *by)
{
    return esr_divide_quad(vqrdmulhq_s32(vshlq_s32(value, by->left), by->multiplier), by->right);
}

/* Store 32-bit values as bytes: those of the predicate `lanes`, or all. */
ESR_INLINE void esr_store_bytes(int8_t *out, int32x4_t values, mve_pred16_t lanes, int all)
{
    if (all) {
        vstrbq_s32(out, values);
    } else {
        vstrbq_p_s32(out, values, lanes);
    }
}

/* Requantize and store min(count, 4) channels, from `channel` on, of the pixels [first, first +
 * pixels) of a row. sums: [pixel][4], without bias. In esr_mve.c. */
void esr_store_quad(const esr_conv *args, const int32_t *sums, uint32_t first, uint32_t pixels,
                    uint32_t channel, uint32_t count);

#endif
