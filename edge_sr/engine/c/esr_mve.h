/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: Helium for esr_mve.c and esr_mve_any.c, and their inner loops in assembly.
 */
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

/*
 * Add to sums[2 * pixel + output] the products of `count` consecutive inputs of three pixels with
 * the weights of two outputs. The loop's last iteration is predicated. In assembly, because
 * compilers do not predicate loops, and run out of even registers.
 */
static inline void esr_add_pair(int32_t sums[6], const int8_t *a, const int8_t *b, const int8_t *c,
                                const int8_t *left, const int8_t *right, uint32_t count)
{
    int32_t a0 = sums[0], a1 = sums[1], b0 = sums[2], b1 = sums[3], c0 = sums[4], c1 = sums[5];
    register uint32_t left_over __asm__("lr") = count;

    __asm__ volatile("dlstp.8 lr, lr\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[left]], #16\n\t"
                     "vldrb.8 q2, [%[a]], #16\n\t"
                     "vmladava.s8 %[a0], q2, q0\n\t"
                     "vldrb.8 q1, [%[right]], #16\n\t"
                     "vmladava.s8 %[a1], q2, q1\n\t"
                     "vldrb.8 q3, [%[b]], #16\n\t"
                     "vmladava.s8 %[b0], q3, q0\n\t"
                     "vldrb.8 q2, [%[c]], #16\n\t"
                     "vmladava.s8 %[b1], q3, q1\n\t"
                     "vmladava.s8 %[c0], q2, q0\n\t"
                     "vmladava.s8 %[c1], q2, q1\n\t"
                     "letp lr, 1b"
                     : [a0] "+Te"(a0), [a1] "+Te"(a1), [b0] "+Te"(b0), [b1] "+Te"(b1),
                       [c0] "+Te"(c0), [c1] "+Te"(c1), [a] "+r"(a), [b] "+r"(b), [c] "+r"(c),
                       [left] "+r"(left), [right] "+r"(right), "+r"(left_over)
                     :
                     : "q0", "q1", "q2", "q3", "memory");
    sums[0] = a0, sums[1] = a1, sums[2] = b0, sums[3] = b1, sums[4] = c0, sums[5] = c1;
}

/* The same for one pixel and four outputs. */
static inline void esr_add_quad(int32_t sums[4], const int8_t *in, const int8_t *w0,
                                const int8_t *w1, const int8_t *w2, const int8_t *w3,
                                uint32_t count)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];

    __asm__ volatile("dlstp.8 lr, %[count]\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[in]], #16\n\t"
                     "vldrb.8 q1, [%[w0]], #16\n\t"
                     "vmladava.s8 %[s0], q0, q1\n\t"
                     "vldrb.8 q2, [%[w1]], #16\n\t"
                     "vmladava.s8 %[s1], q0, q2\n\t"
                     "vldrb.8 q3, [%[w2]], #16\n\t"
                     "vmladava.s8 %[s2], q0, q3\n\t"
                     "vldrb.8 q1, [%[w3]], #16\n\t"
                     "vmladava.s8 %[s3], q0, q1\n\t"
                     "letp lr, 1b"
                     : [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3),
                       [in] "+r"(in), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3)
                     : [count] "r"(count)
                     : "q0", "q1", "q2", "q3", "lr", "memory");
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* Copy `count` bytes. */
static inline void esr_copy_bytes(int8_t *to, const int8_t *from, uint32_t count)
{
    __asm__ volatile("dlstp.8 lr, %[count]\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[from]], #16\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "letp lr, 1b"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [count] "r"(count)
                     : "q0", "lr", "memory");
}

#define ESR_LOAD_THREE_ROWS               \
    "vpsttt\n\t"                          \
    "vldrbt.8 q0, [%[a]]\n\t"             \
    "vldrbt.8 q1, [%[b]]\n\t"             \
    "vldrbt.8 q2, [%[c]]\n\t"             \
    "add %[a], %[step]\n\t"               \
    "add %[b], %[step]\n\t"               \
    "add %[c], %[step]\n\t"

#define ESR_STORE_ROWS                    \
    "vst40.8 {q0, q1, q2, q3}, [%[to]]\n\t" \
    "vst41.8 {q0, q1, q2, q3}, [%[to]]\n\t" \
    "vst42.8 {q0, q1, q2, q3}, [%[to]]\n\t" \
    "vst43.8 {q0, q1, q2, q3}, [%[to]]!\n\t" \
    "le lr, 1b"

/*
 * Copy three rows to the order [column][channel][4 rows], 16 channels wide; the fourth is 0. Of the
 * channels, `lanes` are read. step: bytes from column to column.
 */
static inline void esr_copy_three_rows(int8_t *to, const int8_t *const rows[4], uint32_t step,
                                       uint32_t columns, uint32_t lanes)
{
    const int8_t *a = rows[0], *b = rows[1], *c = rows[2];

    __asm__ volatile("vctp.8 %[lanes]\n\t"
                     "vmov.i32 q3, #0\n\t"
                     "dls lr, %[columns]\n"
                     "1:\n\t"
                     ESR_LOAD_THREE_ROWS
                     ESR_STORE_ROWS
                     : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [to] "+r"(to)
                     : [step] "r"(step), [columns] "r"(columns), [lanes] "r"(lanes)
                     : "q0", "q1", "q2", "q3", "lr", "memory");
}

/* The same for four rows. */
static inline void esr_copy_four_rows(int8_t *to, const int8_t *const rows[4], uint32_t step,
                                      uint32_t columns, uint32_t lanes)
{
    const int8_t *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];

    __asm__ volatile("vctp.8 %[lanes]\n\t"
                     "dls lr, %[columns]\n"
                     "1:\n\t"
                     ESR_LOAD_THREE_ROWS
                     "vpst\n\t"
                     "vldrbt.8 q3, [%[d]]\n\t"
                     "add %[d], %[step]\n\t"
                     ESR_STORE_ROWS
                     : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [to] "+r"(to)
                     : [step] "r"(step), [columns] "r"(columns), [lanes] "r"(lanes)
                     : "q0", "q1", "q2", "q3", "lr", "memory");
}

/* And each of `count` words, a multiple of 4, with a mask. */
static inline void esr_mask_words(int8_t *words, uint32_t mask, uint32_t count)
{
    uint32_t *at = (uint32_t *)(void *)words;

    for (; count > 0; count -= 4, at += 4) {
        vstrwq_u32(at, vandq_u32(vldrwq_u32(at), vdupq_n_u32(mask)));
    }
}

/* Four words of weights, of min(columns, 4) columns; the others are 0. */
static inline int32x4_t esr_load_words(const int8_t *weights, uint32_t columns)
{
    const uint32x4_t offsets = vshlq_n_u32(vidupq_n_u32(0, 1), 6);

    return vldrwq_gather_offset_z_s32((const int32_t *)(const void *)weights, offsets,
                                      vctp32q(columns));
}

#define ESR_WORDS(load, mac)                  \
    "dls lr, %[pixels]\n"                     \
    "1:\n\t"                                  \
    load                                      \
    "vldrw.u32 %q[a], [%[left], %q[even]]\n\t"  \
    mac ".s8 r4, %q[a], %q[w0]\n\t"            \
    "vldrw.u32 %q[b], [%[left], %q[odd]]\n\t"   \
    mac ".s8 r6, %q[b], %q[w1]\n\t"            \
    "vldrw.u32 %q[a], [%[right], %q[even]]\n\t" \
    mac ".s8 r8, %q[a], %q[w2]\n\t"            \
    "vldrw.u32 %q[b], [%[right], %q[odd]]\n\t"  \
    mac ".s8 r10, %q[b], %q[w3]\n\t"           \
    "stmia %[sums]!, {r4, r6, r8, r10}\n\t"   \
    "add %[left], %[step]\n\t"                \
    "add %[right], %[step]\n\t"               \
    "le lr, 1b"

#define ESR_WORDS_ASM(load, mac)                                                         \
    __asm__ volatile(ESR_WORDS(load, mac)                                                \
                     : [sums] "+r"(sums), [left] "+r"(in), [right] "+r"(right),          \
                       [a] "=&w"(a), [b] "=&w"(b)                                        \
                     : [even] "w"(even), [odd] "w"(odd), [w0] "w"(w0), [w1] "w"(w1),     \
                       [w2] "w"(w2), [w3] "w"(w3), [step] "r"(step), [pixels] "r"(pixels) \
                     : "r4", "r6", "r8", "r10", "lr", "memory")

/*
 * sums[pixel][channel] of four channels: the products of min(columns, 4) columns of words, which
 * are at `offsets` of the inputs, and of the weights 64 bytes apart. Inputs at all four offsets are
 * read. step: bytes from pixel to pixel. `adds`: 1, to the sums; a constant.
 */
static inline void esr_sum_words(int32_t *sums, const int8_t *in, const uint32_t offsets[4],
                                 uint32_t step, const int8_t *weights, uint32_t columns,
                                 uint32_t pixels, int adds)
{
    const uint32x4_t even = vldrwq_u32(offsets), odd = vaddq_n_u32(even, 4);
    const int32x4_t w0 = esr_load_words(weights, columns);
    const int32x4_t w1 = esr_load_words(weights + 4, columns);
    const int32x4_t w2 = esr_load_words(weights + 8, columns);
    const int32x4_t w3 = esr_load_words(weights + 12, columns);
    const int8_t *right = in + 8;
    int32x4_t a, b;

    if (adds) {
        ESR_WORDS_ASM("ldmia %[sums], {r4, r6, r8, r10}\n\t", "vmladava");
    } else {
        ESR_WORDS_ASM("", "vmladav");
    }
}

#endif
