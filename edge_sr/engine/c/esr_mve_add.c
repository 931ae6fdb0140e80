/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: additions for Cortex-M with Helium, four values at once. */
#include "esr_kernels.h"

#if ESR_LAYOUT == ESR_LAYOUT_MVE8

#include "esr_mve_quad.h"

/* A scale, its shift divided into left, 0 or more, and right, 0 or less. */
typedef struct scale {
    int32_t multiplier, left;
    int32x4_t right;
} scale;

static scale split(esr_scale from)
{
    const scale result = {from.multiplier, from.shift > 0 ? from.shift : 0,
                          vdupq_n_s32(from.shift < 0 ? from.shift : 0)};

    return result;
}

/* esr_multiply() of values that are first shifted left by `more` bits. */
ESR_INLINE int32x4_t multiply(int32x4_t values, const scale *by, int32_t more)
{
    const int32x4_t shifted = vshlq_r_s32(values, by->left + more);

    return esr_divide_quad(vqrdmulhq_n_s32(shifted, by->multiplier), by->right);
}

/* Compute four values after the other; or the first ones of four. */
ESR_INLINE void add_quads(const esr_add *args, size_t first, size_t quads, mve_pred16_t lanes,
                          int all)
{
    const scale left_scale = split(args->scales[0]), right_scale = split(args->scales[1]);
    const scale out_scale = split(args->scales[2]);
    const int32x4_t low = vdupq_n_s32(args->low), high = vdupq_n_s32(args->high);
    const int32_t left_zero_point = args->left_zero_point, zero_point = args->out_zero_point;
    const int32_t right_zero_point = args->right_zero_point;
    const int8_t *left = args->left + first, *right = args->right + first;
    int8_t *out = args->out + first;

    for (; quads > 0; quads--, left += ESR_QUAD, right += ESR_QUAD, out += ESR_QUAD) {
        const int32x4_t a = all ? vldrbq_s32(left) : vldrbq_z_s32(left, lanes);
        const int32x4_t b = all ? vldrbq_s32(right) : vldrbq_z_s32(right, lanes);
        const int32x4_t sum =
            vaddq_s32(multiply(vsubq_n_s32(a, left_zero_point), &left_scale, 20),
                      multiply(vsubq_n_s32(b, right_zero_point), &right_scale, 20));
        const int32x4_t value = vaddq_n_s32(multiply(sum, &out_scale, 0), zero_point);

        esr_store_bytes(out, vminq_s32(vmaxq_s32(value, low), high), lanes, all);
    }
}

void esr_add_row(const esr_add *args)
{
    const size_t rest = args->count % ESR_QUAD;

    add_quads(args, 0, args->count / ESR_QUAD, vctp32q(ESR_QUAD), 1);
    if (rest > 0) {
        add_quads(args, args->count - rest, 1, vctp32q((uint32_t)rest), 0);
    }
}

#endif
