/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: an adaptive binary range coder in integer arithmetic, which gives the
 * same bytes on every machine. docs/reference/tcz.md specifies it.
 *
 * Branch-free: coded bits are unpredictable, so masks select instead of branches. The coder writes
 * and reads pairs of bytes and passes them to the caller's function in blocks of up to
 * ESR_RANGE_BUFFER bytes. A carry can still change bytes that were computed earlier. The encoder
 * therefore holds back the last pair and counts the 0xFFFF pairs after it. A decoder that runs out
 * of bytes reads zeros, so every input has a defined result.
 */
#ifndef ESR_RANGE_H
#define ESR_RANGE_H

#include "esr_coder.h"
#include "esr_layout.h"

/* Bits of a probability, whose unit is 2^-16. */
#define ESR_CONTEXT_BITS 16

/* The targets of the estimates after a 0 and after a 1. No probability reaches 0 or 1. */
#define ESR_PROBABILITY_MIN 31
#define ESR_PROBABILITY_MAX 65504

/* The coder renormalizes (shifts two bytes out or in) when the range is below this. */
#define ESR_RANGE_LOW ((uint32_t)1 << 16)

/* Both estimates move by 2^-shift, shift = bit width of count + 1. The fast one stops at 5, the
 * slow one at 8, which is the bit width of ESR_COUNT_MAX + 1. */
#define ESR_FAST_SHIFT 5
#define ESR_COUNT_MAX 127u

#if defined(__GNUC__)
#define ESR_UNLIKELY(condition) __builtin_expect(condition, 0)
#define ESR_RANGE_NOINLINE __attribute__((noinline))
#else
#define ESR_UNLIKELY(condition) (condition)
#define ESR_RANGE_NOINLINE
#endif

static inline void esr_context_reset(esr_context *context)
{
    context->fast_estimate = context->slow_estimate = (uint16_t)1 << (ESR_CONTEXT_BITS - 1);
    context->count = 0;
}

/* The probability of a 1, in 2^-16. */
static inline uint32_t esr_context_probability(const esr_context *context)
{
    return ((uint32_t)context->fast_estimate + context->slow_estimate) >> 1;
}

/* The bit width of a value above 0. */
static inline int esr_bit_width(uint32_t value)
{
#if defined(__GNUC__)
    return 32 - __builtin_clz(value);
#else
    int width = 1;

    for (; value > 1; value >>= 1) {
        width++;
    }
    return width;
#endif
}

/* Move both estimates toward the coded bit. `mask` is all ones for a 1, else 0. */
static inline void esr_context_update(esr_context *context, uint32_t mask)
{
    const int32_t target =
        ESR_PROBABILITY_MIN + (int32_t)(mask & (ESR_PROBABILITY_MAX - ESR_PROBABILITY_MIN));
    const int32_t fast = context->fast_estimate;
    const int32_t slow = context->slow_estimate;
    const int shift = esr_bit_width(context->count + 1u);
    const int fast_shift = shift < ESR_FAST_SHIFT ? shift : ESR_FAST_SHIFT;

    context->fast_estimate = (uint16_t)(fast + ((target - fast) >> fast_shift));
    context->slow_estimate = (uint16_t)(slow + ((target - slow) >> shift));
    context->count = (uint16_t)(context->count + (context->count < ESR_COUNT_MAX));
}

static inline void esr_range_start(esr_range *range, void *user)
{
    range->put = NULL;
    range->take = NULL;
    range->user = user;
    range->low = 0;
    range->range = UINT32_MAX;
    range->pending_pairs = 0;
    range->held_pair = 0;
    range->started = 0;
    range->stopped = 0;
    range->ended = 0;
    range->used = 0;
    range->filled = 0;
}

/* Pass the buffered bytes to the caller's function. */
static inline void esr_range_flush(esr_range *range)
{
    if (range->used > 0 && range->stopped == 0) {
        range->stopped = range->put(range->user, range->buffer, range->used) != 0;
    }
    range->used = 0;
}

static inline void esr_range_put(esr_range *range, uint32_t byte)
{
    if (range->used == ESR_RANGE_BUFFER) {
        esr_range_flush(range);
    }
    range->buffer[range->used++] = (uint8_t)byte;
}

/* Write the pairs that were held back, plus the carry (bit 32 of low). */
static inline void esr_range_release(esr_range *range)
{
    const uint32_t carry = (uint32_t)(range->low >> 32);

    if (range->started != 0) { /* before the first pair nothing is held back */
        esr_range_put(range, (range->held_pair + carry) >> 8);
        esr_range_put(range, range->held_pair + carry);
    }
    for (; range->pending_pairs > 0; range->pending_pairs--) {
        esr_range_put(range, 0xFFu + carry);
        esr_range_put(range, 0xFFu + carry);
    }
}

/* Shift the top pair out of low. It is written once no carry can reach it. */
ESR_RANGE_NOINLINE static void esr_range_shift(esr_range *range)
{
    if (range->low < 0xFFFF0000u || range->low >> 32 != 0) {
        esr_range_release(range);
        range->started = 1;
        range->held_pair = (uint16_t)(range->low >> 16);
    } else {
        range->pending_pairs++;
    }
    range->low = (uint32_t)(range->low << 16);
}

/* A local copy of low and range while a block is coded, so that compilers keep it in registers. */
typedef struct esr_interval {
    uint64_t low;
    uint32_t range;
} esr_interval;

static inline esr_interval esr_range_load_interval(const esr_range *range)
{
    const esr_interval interval = {range->low, range->range};

    return interval;
}

static inline void esr_range_store_interval(esr_range *range, const esr_interval *interval)
{
    range->low = interval->low;
    range->range = interval->range;
}

/* The part of the range that codes a 1 of a probability in 2^-16. */
static inline uint32_t esr_range_bound(uint32_t range, uint32_t probability)
{
    return (uint32_t)((uint64_t)range * probability >> ESR_CONTEXT_BITS);
}

/* Encode one bit, with the probability of a 1. `mask` is all ones for a 1, else 0. */
static inline void esr_range_encode_at(esr_range *range, esr_interval *in, uint32_t probability,
                                       uint32_t mask)
{
    const uint32_t bound = esr_range_bound(in->range, probability);
    const uint32_t rest = in->range - bound;

    in->low += bound & ~mask;
    in->range = rest + ((bound - rest) & mask);
    if (ESR_UNLIKELY(in->range < ESR_RANGE_LOW)) {
        in->range <<= 16;
        range->low = in->low;
        esr_range_shift(range);
        in->low = range->low;
    }
}

/* Encode one bit, and learn from it. */
static inline void esr_range_encode(esr_range *range, esr_interval *in, esr_context *context,
                                    uint32_t mask)
{
    esr_range_encode_at(range, in, esr_context_probability(context), mask);
    esr_context_update(context, mask);
}

/* End the segment: write the fewest bytes that lie in the final interval if zeros follow. */
static inline void esr_range_finish(esr_range *range)
{
    uint32_t mask = UINT32_MAX >> 8;
    int bytes = 1;

    while (((range->low + mask) & ~(uint64_t)mask) - range->low >= range->range) {
        mask >>= 8;
        bytes++;
    }
    range->low = (range->low + mask) & ~(uint64_t)mask;
    esr_range_release(range);
    for (int i = 1; i <= bytes; i++) {
        esr_range_put(range, (uint32_t)range->low >> (32 - 8 * i));
    }
    esr_range_flush(range);
}

/* Read one byte; 0 after the end. */
static inline uint32_t esr_range_take(esr_range *range)
{
    if (range->used == range->filled && range->ended == 0) {
        const size_t filled = range->take(range->user, range->buffer, ESR_RANGE_BUFFER);

        range->used = 0;
        range->filled = (uint8_t)(filled < ESR_RANGE_BUFFER ? filled : ESR_RANGE_BUFFER);
        range->ended = filled == 0;
    }
    return range->used < range->filled ? range->buffer[range->used++] : 0;
}

ESR_RANGE_NOINLINE static uint32_t esr_range_take_pair(esr_range *range)
{
    const uint32_t first = esr_range_take(range);

    return first << 8 | esr_range_take(range);
}

static inline void esr_range_open(esr_range *range)
{
    const uint32_t first = esr_range_take_pair(range);

    /* a decoder's low: the coded number minus the interval's lower end */
    range->low = first << 16 | esr_range_take_pair(range);
}

/* Decode one bit, with the probability of a 1: return all ones for a 1, else 0. */
static inline uint32_t esr_range_decode_at(esr_range *range, esr_interval *in,
                                           uint32_t probability)
{
    const uint32_t bound = esr_range_bound(in->range, probability);
    const uint32_t rest = in->range - bound;
    const uint32_t value = (uint32_t)in->low;
    const uint32_t mask = 0u - (uint32_t)(value < bound);
    uint32_t offset = value - (bound & ~mask);

    in->range = rest + ((bound - rest) & mask);
    if (ESR_UNLIKELY(in->range < ESR_RANGE_LOW)) {
        in->range <<= 16;
        offset = offset << 16 | esr_range_take_pair(range);
    }
    in->low = offset;
    return mask;
}

/* Decode one bit, and learn from it. */
static inline uint32_t esr_range_decode(esr_range *range, esr_interval *in, esr_context *context)
{
    const uint32_t mask = esr_range_decode_at(range, in, esr_context_probability(context));

    esr_context_update(context, mask);
    return mask;
}

#endif
