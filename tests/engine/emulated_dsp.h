/*
 * esr_dsp.h in plain C, so that sanitizers and random networks test esr_dsp.c on the host:
 * -DESR_LAYOUT=1 -include emulated_dsp.h.
 */
#ifndef ESR_DSP_H
#define ESR_DSP_H

#include <stdint.h>

typedef int32_t esr_int16x2;

static inline int32_t wrapped(int64_t value)
{
    return (int32_t)(uint32_t)(uint64_t)value;
}

static inline esr_int16x2 halves(uint32_t low, uint32_t high)
{
    return (int32_t)((uint32_t)(uint16_t)(int8_t)low | (uint32_t)(uint16_t)(int8_t)high << 16);
}

static inline esr_int16x2 esr_even_bytes(uint32_t bytes)
{
    return halves(bytes & 255, bytes >> 16 & 255);
}

static inline esr_int16x2 esr_odd_bytes(uint32_t bytes)
{
    return halves(bytes >> 8 & 255, bytes >> 24);
}

static inline int32_t esr_add_high_product(int32_t sum, int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * b + ((int64_t)1 << 31);

    return wrapped(sum + (product >> 32));
}

/* SMLAD. */
static inline int32_t dual(esr_int16x2 a, esr_int16x2 b, int32_t sum)
{
    const int64_t low = (int64_t)(int16_t)a * (int16_t)b;
    const int64_t high = (int64_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);

    return wrapped(sum + low + high);
}

static inline void esr_add_products(int32_t sums[4], const int32_t bias[2], const esr_int16x2 *left,
                                    const esr_int16x2 *right, const esr_int16x2 *weights,
                                    uint32_t steps)
{
    sums[0] = sums[2] = bias[0];
    sums[1] = sums[3] = bias[1];
    for (uint32_t i = 0; i < 2 * steps; i++, left += 2, right += 2, weights += 4) {
        for (uint32_t tap = 0; tap < 2; tap++) {
            sums[0] = dual(left[tap], weights[tap], sums[0]);
            sums[1] = dual(left[tap], weights[tap + 2], sums[1]);
            sums[2] = dual(right[tap], weights[tap], sums[2]);
            sums[3] = dual(right[tap], weights[tap + 2], sums[3]);
        }
    }
}

static inline int32_t esr_saturate_byte(int32_t value)
{
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

#endif
