/*
 * An adaptive binary range coder: integers only, exact on every machine. docs/tcz.md describes it.
 *
 * Bytes leave through the caller's function and come from it, some at a time. A carry may still
 * change bytes that are known already: the last one is held back together with a count of the 0xFF
 * that follow it. A decoder that runs out of bytes reads zeros, so that no input is undefined.
 */
#ifndef ESR_RANGE_H
#define ESR_RANGE_H

#include "esr_coder.h"

/* Bits of a probability in a context, and of what remains of it in the product with the range. */
#define ESR_CONTEXT_BITS 16
#define ESR_RANGE_BITS 12

/* The range is kept above this: a byte leaves, or comes, whenever it is not. */
#define ESR_RANGE_LOW ((uint32_t)1 << 24)

/* Shifts of the two adaptations; below them a context learns as fast as its count allows. */
#define ESR_FAST_SHIFT 5
#define ESR_SLOW_SHIFT 8
#define ESR_COUNT_MAX 255u

static inline void esr_context_reset(esr_context *context)
{
    context->fast = context->slow = (uint16_t)1 << (ESR_CONTEXT_BITS - 1);
    context->count = 0;
}

/* Of a 1; at least 1 and below 2^ESR_RANGE_BITS, because the two shifts keep off the ends. */
static inline uint32_t esr_context_chance(const esr_context *context)
{
    return ((uint32_t)context->fast + context->slow) >> (1 + ESR_CONTEXT_BITS - ESR_RANGE_BITS);
}

/* The place of the highest 1; value is not 0. */
static inline unsigned esr_log2(uint32_t value)
{
#if defined(__GNUC__)
    return 31u - (unsigned)__builtin_clz(value);
#else
    unsigned place = 0;

    while (value > 1) {
        value >>= 1;
        place++;
    }
    return place;
#endif
}

static inline uint16_t esr_adapt(uint16_t chance, unsigned bit, unsigned shift)
{
    return (uint16_t)(bit != 0 ? chance + ((UINT16_MAX - chance) >> shift)
                               : chance - (chance >> shift));
}

static inline void esr_context_learn(esr_context *context, unsigned bit)
{
    const unsigned young = esr_log2((uint32_t)context->count + 1) + 1;

    context->fast = esr_adapt(context->fast, bit, young < ESR_FAST_SHIFT ? young : ESR_FAST_SHIFT);
    context->slow = esr_adapt(context->slow, bit, young < ESR_SLOW_SHIFT ? young : ESR_SLOW_SHIFT);
    context->count = (uint16_t)(context->count + (context->count < ESR_COUNT_MAX));
}

static inline void esr_range_start(esr_range *range, void *user)
{
    range->put = NULL;
    range->take = NULL;
    range->user = user;
    range->low = 0;
    range->range = UINT32_MAX;
    range->waiting = 0;
    range->held = 0;
    range->started = 0;
    range->stopped = 0;
    range->ended = 0;
    range->used = 0;
    range->filled = 0;
}

static inline void esr_range_hand_over(esr_range *range)
{
    if (range->used > 0 && range->stopped == 0) {
        range->stopped = range->put(range->user, range->buffer, range->used) != 0;
    }
    range->used = 0;
}

static inline void esr_range_put(esr_range *range, uint8_t byte)
{
    if (range->used == ESR_RANGE_BUFFER) {
        esr_range_hand_over(range);
    }
    range->buffer[range->used++] = byte;
}

/* The top byte of low leaves, once no carry can reach it. */
static inline void esr_range_shift(esr_range *range)
{
    const uint32_t low = (uint32_t)range->low;
    const uint8_t carry = (uint8_t)(range->low >> 32);

    if (low < 0xFF000000u || carry != 0) {
        if (range->started != 0) { /* before the first byte there is none to hold back */
            esr_range_put(range, (uint8_t)(range->held + carry));
        }
        for (; range->waiting > 0; range->waiting--) {
            esr_range_put(range, (uint8_t)(0xFFu + carry));
        }
        range->started = 1;
        range->held = (uint8_t)(low >> 24);
    } else {
        range->waiting++;
    }
    range->low = (uint32_t)(low << 8);
}

static inline void esr_range_encode(esr_range *range, esr_context *context, unsigned bit)
{
    const uint32_t bound = (range->range >> ESR_RANGE_BITS) * esr_context_chance(context);

    if (bit != 0) {
        range->range = bound;
    } else {
        range->low += bound;
        range->range -= bound;
    }
    esr_context_learn(context, bit);
    while (range->range < ESR_RANGE_LOW) {
        range->range <<= 8;
        esr_range_shift(range);
    }
}

/* As few bytes as tell the final interval from its neighbours, followed by zeros without end. */
static inline void esr_range_finish(esr_range *range)
{
    uint32_t mask = UINT32_MAX >> 8;
    unsigned bytes = 1;

    while (((range->low + mask) & ~(uint64_t)mask) - range->low >= range->range) {
        mask >>= 8;
        bytes++;
    }
    range->low = (range->low + mask) & ~(uint64_t)mask;
    for (unsigned i = 0; i <= bytes; i++) { /* once more, for the byte held back */
        esr_range_shift(range);
    }
    esr_range_hand_over(range);
}

static inline uint8_t esr_range_take(esr_range *range)
{
    if (range->used == range->filled && range->ended == 0) {
        const size_t filled = range->take(range->user, range->buffer, ESR_RANGE_BUFFER);

        range->used = 0;
        range->filled = (uint8_t)(filled < ESR_RANGE_BUFFER ? filled : ESR_RANGE_BUFFER);
        range->ended = filled == 0;
        }
    return range->used < range->filled ? range->buffer[range->used++] : 0;
}

static inline void esr_range_open(esr_range *range)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        value = value << 8 | esr_range_take(range);
    }
    range->low = value; /* of a decoder: how far the number lies above the interval's lower end */
}

static inline unsigned esr_range_decode(esr_range *range, esr_context *context)
{
    const uint32_t bound = (range->range >> ESR_RANGE_BITS) * esr_context_chance(context);
    const uint32_t value = (uint32_t)range->low;
    const unsigned bit = value < bound;

    range->low = bit != 0 ? value : value - bound;
    range->range = bit != 0 ? bound : range->range - bound;
    esr_context_learn(context, bit);
    while (range->range < ESR_RANGE_LOW) {
        range->range <<= 8;
        range->low = (uint32_t)((uint32_t)range->low << 8 | esr_range_take(range));
    }
    return bit;
}

#endif
