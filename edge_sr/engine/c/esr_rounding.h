/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: requantization with the rounding of TensorFlow Lite Micro. Every kernel
 * uses these functions or is tested to give the same bits. Arithmetic that can wrap is unsigned, so
 * that no input is undefined behaviour.
 */
#ifndef ESR_ROUNDING_H
#define ESR_ROUNDING_H

#include <stdint.h>

/* A scale, 0 or more: multiplier * 2^(shift - 31); multiplier 0 to 2^31 - 1, shift -31 to 30. */
typedef struct esr_scale {
    int32_t multiplier;
    int32_t shift;
} esr_scale;

/* The two's complement value of the bits. Compiles to no instruction. */
static inline int32_t esr_signed(uint32_t bits)
{
    return bits <= (uint32_t)INT32_MAX ? (int32_t)bits : -(int32_t)(~bits) - 1;
}

/* value * multiplier / 2^31, rounded to nearest, ties upward (SaturatingRoundingDoublingHighMul;
 * it cannot saturate here, because multipliers are not negative). */
static inline int32_t esr_high_product(int32_t value, int32_t multiplier)
{
    const int64_t product = (int64_t)value * multiplier + ((int64_t)1 << 30);

    return esr_signed((uint32_t)((uint64_t)product >> 31));
}

/* value / 2^exponent, rounded to nearest, ties away from zero (RoundingDivideByPOT).
 * exponent: 0 to 31. value: a high product, which is neither INT32_MIN nor INT32_MAX. */
static inline int32_t esr_divide_by_power(int32_t value, int32_t exponent)
{
    const int32_t nearer = value + (value >> 31);

    return exponent == 0 ? value : ((nearer >> (exponent - 1)) + 1) >> 1;
}

/* value * scale, rounded (MultiplyByQuantizedMultiplier). */
static inline int32_t esr_multiply(int32_t value, esr_scale scale)
{
    const int32_t left = scale.shift > 0 ? scale.shift : 0;
    const int32_t right = scale.shift > 0 ? 0 : -scale.shift;

    return esr_divide_by_power(
        esr_high_product(esr_signed((uint32_t)value << left), scale.multiplier), right);
}

/* value + offset, clamped to [low, high], which lie within int8. */
static inline int8_t esr_store(int32_t value, int32_t offset, int32_t low, int32_t high)
{
    const int32_t sum = esr_signed((uint32_t)value + (uint32_t)offset);

    return (int8_t)(sum < low ? low : sum > high ? high : sum);
}

#endif
