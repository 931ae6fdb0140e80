/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: lossless coding of the symbols of a compressive autoencoder, row by row,
 * with a small integer network (the context model) that predicts each symbol from those before it.
 *
 * Encode:
 *
 *     esr_symbols_open(&coder, blob, blob_bytes, width, memory, memory_bytes);
 *     for each part:
 *         esr_symbols_start_encoding(coder, put, user);
 *         for each row: esr_symbols_encode_row(coder, row);
 *         esr_symbols_finish(coder);
 *
 * Decode: the same with esr_symbols_start_decoding(coder, take, user) and esr_symbols_decode_row().
 *
 * A part is a segment of bytes of its own, but what the coder has learned, and the rows above, carry
 * over from part to part: a part can be decoded once those before it are. All state is in the
 * caller's memory: no heap, no globals. Any bytes can be decoded: the decoder never writes outside
 * its memory and the row.
 *
 * Symbols are int8, -127 to 127 (-128 is coded as -127), in the order [row][column][channel]: C
 * channels, W columns. All arithmetic below is exact in 32-bit integers unless it says otherwise;
 * >> is a shift that rounds down, also of negative values; clamp(x, low, high) limits x.
 *
 * THE BLOB is the context model: little-endian, in this order and without gaps. H is the number of
 * hidden units. K = 12 C rounded up to a multiple of 16; P = C rounded up to a multiple of 16.
 *
 *     uint8   magic[4]               "ESY1"
 *     uint16  C, H                   1 to 64; 16 to 128, a multiple of 16
 *     uint8   zeros[8]
 *     int8    kernel[K / 16][H][16]  of hidden unit h and input k: kernel[k / 16][h][k % 16]
 *     int8    out[H / 16][2 C][16]   of output o and hidden unit h: out[h / 16][o][h % 16]
 *     int16   before[C][P]           of channel c and channel b before it: before[c][b]
 *     int16   spread[C][P]           likewise
 *     int32   hidden_bias[H], hidden_multiplier[H], out_bias[2 C], out_multiplier[2 C]
 *     uint16  probabilities[2][45][8], then [45][4]
 *
 * |bias| <= 2^24, multipliers are 0 to 2^31 - 1, probabilities ESR_PROBABILITY_MIN to
 * ESR_PROBABILITY_MAX. Entries of padding (k >= 12 C, b >= c) do not count, and are 0.
 *
 * SYMBOLS are coded column by column of a row, channel by channel of a column. First, of a column x
 * of row y:
 *
 *     input[k], k = 0 to 12 C - 1: the symbols of the twelve places (y-2, x-2) to (y-2, x+2),
 *         (y-1, x-2) to (y-1, x+2), (y, x-2), (y, x-1), all channels of a place together.
 *         Places outside the image have zeros.
 *     scaled(sum, bias, multiplier) = (64 * (sum + bias) * multiplier + 2^31) >> 32, in 64 bits
 *     hidden[h] = clamp(scaled(sum over k of kernel of h and k * input[k], hidden_bias[h],
 *         hidden_multiplier[h]), 0, 127)
 *     output[o] = scaled(sum over h of out of o and h * hidden[h], out_bias[o], out_multiplier[o])
 *
 * Then, for c = 0 to C - 1, with s[b] and r[b] of the channels b < c of this column:
 *
 *     mean = clamp(output[c] + sum over b of before[c][b] * s[b], -130048, 130048)     2^-10 symbols
 *     spread = output[C + c] + ((sum over b of spread[c][b] * r[b]) >> 6) + (offset[c] >> 6)
 *                                                         the scale's log2, in 2^-10, as are both
 *     bin = clamp((spread + 5248) >> 8, 0, 44)                   quarters of an octave from 2^-5 on
 *     center = (mean + 512) >> 10
 *     rest = mean - 1024 * center                                                      -512 to 511
 *     side = min(|rest| >> 6, 7)
 *     code the symbol s[c] with center, bin, side and the sign of rest
 *     r[c] = min(|1024 * s[c] - mean| >> 6, 128)
 *
 * Sums and both tables' products cannot overflow 32 bits; "output" is clamped to +-2^24 before use.
 *
 * A SYMBOL is coded in binary decisions, each with a probability of a 1 in 2^-16 that adapts:
 *
 *     1. differs = (s != center), with probabilities[0][bin][side].
 *     2. If it differs: up = (s > center), unless center is 127 (up is 0) or -127 (up is 1).
 *        Coded is whether s lies on the side of `rest`: up if rest >= 0, else !up; with
 *        probabilities[1][bin][side].
 *     3. Then, with n = 1, 2, ... while n is below the largest distance on that side (127 - center,
 *        or center + 127): more = (|s - center| > n), with [bin][min(n, 4) - 1] of the last table;
 *        ends with the first 0.
 *
 * A coded decision moves its probability p:  p += (target - p) >> ESR_SYMBOLS_SHIFT, with the target
 * ESR_PROBABILITY_MAX after a 1 and ESR_PROBABILITY_MIN after a 0. Decisions 1 and 3 also move
 * the channel's offset (2^-16 octaves, at first 0), after the symbol: offset[c] = clamp(offset[c] +
 * (error >> ESR_SYMBOLS_OFFSET_SHIFT), -2^17, 2^17), where error is the sum over these decisions of
 * (1: 65536 - p; 0: -p), p the probability before it moved. Probabilities start with the blob's.
 *
 * The range coder is that of esr_range.h; it starts anew with each part.
 */
#ifndef ESR_SYMBOLS_H
#define ESR_SYMBOLS_H

#include "esr_coder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_SYMBOLS_CHANNELS 64   /**< Maximum number of channels. */
#define ESR_SYMBOLS_HIDDEN 128    /**< Maximum number of hidden units. */
#define ESR_SYMBOLS_WIDTH 65535u  /**< Maximum number of columns. */
#define ESR_SYMBOLS_PLACES 12     /**< Places whose symbols the network sees. */
#define ESR_SYMBOLS_BINS 45       /**< Bins of the scale. */
#define ESR_SYMBOLS_SIDES 8       /**< Bins of the distance between mean and center. */
#define ESR_SYMBOLS_STEPS 4       /**< Contexts of the third decision. */
#define ESR_SYMBOLS_SHIFT 8       /**< Rate of a probability. */
#define ESR_SYMBOLS_OFFSET_SHIFT 5 /**< Rate of a channel's offset. */
#define ESR_SYMBOLS_ALIGNMENT 8   /**< Of blob and memory, in bytes. */

/** Result of a call. */
typedef enum esr_symbols_status {
    ESR_SYMBOLS_OK = 0,
    ESR_SYMBOLS_NULL,    /**< A pointer is null. */
    ESR_SYMBOLS_BLOB,    /**< The blob is damaged or not aligned. */
    ESR_SYMBOLS_SIZE,    /**< The width is 0 or too large. */
    ESR_SYMBOLS_MEMORY,  /**< The memory is too small or not aligned. */
    ESR_SYMBOLS_STATE,   /**< The call is not allowed now. */
    ESR_SYMBOLS_STOPPED  /**< The caller's function asked to stop. */
} esr_symbols_status;

/** The coder; it lies in the caller's memory. */
typedef struct esr_symbols esr_symbols;

/**
 * Return the memory that a coder needs, in bytes; 0 if the blob is damaged or the width is out of
 * range. The blob is checked in full.
 */
size_t esr_symbols_bytes(const void *blob, size_t blob_bytes, uint32_t width);

/**
 * Open a coder for an image.
 *
 * @param[out] coder The coder, within `memory`.
 * @param blob The context model, aligned to ESR_SYMBOLS_ALIGNMENT; must outlive the coder.
 * @param blob_bytes Its size.
 * @param width Columns of symbols, 1 to ESR_SYMBOLS_WIDTH.
 * @param memory Aligned to ESR_SYMBOLS_ALIGNMENT; must outlive the coder.
 * @param memory_bytes At least esr_symbols_bytes().
 * @return ESR_SYMBOLS_OK, ESR_SYMBOLS_NULL, ESR_SYMBOLS_BLOB, ESR_SYMBOLS_SIZE or
 *     ESR_SYMBOLS_MEMORY.
 */
esr_symbols_status esr_symbols_open(esr_symbols **coder, const void *blob, size_t blob_bytes,
                                    uint32_t width, void *memory, size_t memory_bytes);

/** Start a part. `put` receives its bytes, up to ESR_RANGE_BUFFER at a time. */
esr_symbols_status esr_symbols_start_encoding(esr_symbols *coder, esr_put put, void *user);

/** Encode the next row: width * C symbols. After ESR_SYMBOLS_STOPPED only esr_symbols_open() is
 * accepted. */
esr_symbols_status esr_symbols_encode_row(esr_symbols *coder, const int8_t *row);

/** Start to decode a part. `take` supplies its bytes; missing bytes count as 0. */
esr_symbols_status esr_symbols_start_decoding(esr_symbols *coder, esr_take take, void *user);

/** Decode the next row: width * C symbols. */
esr_symbols_status esr_symbols_decode_row(esr_symbols *coder, int8_t *row);

/** End the part: an encoder writes its last bytes. */
esr_symbols_status esr_symbols_finish(esr_symbols *coder);

#ifdef __cplusplus
}
#endif

#endif
