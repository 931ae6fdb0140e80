/*
 * An adaptive binary range coder: integers only, exact on every machine. docs/reference/tcz.md describes it.
 *
 * Nothing branches on a bit, which may be a coin's toss: masks choose. Bytes leave and come in pairs,
 * through the caller's function, some at a time. A carry may still change bytes that are known
 * already: the last pair is held back together with a count of the 0xFFFF that follow it. A decoder
 * that runs out of bytes reads zeros, so that no input is undefined.
 */
#ifndef ESR_RANGE_H
#define ESR_RANGE_H

#include "esr_coder.h"

/* Bits of a probability. */
#define ESR_CONTEXT_BITS 16

/* What the estimates move toward, so that no chance is 0 or 1. */
#define ESR_CHANCE_LEAST 31
#define ESR_CHANCE_MOST 65504

/* The range is kept from here on: two bytes leave, or come, whenever it is not. */
#define ESR_RANGE_LOW ((uint32_t)1 << 16)

/* Of the two adaptations' shifts the lower one's limit; below it a context learns as fast as its
 * count allows, and the other one's limit is that of the count. */
#define ESR_FAST_SHIFT 5
#define ESR_COUNT_MAX 127u

#if defined(__GNUC__)
#define ESR_RARELY(condition) __builtin_expect(condition, 0)
#define ESR_APART __attribute__((noinline))
#else
#define ESR_RARELY(condition) (condition)
#define ESR_APART
#endif

static inline void esr_context_reset(esr_context *context)
{
    context->fast = context->slow = (uint16_t)1 << (ESR_CONTEXT_BITS - 1);
    context->count = 0;
}

/* Of a 1. */
static inline uint32_t esr_context_chance(const esr_context *context)
{
    return ((uint32_t)context->fast + context->slow) >> 1;
}

/* How many bits it takes to write a value that is not 0. */
static inline int esr_width(uint32_t value)
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

/* The mask is all ones for a 1. */
static inline void esr_context_learn(esr_context *context, uint32_t mask)
{
    const int32_t goal =
        ESR_CHANCE_LEAST + (int32_t)(mask & (ESR_CHANCE_MOST - ESR_CHANCE_LEAST));
    const int32_t fast = context->fast;
    const int32_t slow = context->slow;
    const int young = esr_width(context->count + 1u);

    context->fast =
        (uint16_t)(fast + ((goal - fast) >> (young < ESR_FAST_SHIFT ? young : ESR_FAST_SHIFT)));
    context->slow = (uint16_t)(slow + ((goal - slow) >> young));
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

static inline void esr_range_put(esr_range *range, uint32_t byte)
{
    if (range->used == ESR_RANGE_BUFFER) {
        esr_range_hand_over(range);
    }
    range->buffer[range->used++] = (uint8_t)byte;
}

/* What was held back leaves, with the carry that has come or not. */
static inline void esr_range_release(esr_range *range)
{
    const uint32_t carry = (uint32_t)(range->low >> 32);

    if (range->started != 0) { /* before the first pair there is none to hold back */
        esr_range_put(range, (range->held + carry) >> 8);
        esr_range_put(range, range->held + carry);
    }
    for (; range->waiting > 0; range->waiting--) {
        esr_range_put(range, 0xFFu + carry);
        esr_range_put(range, 0xFFu + carry);
    }
}

/* The top pair of low leaves, once no carry can reach it. */
ESR_APART static void esr_range_shift(esr_range *range)
{
    if (range->low < 0xFFFF0000u || range->low >> 32 != 0) {
        esr_range_release(range);
        range->started = 1;
        range->held = (uint16_t)(range->low >> 16);
    } else {
        range->waiting++;
    }
    range->low = (uint32_t)(range->low << 16);
}

/* Low and range while bits are coded: apart from the rest, so that a compiler keeps them at hand. */
typedef struct esr_interval {
    uint64_t low;
    uint32_t range;
} esr_interval;

static inline esr_interval esr_range_borrow(const esr_range *range)
{
    const esr_interval interval = {range->low, range->range};

    return interval;
}

static inline void esr_range_return(esr_range *range, const esr_interval *interval)
{
    range->low = interval->low;
    range->range = interval->range;
}

/* How much of the range is a 1's. */
static inline uint32_t esr_range_bound(uint32_t range, const esr_context *context)
{
    return (uint32_t)((uint64_t)range * esr_context_chance(context) >> ESR_CONTEXT_BITS);
}

/* The mask is all ones for a 1. */
static inline void esr_range_encode(esr_range *range, esr_interval *in, esr_context *context,
                                    uint32_t mask)
{
    const uint32_t bound = esr_range_bound(in->range, context);
    const uint32_t rest = in->range - bound;

    in->low += bound & ~mask;
    in->range = rest + ((bound - rest) & mask);
    esr_context_learn(context, mask);
    if (ESR_RARELY(in->range < ESR_RANGE_LOW)) {
        in->range <<= 16;
        range->low = in->low;
        esr_range_shift(range);
        in->low = range->low;
    }
}

/* As few bytes as tell the final interval from its neighbours, followed by zeros without end. */
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
    esr_range_hand_over(range);
}

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

ESR_APART static uint32_t esr_range_take_pair(esr_range *range)
{
    const uint32_t first = esr_range_take(range);

    return first << 8 | esr_range_take(range);
}

static inline void esr_range_open(esr_range *range)
{
    const uint32_t first = esr_range_take_pair(range);

    /* of a decoder: how far the number lies above the interval's lower end */
    range->low = first << 16 | esr_range_take_pair(range);
}

/* All ones for a 1, else 0. */
static inline uint32_t esr_range_decode(esr_range *range, esr_interval *in, esr_context *context)
{
    const uint32_t bound = esr_range_bound(in->range, context);
    const uint32_t rest = in->range - bound;
    const uint32_t value = (uint32_t)in->low;
    const uint32_t mask = 0u - (uint32_t)(value < bound);
    uint32_t left = value - (bound & ~mask);

    in->range = rest + ((bound - rest) & mask);
    esr_context_learn(context, mask);
    if (ESR_RARELY(in->range < ESR_RANGE_LOW)) {
        in->range <<= 16;
        left = left << 16 | esr_range_take_pair(range);
    }
    in->low = left;
    return mask;
}

#endif
