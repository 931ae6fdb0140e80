/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: inner loops of esr_dsp_any.c, in assembly, because they need all
 * registers and load several words at once. Each takes a record of its operands, which it changes.
 */
#ifndef ESR_DSP_LOOPS_H
#define ESR_DSP_LOOPS_H

#include "esr_dsp_store.h"

/* (low half of a, low half of b), and the same of the high halves. */
static inline esr_int16x2 esr_low_halves(esr_int16x2 a, esr_int16x2 b)
{
    esr_int16x2 result;

    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

static inline esr_int16x2 esr_high_halves(esr_int16x2 a, esr_int16x2 b)
{
    esr_int16x2 result;

    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(b), "r"(a));
    return result;
}

/* Store two words. Returns the address after them. */
static inline esr_int16x2 *esr_put_two(esr_int16x2 *to, esr_int16x2 first, esr_int16x2 second)
{
    __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(to) : "r"(first), "r"(second) : "memory");
    return to;
}

/*
 * ESR_LOOP defines a function of one record, whose address is in r0. The code may change all
 * registers and keeps the stack. Clang cannot free the frame pointer of a single function, so that
 * it gets a function without any code of its own.
 */
#if defined(__clang__)
#define ESR_LOOP(name, type, code)                                          \
    __attribute__((naked, noinline, unused)) static void name(type *record) \
    {                                                                       \
        __asm__ volatile("push {r4-r11, lr}\n\t" code "pop {r4-r11, pc}");  \
    }
#else
#ifndef __OPTIMIZE__
#error "esr_dsp_loops.h needs every register: compile it with -O1 or more, or define ESR_PORTABLE"
#endif
#define ESR_LOOP(name, type, code)                                                              \
    __attribute__((noinline, unused)) static void name(type *record)                            \
    {                                                                                           \
        register type *r0 __asm__("r0") = record;                                               \
                                                                                                \
        __asm__ volatile(code                                                                   \
                         : "+r"(r0)                                                             \
                         :                                                                      \
                         : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11",  \
                           "r12", "lr", "cc", "memory");                                        \
    }
#endif

/*
 * Two channels of several pixels: esr_add_pairs() of two pixels at a time, esr_add_triples() of
 * three. The windows of these two or three pixels are interleaved: [four taps][pixel][tap], int16,
 * the four in the order 0, 2, 1, 3. Weights are [four taps][channel][tap].
 */
typedef struct esr_groups {
    int32_t bias[6];             /* of the channels: 0, 1, 0, 1, 0, 1 */
    const int8_t *weights;
    const int8_t *weights_end;
    const esr_int16x2 *windows;
    const esr_int16x2 *end;      /* of the last window */
    int32_t *sums;               /* [pixel][channel] */
    uint32_t rest;               /* four taps of a window, modulo four */
} esr_groups;

/* Two channels of one pixel. Weights: r6, r7, and even ones in r8, r9; window: lr. */
#define ESR_GROUP_PIXEL(sum0, sum1)           \
    "ldrd r10, r11, [lr], #8\n\t"             \
    "smlad " sum0 ", r10, r8, " sum0 "\n\t"   \
    "smlad " sum1 ", r10, r9, " sum1 "\n\t"   \
    "smlad " sum0 ", r11, r6, " sum0 "\n\t"   \
    "smlad " sum1 ", r11, r7, " sum1 "\n\t"

#define ESR_GROUP_WEIGHTS       \
    "ldrd r6, r7, [r12], #8\n\t"\
    "sxtb16 r8, r6\n\t"         \
    "sxtb16 r9, r7\n\t"         \
    "sxtb16 r6, r6, ror #8\n\t" \
    "sxtb16 r7, r7, ror #8\n\t"

/* `sums`: r0 to r3, or to r5; weights: r12. The stack has the record and the end of the weights. */
#define ESR_GROUPS(sums, first, step) \
    "ldr r1, [r0, #28]\n\t"           \
    "push {r0, r1}\n\t"               \
    "ldr lr, [r0, #32]\n"             \
    "1:\n\t"                          \
    "ldr r12, [sp]\n\t"               \
    "ldr r10, [r12, #44]\n\t"         \
    "add r12, r12, #" first "\n\t"    \
    "ldm r12, {" sums ", r12}\n\t"    \
    "cmp r10, #2\n\t"                 \
    "beq 4f\n\t"                      \
    "bhi 3f\n\t"                      \
    "cmp r10, #1\n\t"                 \
    "beq 5f\n"                        \
    "2:\n\t" step                     \
    "3:\n\t" step                     \
    "4:\n\t" step                     \
    "5:\n\t" step                     \
    "ldr r7, [sp, #4]\n\t"            \
    "cmp r12, r7\n\t"                 \
    "bne 2b\n\t"                      \
    "ldr r6, [sp]\n\t"                \
    "ldrd r7, r8, [r6, #36]\n\t"      \
    "stm r8!, {" sums "}\n\t"         \
    "str r8, [r6, #40]\n\t"           \
    "cmp lr, r7\n\t"                  \
    "bne 1b\n\t"                      \
    "pop {r0, r1}\n\t"

ESR_LOOP(esr_add_pairs, esr_groups,
         ESR_GROUPS("r0-r3", "8",
                    ESR_GROUP_WEIGHTS ESR_GROUP_PIXEL("r0", "r1") ESR_GROUP_PIXEL("r2", "r3")))

ESR_LOOP(esr_add_triples, esr_groups,
         ESR_GROUPS("r0-r5", "0",
                    ESR_GROUP_WEIGHTS ESR_GROUP_PIXEL("r0", "r1") ESR_GROUP_PIXEL("r2", "r3")
                        ESR_GROUP_PIXEL("r4", "r5")))

/* Four channels of one pixel, or a part of its window; `in` has its values, `weights` is like
 * that of esr_groups, of channels 0 and 1, and 2 and 3. */
typedef struct esr_fours {
    int32_t sums[4];             /* starts with the biases */
    const int8_t *in;
    const int8_t *weights[2];
    const int8_t *end;           /* of `in`: a multiple of four values */
} esr_fours;

/* Values: r8 and r9. */
#define ESR_FOURS_PAIR(weights, sum0, sum1) \
    "ldrd r10, r11, [" weights "], #8\n\t"  \
    "sxtb16 r12, r10\n\t"                   \
    "sxtb16 r10, r10, ror #8\n\t"           \
    "smlad " sum0 ", r9, r12, " sum0 "\n\t" \
    "sxtb16 r12, r11\n\t"                   \
    "smlad " sum0 ", r8, r10, " sum0 "\n\t" \
    "sxtb16 r11, r11, ror #8\n\t"           \
    "smlad " sum1 ", r9, r12, " sum1 "\n\t" \
    "smlad " sum1 ", r8, r11, " sum1 "\n\t"

#define ESR_FOURS_STEP                  \
    "ldr r8, [r4], #4\n\t"              \
    "sxtb16 r9, r8\n\t"                 \
    "sxtb16 r8, r8, ror #8\n\t"         \
    ESR_FOURS_PAIR("r5", "r0", "r1")    \
    ESR_FOURS_PAIR("r6", "r2", "r3")

/* Sums: r0 to r3; in: r4, end: r7; weights: r5, r6. */
ESR_LOOP(esr_add_fours, esr_fours,
         "push {r0}\n\t"
         "ldm r0, {r0-r7}\n\t"
         "sub lr, r7, r4\n\t"
         "lsls lr, lr, #29\n\t"    /* an odd number of four values: enter in the middle */
         "bmi 3f\n"
         "2:\n\t" ESR_FOURS_STEP
         "3:\n\t" ESR_FOURS_STEP
         "cmp r4, r7\n\t"
         "bne 2b\n\t"
         "pop {r8}\n\t"
         "stm r8, {r0-r6}\n\t")

/* Four channels of a depthwise convolution, of several pixels. Windows and weights are two taps of
 * each of the four channels after the other; the number of two taps is a multiple of six. */
typedef struct esr_quads {
    int32_t bias[4];
    const esr_int16x2 *weights;
    const esr_int16x2 *weights_end;
    esr_int16x2 *window;         /* of the first pixel; its start is overwritten by four sums */
    const esr_int16x2 *end;      /* the window after the last pixel's */
    uint32_t window_bytes;
    uint32_t step_bytes;         /* from window to window, which may overlap */
} esr_quads;

/* Sums: r0 to r3; weights: r12; window: lr. The stack has the record and the end of the weights. */
ESR_LOOP(esr_add_quads, esr_quads,
         "ldr r1, [r0, #20]\n\t"
         "push {r0, r1}\n\t"
         "ldr lr, [r0, #24]\n"
         "1:\n\t"
         "ldr r12, [sp]\n\t"
         "ldm r12, {r0-r3, r12}\n"
         "2:\n\t"
         ".rept 6\n\t"
         "ldm r12!, {r4-r7}\n\t"
         "ldm lr!, {r8-r11}\n\t"
         "smlad r0, r4, r8, r0\n\t"
         "smlad r1, r5, r9, r1\n\t"
         "smlad r2, r6, r10, r2\n\t"
         "smlad r3, r7, r11, r3\n\t"
         ".endr\n\t"
         "ldr r5, [sp, #4]\n\t"
         "cmp r12, r5\n\t"
         "bne 2b\n\t"
         "ldr r4, [sp]\n\t"
         "ldrd r6, r7, [r4, #32]\n\t"
         "sub lr, lr, r6\n\t"
         "stm lr, {r0-r3}\n\t"
         "add lr, lr, r7\n\t"
         "ldr r5, [r4, #28]\n\t"
         "cmp lr, r5\n\t"
         "bne 1b\n\t"
         "pop {r0, r1}\n\t")

/* esr_store_plain() of two channels of several pixels; the record stays as it is. */
typedef struct esr_stores {
    const int32_t *sums;
    uint32_t step_bytes;
    int8_t *out;
    uint32_t out_step;
    uint32_t pixels;
    esr_plain channels[2];
} esr_stores;

#define ESR_STORE(sum, multiplier, addend, right)               \
    "add lr, " addend ", " sum ", asr #31\n\t"                  \
    "lsl " sum ", " sum ", #1\n\t"                              \
    "smmlar " sum ", " sum ", " multiplier ", lr\n\t"           \
    "asr " sum ", " sum ", " right "\n\t"                       \
    "ssat " sum ", #8, " sum "\n\t"

/* Sums: r0, step: r1; out: r2, step: r3; pixels: r4; channels: r5 to r10. */
ESR_LOOP(esr_store_pairs, esr_stores,
         "push {r0}\n\t"
         "ldm r0, {r0-r10}\n"
         "1:\n\t"
         "ldrd r11, r12, [r0]\n\t"
         "add r0, r0, r1\n\t"
         ESR_STORE("r11", "r5", "r6", "r7")
         ESR_STORE("r12", "r8", "r9", "r10")
         "strb r11, [r2]\n\t"
         "strb r12, [r2, #1]\n\t"
         "add r2, r2, r3\n\t"
         "subs r4, r4, #1\n\t"
         "bne 1b\n\t"
         "pop {r0}\n\t")

#endif
