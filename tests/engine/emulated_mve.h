/*
 * The Helium code of esr_mve.h in plain C, so that sanitizers and random networks test it on
 * the host: -DESR_LAYOUT=2 -include emulated_mve.h. As in Helium, inactive lanes are neither read
 * nor written.
 */
#ifndef ESR_MVE_H
#define ESR_MVE_H

#include <stdint.h>

typedef struct { int32_t at[4]; } int32x4_t;
typedef struct { uint32_t at[4]; } uint32x4_t;
typedef struct { int32x4_t val[2]; } int32x4x2_t;
typedef struct { int8_t at[16]; } int8x16_t;
typedef struct { uint8_t at[16]; } uint8x16_t;
typedef uint16_t mve_pred16_t; /* a bit for each byte */

static inline int32_t wrapped(int64_t value)
{
    return (int32_t)(uint32_t)(uint64_t)value;
}

static inline int lane(mve_pred16_t p, int i)
{
    return p >> 4 * i & 1;
}

static inline int32_t shifted(int32_t value, int32_t by)
{
    return wrapped(by < 0 ? ((int64_t)value + ((int64_t)1 << -by >> 1)) >> -by
                          : (int64_t)((uint64_t)(int64_t)value << by));
}

static inline int32_t high_product(int32_t a, int32_t b)
{
    const int64_t value = ((int64_t)a * b + ((int64_t)1 << 30)) >> 31;

    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* A function of four lanes, whose i-th is `value`. */
#define LANES(head, value)                    \
    static inline int32x4_t head              \
    {                                         \
        int32x4_t result;                     \
                                              \
        for (int i = 0; i < 4; i++) {         \
            result.at[i] = value;             \
        }                                     \
        return result;                        \
    }

LANES(vdupq_n_s32(int32_t a), a)
LANES(vaddq_s32(int32x4_t a, int32x4_t b), wrapped((int64_t)a.at[i] + b.at[i]))
LANES(vaddq_n_s32(int32x4_t a, int32_t b), wrapped((int64_t)a.at[i] + b))
LANES(vsubq_n_s32(int32x4_t a, int32_t b), wrapped((int64_t)a.at[i] - b))
LANES(vmulq_s32(int32x4_t a, int32x4_t b), wrapped((int64_t)a.at[i] * b.at[i]))
LANES(vandq_s32(int32x4_t a, int32x4_t b), a.at[i] & b.at[i])
LANES(vmaxq_s32(int32x4_t a, int32x4_t b), a.at[i] > b.at[i] ? a.at[i] : b.at[i])
LANES(vminq_s32(int32x4_t a, int32x4_t b), a.at[i] < b.at[i] ? a.at[i] : b.at[i])
LANES(vshrq_n_s32(int32x4_t a, int by), a.at[i] >> by)
LANES(vshlq_s32(int32x4_t a, int32x4_t by), shifted(a.at[i], by.at[i]))
LANES(vshlq_r_s32(int32x4_t a, int32_t by), shifted(a.at[i], by))
LANES(vrshlq_s32(int32x4_t a, int32x4_t by), shifted(a.at[i], by.at[i]))
LANES(vrshlq_n_s32(int32x4_t a, int32_t by), shifted(a.at[i], by))
LANES(vqrdmulhq_s32(int32x4_t a, int32x4_t b), high_product(a.at[i], b.at[i]))
LANES(vqrdmulhq_n_s32(int32x4_t a, int32_t b), high_product(a.at[i], b))
LANES(vpselq_s32(int32x4_t a, int32x4_t b, mve_pred16_t p), lane(p, i) ? a.at[i] : b.at[i])
LANES(vldrwq_s32(const int32_t *from), from[i])
LANES(vldrwq_z_s32(const int32_t *from, mve_pred16_t p), lane(p, i) ? from[i] : 0)
LANES(vldrbq_s32(const int8_t *from), from[i])
LANES(vldrbq_z_s32(const int8_t *from, mve_pred16_t p), lane(p, i) ? from[i] : 0)
LANES(vldrwq_gather_offset_z_s32(const int32_t *from, uint32x4_t places, mve_pred16_t p),
      lane(p, i) ? from[places.at[i] / 4] : 0)

static inline int32x4x2_t vld2q_s32(const int32_t *from)
{
    int32x4x2_t result;

    for (int i = 0; i < 8; i++) {
        result.val[i % 2].at[i / 2] = from[i];
    }
    return result;
}

static inline mve_pred16_t vctp8q(uint32_t count)
{
    return (mve_pred16_t)(count >= 16 ? 65535 : (1 << count) - 1);
}

static inline mve_pred16_t vctp32q(uint32_t count)
{
    return vctp8q(count >= 4 ? 16 : 4 * count);
}

static inline mve_pred16_t vcmpgtq_n_s32(int32x4_t a, int32_t b)
{
    mve_pred16_t result = 0;

    for (int i = 0; i < 4; i++) {
        result = (mve_pred16_t)(result | (a.at[i] > b ? 15 << 4 * i : 0));
    }
    return result;
}

static inline mve_pred16_t vcmpltq_n_s32(int32x4_t a, int32_t b)
{
    return (mve_pred16_t)~vcmpgtq_n_s32(a, b - 1);
}

static inline uint32x4_t vidupq_n_u32(uint32_t first, int step)
{
    const uint32_t by = (uint32_t)step;
    const uint32x4_t result = {{first, first + by, first + 2 * by, first + 3 * by}};

    return result;
}

static inline uint32x4_t vmulq_n_u32(uint32x4_t a, uint32_t b)
{
    for (int i = 0; i < 4; i++) {
        a.at[i] *= b;
    }
    return a;
}

static inline uint8x16_t vidupq_n_u8(uint32_t first, int step)
{
    uint8x16_t result;

    for (int i = 0; i < 16; i++) {
        result.at[i] = (uint8_t)(first + (uint32_t)(i * step));
    }
    return result;
}

static inline uint8x16_t vmulq_n_u8(uint8x16_t a, uint8_t b)
{
    for (int i = 0; i < 16; i++) {
        a.at[i] = (uint8_t)(a.at[i] * b);
    }
    return a;
}

static inline int8x16_t vldrbq_z_s8(const int8_t *from, mve_pred16_t p)
{
    int8x16_t result;

    for (int i = 0; i < 16; i++) {
        result.at[i] = p >> i & 1 ? from[i] : 0;
    }
    return result;
}

static inline void vstrbq_scatter_offset_p_s8(int8_t *to, uint8x16_t places, int8x16_t values,
                                              mve_pred16_t p)
{
    for (int i = 0; i < 16; i++) {
        if (p >> i & 1) {
            to[places.at[i]] = values.at[i];
        }
    }
}

static inline int8x16_t vdupq_n_s8(int8_t value)
{
    int8x16_t result;

    for (int i = 0; i < 16; i++) {
        result.at[i] = value;
    }
    return result;
}

static inline int8x16_t vmaxq_s8(int8x16_t a, int8x16_t b)
{
    for (int i = 0; i < 16; i++) {
        a.at[i] = a.at[i] > b.at[i] ? a.at[i] : b.at[i];
    }
    return a;
}

static inline int8x16_t vminq_s8(int8x16_t a, int8x16_t b)
{
    for (int i = 0; i < 16; i++) {
        a.at[i] = a.at[i] < b.at[i] ? a.at[i] : b.at[i];
    }
    return a;
}

static inline void vstrbq_p_s8(int8_t *to, int8x16_t values, mve_pred16_t p)
{
    for (int i = 0; i < 16; i++) {
        if (p >> i & 1) {
            to[i] = values.at[i];
        }
    }
}

static inline void vstrbq_p_s32(int8_t *to, int32x4_t values, mve_pred16_t p)
{
    for (int i = 0; i < 4; i++) {
        if (lane(p, i)) {
            to[i] = (int8_t)values.at[i];
        }
    }
}

static inline void vstrbq_s32(int8_t *to, int32x4_t values)
{
    vstrbq_p_s32(to, values, 65535);
}

static inline void esr_add_products(int32_t sums[8], const int8_t *left, const int8_t *right,
                                    const int8_t *weights, uint32_t vectors)
{
    for (int i = 0; i < 8; i++) {
        sums[i] = 0;
    }
    for (; vectors > 0; vectors--, left += 16, right += 16) {
        for (int i = 0; i < 4; i++, weights += 16) {
            for (int tap = 0; tap < 16; tap++) {
                sums[i] = wrapped((int64_t)sums[i] + left[tap] * weights[tap]);
                sums[4 + i] = wrapped((int64_t)sums[4 + i] + right[tap] * weights[tap]);
            }
        }
    }
}

static inline void esr_add_run(int32_t *sum, const int8_t *in, const int8_t *weights,
                               uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        *sum = wrapped((int64_t)*sum + in[i] * weights[i]);
    }
}

static inline void esr_add_pair(int32_t sums[6], const int8_t *a, const int8_t *b, const int8_t *c,
                                const int8_t *left, const int8_t *right, uint32_t count)
{
    const int8_t *const pixels[3] = {a, b, c};

    for (int i = 0; i < 3; i++) {
        esr_add_run(&sums[2 * i], pixels[i], left, count);
        esr_add_run(&sums[2 * i + 1], pixels[i], right, count);
    }
}

static inline void esr_add_quad(int32_t sums[4], const int8_t *in, const int8_t *w0,
                                const int8_t *w1, const int8_t *w2, const int8_t *w3,
                                uint32_t count)
{
    esr_add_run(&sums[0], in, w0, count);
    esr_add_run(&sums[1], in, w1, count);
    esr_add_run(&sums[2], in, w2, count);
    esr_add_run(&sums[3], in, w3, count);
}

static inline void esr_copy_some_rows(int8_t *to, const int8_t *const rows[4], int count,
                                      uint32_t step, uint32_t columns, uint32_t lanes)
{
    for (uint32_t x = 0; x < columns; x++) {
        for (uint32_t i = 0; i < 16; i++) {
            for (int y = 0; y < 4; y++) {
                *to++ = y < count && i < lanes ? rows[y][x * step + i] : 0;
            }
        }
    }
}

static inline void esr_copy_three_rows(int8_t *to, const int8_t *const rows[4], uint32_t step,
                                       uint32_t columns, uint32_t lanes)
{
    esr_copy_some_rows(to, rows, 3, step, columns, lanes);
}

static inline void esr_copy_four_rows(int8_t *to, const int8_t *const rows[4], uint32_t step,
                                      uint32_t columns, uint32_t lanes)
{
    esr_copy_some_rows(to, rows, 4, step, columns, lanes);
}

static inline void esr_mask_words(int8_t *words, uint32_t mask, uint32_t count)
{
    for (uint32_t i = 0; i < 4 * count; i++) {
        words[i] = mask >> 8 * (i % 4) & 1 ? words[i] : 0;
    }
}

static inline void esr_copy_bytes(int8_t *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

static inline void esr_sum_words(int32_t *sums, const int8_t *in, const uint32_t offsets[4],
                                 uint32_t step, const int8_t *weights, uint32_t columns,
                                 uint32_t pixels, int adds)
{
    const int8_t none[4] = {0};

    for (; pixels > 0; pixels--, in += step) {
        for (uint32_t i = 0; i < 4; i++, sums++) {
            *sums = adds ? *sums : 0;
            for (uint32_t x = 0; x < 4; x++) {
                esr_add_run(sums, in + offsets[x] + 4 * i,
                            x < columns ? weights + 64 * x + 4 * i : none, 4);
            }
        }
    }
}

#undef LANES

#endif
