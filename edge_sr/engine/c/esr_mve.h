/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: Helium for esr_mve.c, and its inner loop in assembly. */
#ifndef ESR_MVE_H
#define ESR_MVE_H

#include <arm_mve.h>
#include <stdint.h>

#if !defined(__OPTIMIZE__) && !defined(__clang__)
#error "esr_mve.c needs every register: compile it with -O1 or more, or define ESR_PORTABLE"
#endif

/* Multiply a vector of two windows with the weights of four channels; `mac` is vmladav or vmladava.
 * */
#define ESR_PRODUCTS(mac)                   \
    "vldrb.8 q0, [%[left]], #16\n\t"        \
    "vldrb.8 q1, [%[right]], #16\n\t"       \
    "vldrb.8 q2, [%[weights]], #16\n\t"     \
    mac ".s8 %[l0], q0, q2\n\t"             \
    mac ".s8 %[r0], q1, q2\n\t"             \
    "vldrb.8 q3, [%[weights]], #16\n\t"     \
    mac ".s8 %[l1], q0, q3\n\t"             \
    mac ".s8 %[r1], q1, q3\n\t"             \
    "vldrb.8 q2, [%[weights]], #16\n\t"     \
    mac ".s8 %[l2], q0, q2\n\t"             \
    mac ".s8 %[r2], q1, q2\n\t"             \
    "vldrb.8 q3, [%[weights]], #16\n\t"     \
    mac ".s8 %[l3], q0, q3\n\t"             \
    mac ".s8 %[r3], q1, q3\n\t"

/*
 * Sums of products of the left window with the weights of four channels, then of the right window.
 * Weights are [vector][channel][16 taps]. In assembly, because sums must be in even registers, of
 * which compilers run out.
 */
static inline void esr_add_products(int32_t sums[8], const int8_t *left, const int8_t *right,
                                    const int8_t *weights, uint32_t vectors)
{
    int32_t l0, l1, l2, l3, r0, r1, r2, r3;

    __asm__ volatile(ESR_PRODUCTS("vmladav")
                     "subs %[vectors], %[vectors], #1\n\t"
                     "beq 2f\n"
                     "1:\n\t"
                     ESR_PRODUCTS("vmladava")
                     "subs %[vectors], %[vectors], #1\n\t"
                     "bne 1b\n"
                     "2:"
                     : [l0] "=&Te"(l0), [l1] "=&Te"(l1), [l2] "=&Te"(l2), [l3] "=&Te"(l3),
                       [r0] "=&Te"(r0), [r1] "=&Te"(r1), [r2] "=&Te"(r2), [r3] "=&Te"(r3),
                       [left] "+r"(left), [right] "+r"(right), [weights] "+r"(weights),
                       [vectors] "+r"(vectors)
                     :
                     : "q0", "q1", "q2", "q3", "cc", "memory");
    sums[0] = l0, sums[1] = l1, sums[2] = l2, sums[3] = l3;
    sums[4] = r0, sums[5] = r1, sums[6] = r2, sums[7] = r3;
}

#endif
