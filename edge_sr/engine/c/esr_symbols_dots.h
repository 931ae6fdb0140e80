/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the sums of products of esr_symbols.c, for each family of processors.
 * All give the same sums.
 */
#ifndef ESR_SYMBOLS_DOTS_H
#define ESR_SYMBOLS_DOTS_H

#include "esr_layout.h"

#include <stddef.h>
#include <stdint.h>

/* Inputs that lie together in weights: [group][output][ESR_SYMBOLS_GROUP]. */
#define ESR_SYMBOLS_GROUP 16

/* One layer of the network. */
typedef struct esr_symbols_layer {
    const int8_t *weights;
    const int8_t *inputs;
    const uint8_t *groups; /* the groups whose inputs are not all zero, ascending */
    uint32_t count;        /* of groups */
    uint32_t outputs;
} esr_symbols_layer;

/* sums[o] = the sum of inputs times weights of output o. */
typedef void (*esr_symbols_dots)(int32_t *sums, const esr_symbols_layer *layer);

/* The fastest that this processor has. */
esr_symbols_dots esr_symbols_choose_dots(void);

#endif
