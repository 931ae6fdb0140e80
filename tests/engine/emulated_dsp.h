/*
 * esr_dsp.h and esr_dsp_loops.h in plain C, so that sanitizers and random networks test esr_dsp.c
 * and esr_dsp_any.c on the host:
 * -DESR_LAYOUT=1 -include emulated_dsp.h.
 */
#ifndef ESR_DSP_H
#define ESR_DSP_H
#define ESR_DSP_LOOPS_H

#include <stdint.h>
#include <string.h>

typedef int32_t esr_int16x2;

typedef struct esr_plain {
    int32_t multiplier;
    int32_t addend;
    int32_t right;
} esr_plain;

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

/* --- esr_dsp_loops.h */

static inline esr_int16x2 esr_low_halves(esr_int16x2 a, esr_int16x2 b)
{
    return (int32_t)(((uint32_t)a & 0xFFFF) | (uint32_t)b << 16);
}

static inline esr_int16x2 esr_high_halves(esr_int16x2 a, esr_int16x2 b)
{
    return (int32_t)((uint32_t)a >> 16 | ((uint32_t)b & 0xFFFF0000));
}

static inline esr_int16x2 *esr_put_two(esr_int16x2 *to, esr_int16x2 first, esr_int16x2 second)
{
    to[0] = first;
    to[1] = second;
    return to + 2;
}

static inline uint32_t word_of(const int8_t *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Add the products of four taps, which two words have as int16 and one as bytes. */
static inline int32_t four_taps(const esr_int16x2 *window, uint32_t weights, int32_t sum)
{
    return dual(window[1], esr_odd_bytes(weights), dual(window[0], esr_even_bytes(weights), sum));
}

typedef struct esr_groups {
    int32_t bias[6];
    const int8_t *weights;
    const int8_t *weights_end;
    const esr_int16x2 *windows;
    const esr_int16x2 *end;
    int32_t *sums;
    uint32_t rest;
} esr_groups;

static inline void add_windows_of(esr_groups *job, uint32_t pixels)
{
    for (; job->windows < job->end; job->sums += 2 * pixels) {
        const int8_t *weights = job->weights;

        memcpy(job->sums, job->bias, 2 * pixels * sizeof *job->sums);
        for (; weights < job->weights_end; weights += 8) {
            for (uint32_t i = 0; i < pixels; i++, job->windows += 2) {
                int32_t *sums = job->sums + 2 * i;

                sums[0] = four_taps(job->windows, word_of(weights), sums[0]);
                sums[1] = four_taps(job->windows, word_of(weights + 4), sums[1]);
            }
        }
    }
}

static inline void esr_add_pairs(esr_groups *job)
{
    add_windows_of(job, 2);
}

static inline void esr_add_triples(esr_groups *job)
{
    add_windows_of(job, 3);
}

typedef struct esr_fours {
    int32_t sums[4];
    const int8_t *in;
    const int8_t *weights[2];
    const int8_t *end;
} esr_fours;

static inline void esr_add_fours(esr_fours *job)
{
    for (; job->in < job->end; job->in += 4) {
        const uint32_t in = word_of(job->in);
        const esr_int16x2 values[2] = {esr_even_bytes(in), esr_odd_bytes(in)};

        for (uint32_t i = 0; i < 4; i++) {
            const int8_t *weights = job->weights[i / 2] + 4 * (i % 2);

            job->sums[i] = four_taps(values, word_of(weights), job->sums[i]);
        }
        job->weights[0] += 8;
        job->weights[1] += 8;
    }
}

typedef struct esr_quads {
    int32_t bias[4];
    const esr_int16x2 *weights;
    const esr_int16x2 *weights_end;
    esr_int16x2 *window;
    const esr_int16x2 *end;
    uint32_t window_bytes;
    uint32_t step_bytes;
} esr_quads;

static inline void esr_add_quads(esr_quads *job)
{
    for (; job->window != job->end; job->window += job->step_bytes / 4) {
        int32_t sums[4];

        memcpy(sums, job->bias, sizeof sums);
        for (uint32_t i = 0; job->weights + i < job->weights_end; i++) {
            sums[i % 4] = dual(job->window[i], job->weights[i], sums[i % 4]);
        }
        memcpy(job->window, sums, sizeof sums);
    }
}

typedef struct esr_stores {
    const int32_t *sums;
    uint32_t step_bytes;
    int8_t *out;
    uint32_t out_step;
    uint32_t pixels;
    esr_plain channels[2];
} esr_stores;

static inline void esr_store_pairs(const esr_stores *job)
{
    for (uint32_t pixel = 0; pixel < job->pixels; pixel++) {
        for (uint32_t i = 0; i < 2; i++) {
            const esr_plain *c = &job->channels[i];
            const int32_t sum = job->sums[pixel * (job->step_bytes / 4) + i];
            const int32_t twice = wrapped(2 * (int64_t)sum);
            const int32_t high =
                esr_add_high_product(c->addend + (sum >> 31), twice, c->multiplier);

            job->out[pixel * job->out_step + i] = (int8_t)esr_saturate_byte(high >> c->right);
        }
    }
}

#endif
