/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: lossless coding of 8-bit samples, bit plane by bit plane from the most
 * significant. The codec stores the latents of an image in this way. docs/reference/tcz.md
 * specifies the bytes.
 *
 * Encode:
 *
 *     esr_coder_begin(&coder, &shape);
 *     for (i = 0; i < planes; i++) esr_encode_plane(&coder, samples, put, user);
 *
 * Decode some or all of the planes:
 *
 *     esr_coder_begin(&coder, &shape);
 *     memset(samples, 0, ...);
 *     for (i = 0; i < planes; i++) esr_decode_plane(&coder, samples, take, user);
 *
 * Each plane is a segment of bytes of its own. All state is in the caller's esr_coder: no heap, no
 * globals. Any bytes can be decoded: the decoder never writes outside coder and samples.
 */
#ifndef ESR_CODER_H
#define ESR_CODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_CODER_PLANES 8     /**< Bit planes of a sample. */
#define ESR_CODER_CHANNELS 4   /**< Maximum number of channels. */
#define ESR_CODER_SIDE 65535u  /**< Maximum width and height in samples. */
#define ESR_CODER_TAPS 9       /**< Taps of the linear predictor. */
#define ESR_CODER_CONTEXTS 192 /**< Adaptive contexts. */
#define ESR_CODER_BLOCK 64     /**< Samples of a row that are predicted together. */
#define ESR_RANGE_BUFFER 32    /**< Maximum bytes of one call of an esr_put or esr_take. */

/** Result of a call. */
typedef enum esr_coder_status {
    ESR_CODER_OK = 0,
    ESR_CODER_NULL,    /**< A pointer is null. */
    ESR_CODER_SHAPE,   /**< A side or the number of channels is 0 or too large. */
    ESR_CODER_ENDED,   /**< All planes are coded, or the coder has stopped. */
    ESR_CODER_STOPPED  /**< The caller's function asked to stop. */
} esr_coder_status;

/**
 * Receives bytes that the encoder has written.
 *
 * @param user The pointer given to the encoder.
 * @param bytes The next bytes of the output. Owned by the encoder; valid only during this call.
 * @param count Number of bytes, at least 1.
 * @return 0 to go on; any other value stops the encoder.
 */
typedef int (*esr_put)(void *user, const uint8_t *bytes, size_t count);

/**
 * Supplies bytes to the decoder.
 *
 * @param user The pointer given to the decoder.
 * @param[out] bytes Receives the next bytes of the segment.
 * @param room Maximum number of bytes, at least 1.
 * @return Number of bytes written, 0 to `room`; 0 at the end of the segment.
 */
typedef size_t (*esr_take)(void *user, uint8_t *bytes, size_t room);

/** Shape of the samples. */
typedef struct esr_coder_shape {
    uint32_t channels; /**< 1 to ESR_CODER_CHANNELS. */
    uint32_t height;   /**< 1 to ESR_CODER_SIDE. */
    uint32_t width;    /**< 1 to ESR_CODER_SIDE. */
} esr_coder_shape;

/* The state of the coder, down to esr_coder: callers allocate it and do not access its fields. */

/* An adaptive estimate of the probability of a 1. */
typedef struct esr_context {
    uint16_t fast_estimate; /* in 2^-16, like slow_estimate */
    uint16_t count;         /* coded bits, up to a limit */
    uint16_t slow_estimate;
} esr_context;

/* The range coder of one segment; esr_range.h explains the terms. */
typedef struct esr_range {
    uint64_t low;
    uint32_t range;
    uint32_t pending_pairs; /* 0xFFFF pairs that a carry can still change */
    uint16_t held_pair;     /* the pair before them */
    uint8_t started;        /* a pair is held */
    uint8_t stopped;        /* the caller's function asked to stop */
    uint8_t ended;          /* the caller's function has no more bytes */
    uint8_t used;           /* bytes of the buffer already written or read */
    uint8_t filled;         /* bytes in the buffer of a decoder */
    uint8_t buffer[ESR_RANGE_BUFFER];
    esr_put put;
    esr_take take;
    void *user;
} esr_range;

/* A row of a block, shifted right to the current plane, with its left and right neighbours.
 * The block's first sample is at index ESR_CODER_EDGE. */
#define ESR_CODER_EDGE 4
typedef uint8_t esr_coder_row[ESR_CODER_EDGE + ESR_CODER_BLOCK + ESR_CODER_EDGE];

/* The block that is being coded. */
typedef struct esr_coder_block {
    esr_coder_row above;
    esr_coder_row here;
    esr_coder_row below;
    esr_coder_row previous[3];               /* of the previous channel: above, here, below */
    int16_t second_x[ESR_CODER_BLOCK];       /* its horizontal second difference, negated */
    int16_t second_y[ESR_CODER_BLOCK];       /* and its vertical one */
    int16_t prediction[ESR_CODER_BLOCK];     /* if the bit to the left is 0 */
    int16_t error[ESR_CODER_BLOCK];          /* first the step size, then error times step size */
    uint8_t activity[ESR_CODER_BLOCK];       /* sum of absolute differences nearby */
    uint8_t fine_bins[2][ESR_CODER_BLOCK];   /* of the prediction, for a left bit of 0 and of 1 */
    uint8_t bits[1 + ESR_CODER_BLOCK];       /* the coded bits after the bit left of the block */
} esr_coder_block;

/** State of the coder, about 2.6 KB. Allocate it anywhere; its fields are private. */
typedef struct esr_coder {
    esr_coder_shape shape;
    uint32_t planes_left;
    int32_t weights[ESR_CODER_CHANNELS][ESR_CODER_TAPS];
    esr_context contexts[ESR_CODER_CONTEXTS];
    esr_range range;
    esr_coder_block block;
} esr_coder;

/**
 * Start an image: reset the state. The next plane is the most significant one.
 *
 * @param[out] coder The state.
 * @param shape Shape of the samples; copied.
 * @return ESR_CODER_OK, ESR_CODER_NULL or ESR_CODER_SHAPE.
 */
esr_coder_status esr_coder_begin(esr_coder *coder, const esr_coder_shape *shape);

/**
 * Encode the next plane as a segment.
 *
 * After ESR_CODER_STOPPED only esr_coder_begin() is accepted.
 *
 * @param coder The state.
 * @param samples channels * height * width samples, channel after channel, row after row.
 * @param put Receives the bytes of the segment, up to ESR_RANGE_BUFFER at a time.
 * @param user Passed to `put`; can be null.
 * @return ESR_CODER_OK, ESR_CODER_NULL, ESR_CODER_ENDED or ESR_CODER_STOPPED.
 */
esr_coder_status esr_encode_plane(esr_coder *coder, const uint8_t *samples, esr_put put,
                                  void *user);

/**
 * Decode the next plane from its segment.
 *
 * @param coder The state.
 * @param[in,out] samples channels * height * width samples, in the encoder's order. They hold the
 *     planes decoded so far; the bits of this plane and those below must be 0. The call sets the
 *     bits of this plane.
 * @param take Supplies the bytes of the segment, until it returns 0. Missing bytes count as 0.
 * @param user Passed to `take`; can be null.
 * @return ESR_CODER_OK, ESR_CODER_NULL or ESR_CODER_ENDED.
 */
esr_coder_status esr_decode_plane(esr_coder *coder, uint8_t *samples, esr_take take, void *user);

/** A segment in memory: the `user` of esr_put_bytes() and esr_take_bytes(). */
typedef struct esr_bytes {
    uint8_t *bytes; /**< The caller's memory. */
    size_t room;    /**< Size of the memory, or of the segment in it. */
    size_t used;    /**< Bytes written or read so far; 0 at first. */
} esr_bytes;

/**
 * An esr_put that appends to memory.
 *
 * @param user An esr_bytes.
 * @param bytes Bytes to append.
 * @param count Number of bytes.
 * @return 0, or 1 if they do not fit: then nothing is appended.
 */
int esr_put_bytes(void *user, const uint8_t *bytes, size_t count);

/**
 * An esr_take that reads from memory.
 *
 * @param user An esr_bytes.
 * @param[out] bytes Receives the next bytes.
 * @param room Maximum number of bytes.
 * @return Number of bytes read; 0 at the end.
 */
size_t esr_take_bytes(void *user, uint8_t *bytes, size_t room);

/**
 * Compute or continue a CRC-32 as in zlib, PNG and Ethernet.
 *
 * @param crc CRC-32 of the preceding bytes; 0 at first.
 * @param bytes The next bytes.
 * @param count Number of bytes.
 * @return CRC-32 of all bytes so far.
 */
uint32_t esr_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/** Return sizeof(esr_coder) in bytes, for callers in other languages. */
size_t esr_coder_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
