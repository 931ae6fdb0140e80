/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: the instructions of Arm's DSP extension that esr_dsp.c uses. */
#ifndef ESR_DSP_H
#define ESR_DSP_H

#include <stdint.h>

/* Two int16 in a word. */
typedef int32_t esr_int16x2;

/* The constants of a channel that is plain (esr_dsp_store.h): its results are (2 * sum * multiplier /
 * 2^32 + addend - (sum < 0)) / 2^right, clamped to int8. */
typedef struct esr_plain {
    int32_t multiplier;
    int32_t addend;
    int32_t right;
} esr_plain;

/* Sign-extend two of four bytes: the even ones, and the odd ones. */
static inline esr_int16x2 esr_even_bytes(uint32_t bytes)
{
    esr_int16x2 result;

    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(bytes));
    return result;
}

static inline esr_int16x2 esr_odd_bytes(uint32_t bytes)
{
    esr_int16x2 result;

    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(bytes));
    return result;
}

/* sum + a * b / 2^32, the quotient rounded to nearest, ties upward. */
static inline int32_t esr_add_high_product(int32_t sum, int32_t a, int32_t b)
{
    int32_t result;

    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/*
 * esr_add_products() starts with the biases of two channels and adds `steps` times the products of
 * eight taps, of two windows; weights are [step][4 taps, then 4][channel][tap]. Sums are window and
 * channel: left 0, left 1, right 0, right 1. In assembly, because compilers spill registers here and
 * do not load several words at once.
 */
#if defined(__clang__)

/* A whole function in assembly: Clang cannot free the frame pointer of a single function. */
__attribute__((naked, noinline, unused)) static void esr_add_products(
    int32_t sums[4], const int32_t bias[2], const esr_int16x2 *left, const esr_int16x2 *right,
    const esr_int16x2 *weights, uint32_t steps)
{
    /* Sums: r0, r1, r12, lr; windows: r2, r3; weights: r10; steps: r11. */
    __asm__ volatile("push {r0, r4-r11, lr}\n\t"
                     "ldrd r10, r11, [sp, #40]\n\t"
                     "ldrd r0, r1, [r1]\n\t"
                     "mov r12, r0\n\t"
                     "mov lr, r1\n"
                     "1:\n\t"
                     ".rept 2\n\t"
                     "ldmia r10!, {r4, r5, r8, r9}\n\t"
                     "ldrd r6, r7, [r2], #8\n\t"
                     "smlad r0, r6, r4, r0\n\t"
                     "smlad r1, r6, r8, r1\n\t"
                     "smlad r0, r7, r5, r0\n\t"
                     "smlad r1, r7, r9, r1\n\t"
                     "ldrd r6, r7, [r3], #8\n\t"
                     "smlad r12, r6, r4, r12\n\t"
                     "smlad lr, r6, r8, lr\n\t"
                     "smlad r12, r7, r5, r12\n\t"
                     "smlad lr, r7, r9, lr\n\t"
                     ".endr\n\t"
                     "subs r11, r11, #1\n\t"
                     "bne 1b\n\t"
                     "pop {r2}\n\t"
                     "stmia r2, {r0, r1, r12, lr}\n\t"
                     "pop {r4-r11, pc}");
}

#else

#ifndef __OPTIMIZE__
#error "esr_dsp.c needs every register: compile it with -O1 or more, or define ESR_PORTABLE"
#endif

static inline void esr_add_products(int32_t sums[4], const int32_t bias[2],
                                    const esr_int16x2 *left, const esr_int16x2 *right,
                                    const esr_int16x2 *weights, uint32_t steps)
{
    int32_t l0 = bias[0], l1 = bias[1], r0 = l0, r1 = l1;
    /* ldmia needs ascending registers. */
    register esr_int16x2 v0 __asm__("r4"), v1 __asm__("r5");
    register esr_int16x2 w0 __asm__("r8"), w1 __asm__("r9");
    esr_int16x2 a, b;

    __asm__ volatile("1:\n\t"
                     ".rept 2\n\t"
                     "ldmia %[weights]!, {%[v0], %[v1], %[w0], %[w1]}\n\t"
                     "ldrd %[a], %[b], [%[left]], #8\n\t"
                     "smlad %[l0], %[a], %[v0], %[l0]\n\t"
                     "smlad %[l1], %[a], %[w0], %[l1]\n\t"
                     "smlad %[l0], %[b], %[v1], %[l0]\n\t"
                     "smlad %[l1], %[b], %[w1], %[l1]\n\t"
                     "ldrd %[a], %[b], [%[right]], #8\n\t"
                     "smlad %[r0], %[a], %[v0], %[r0]\n\t"
                     "smlad %[r1], %[a], %[w0], %[r1]\n\t"
                     "smlad %[r0], %[b], %[v1], %[r0]\n\t"
                     "smlad %[r1], %[b], %[w1], %[r1]\n\t"
                     ".endr\n\t"
                     "subs %[steps], %[steps], #1\n\t"
                     "bne 1b"
                     : [l0] "+&r"(l0), [l1] "+&r"(l1), [r0] "+&r"(r0), [r1] "+&r"(r1),
                       [v0] "=&r"(v0), [v1] "=&r"(v1), [w0] "=&r"(w0), [w1] "=&r"(w1),
                       [a] "=&r"(a), [b] "=&r"(b), [left] "+&r"(left), [right] "+&r"(right),
                       [weights] "+&r"(weights), [steps] "+&r"(steps)
                     :
                     : "cc", "memory");
    sums[0] = l0, sums[1] = l1, sums[2] = r0, sums[3] = r1;
}

#endif

/* The value, clamped to int8. */
static inline int32_t esr_saturate_byte(int32_t value)
{
    int32_t result;

    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return result;
}

#endif
