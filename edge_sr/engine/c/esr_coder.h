/*
 * Lossless coding of 8-bit samples, bit plane by bit plane from the most significant: what the
 * codec keeps of an image. docs/reference/tcz.md describes every bit of it.
 *
 *     esr_coder_begin(&coder, &shape);
 *     for (i = 0; i < planes; i++) esr_encode_plane(&coder, samples, put, user);
 *
 * and to decode, with as many planes as there are or are wanted:
 *
 *     esr_coder_begin(&coder, &shape);
 *     memset(samples, 0, ...);
 *     for (i = 0; i < planes; i++) esr_decode_plane(&coder, samples, take, user);
 *
 * Every plane is a segment of bytes of its own. All state is in the caller's esr_coder: no heap, no
 * globals. Whatever bytes are decoded, nothing outside of coder and samples is touched.
 */
#ifndef ESR_CODER_H
#define ESR_CODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_CODER_PLANES 8
#define ESR_CODER_CHANNELS 4   /* at most */
#define ESR_CODER_SIDE 65535u  /* of width and height, at most */
#define ESR_CODER_TAPS 9       /* differences nearby that a bit is foretold from */
#define ESR_CODER_CONTEXTS 192
#define ESR_CODER_BLOCK 64     /* samples of a row that are looked at together */
#define ESR_RANGE_BUFFER 32    /* bytes handed over at a time, at most */

typedef enum esr_coder_status {
    ESR_CODER_OK = 0,
    ESR_CODER_NULL,    /* a pointer is null */
    ESR_CODER_SHAPE,   /* a side or the number of channels is 0 or too large */
    ESR_CODER_ENDED,   /* no plane is left, or the coder has stopped: esr_coder_begin starts anew */
    ESR_CODER_STOPPED  /* the caller's function asked to stop */
} esr_coder_status;

/* Takes `count` bytes of a segment; anything but 0 stops the coder. */
typedef int (*esr_put)(void *user, const uint8_t *bytes, size_t count);

/* Fills in up to `room` bytes of a segment and says how many; 0: there are no more. */
typedef size_t (*esr_take)(void *user, uint8_t *bytes, size_t room);

typedef struct esr_coder_shape {
    uint32_t channels; /* 1 to ESR_CODER_CHANNELS */
    uint32_t height;   /* 1 to ESR_CODER_SIDE */
    uint32_t width;    /* 1 to ESR_CODER_SIDE */
} esr_coder_shape;

/* What follows, down to esr_coder, is for the caller to hold, not to touch. */

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

/* About 2.6 KB. */
typedef struct esr_coder {
    esr_coder_shape shape;
    uint32_t planes_left;
    int32_t weights[ESR_CODER_CHANNELS][ESR_CODER_TAPS];
    esr_context contexts[ESR_CODER_CONTEXTS];
    esr_range range;
    esr_coder_block block;
} esr_coder;

/* Forget everything and expect the most significant plane. ESR_CODER_NULL, ESR_CODER_SHAPE. */
esr_coder_status esr_coder_begin(esr_coder *coder, const esr_coder_shape *shape);

/*
 * Encode the next plane of the samples: channels x height x width, row after row. After
 * ESR_CODER_STOPPED only esr_coder_begin is accepted. ESR_CODER_NULL, ESR_CODER_ENDED.
 */
esr_coder_status esr_encode_plane(esr_coder *coder, const uint8_t *samples, esr_put put,
                                  void *user);

/*
 * Decode the next plane into the samples, whose bits in this plane and below are 0. Bytes are asked for
 * some at a time until `take` has no more; missing ones count as 0.
 * ESR_CODER_NULL, ESR_CODER_ENDED.
 */
esr_coder_status esr_decode_plane(esr_coder *coder, uint8_t *samples, esr_take take, void *user);

/* Segments in memory: `user` of the two functions below. */
typedef struct esr_bytes {
    uint8_t *bytes;
    size_t room; /* for esr_put_bytes: bytes that fit; for esr_take_bytes: that there are */
    size_t used; /* 0 at first */
} esr_bytes;

/* An esr_put: append, or stop when they do not fit. */
int esr_put_bytes(void *user, const uint8_t *bytes, size_t count);

/* An esr_take. */
size_t esr_take_bytes(void *user, uint8_t *bytes, size_t room);

/* Goes on with a CRC-32 as zlib, PNG and Ethernet have it; 0 at first. */
uint32_t esr_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/* sizeof(esr_coder), for callers in other languages. */
size_t esr_coder_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
