/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: requantizes the sums of esr_dsp.c and esr_dsp_any.c. */
#ifndef ESR_DSP_STORE_H
#define ESR_DSP_STORE_H

#include "esr_dsp.h"
#include "esr_kernels.h"

/* A zero point shifted left by this fits in 32 bits. */
#define ESR_MAX_RIGHT_SHIFT 22

/* The magnitude below which a bias keeps all sums below 2^30. `taps`: of a window, with those of 0
 * that fill it up. */
static inline int32_t esr_plain_limit(uint64_t taps)
{
    return taps < 65536 ? (65536 - (int32_t)taps) * 128 * 128 : 0;
}

/* Whether all sums of a channel are below 2^30 in magnitude and its scale below 1/2 and not tiny.
 */
static inline int esr_is_plain(const esr_conv *args, int32_t limit, uint32_t channel)
{
    const int32_t bias = args->bias[channel], shift = args->scales[channel].shift;

    return bias < limit && bias > -limit && shift < 0 && shift >= -ESR_MAX_RIGHT_SHIFT;
}

static inline esr_plain esr_plain_of(esr_scale scale, int32_t zero_point)
{
    const int32_t right = -scale.shift;
    const esr_plain result = {scale.multiplier, (zero_point * 2 + 1) * (1 << (right - 1)), right};

    return result;
}

/*
 * Store esr_multiply(sum, scale) + zero_point, clamped to int8, of a plain channel. Its sums can be
 * doubled, so that the high product is one instruction. The product has the sign of the sum, so
 * that the sum's sign selects the rounding of ties (a product of 0 stays 0 either way).
 * `step`: sums from pixel to pixel.
 */
ESR_INLINE void esr_store_plain(const esr_conv *args, const int32_t *sums, uint32_t step,
                                int8_t *out, uint32_t pixels, esr_scale scale)
{
    const int32_t multiplier = scale.multiplier, right = -scale.shift;
    const int32_t addend = (args->out_zero_point * 2 + 1) * (1 << (right - 1));
    const uint32_t out_step = args->out_channels;

#pragma GCC unroll 2
    for (; pixels > 0; pixels--, sums += step, out += out_step) {
        const int32_t twice = esr_signed((uint32_t)*sums * 2);
        const int32_t high = esr_add_high_product(addend + (*sums >> 31), twice, multiplier);

        *out = (int8_t)esr_saturate_byte(high >> right);
    }
}

/* The same for any sum and scale. */
ESR_INLINE void esr_store_any(const esr_conv *args, const int32_t *sums, uint32_t step,
                              int8_t *out, uint32_t pixels, esr_scale scale)
{
    const uint32_t out_step = args->out_channels;
    const int32_t zero_point = args->out_zero_point;

    for (; pixels > 0; pixels--, sums += step, out += out_step) {
        *out = esr_store(esr_multiply(*sums, scale), zero_point, -128, 127);
    }
}

/* Clamp values to the range of a fused activation. */
static inline void esr_clamp(int8_t *values, size_t count, int32_t low, int32_t high)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = esr_store(values[i], 0, low, high);
    }
}

#endif
