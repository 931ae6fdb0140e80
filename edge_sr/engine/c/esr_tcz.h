/*
 * From a camera's rows to a .tcz file, as docs/reference/tcz.md describes it, with an encoder in the engine:
 *
 *     esr_open(&engine, plan, plan_bytes, ESR_TCZ_UP(width, step), arena, sizeof arena);
 *     esr_tcz_begin(&tcz, engine, &image, &memory);
 *     for (y = 0; y < height; y++) esr_tcz_push_row(&tcz, y, pixels);
 *     esr_tcz_end(&tcz);
 *     esr_tcz_write(&tcz, planes, put, user);
 *
 * The network runs while rows come in, and what it makes of them is kept: one byte for each sample
 * of the latents. Images whose sides are no multiples of the network's step are extended by
 * repeating their edge, which costs one row of memory. esr_tcz_write codes every plane twice, because
 * the file's header tells the lengths before the planes come: first it counts, then it puts. So
 * the file itself is never in memory. No heap, no globals.
 */
#ifndef ESR_TCZ_H
#define ESR_TCZ_H

#include "esr.h"
#include "esr_coder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_TCZ_ID_BYTES 16
#define ESR_TCZ_HASH_BYTES 8
#define ESR_TCZ_COLOURS 3 /* channels of the image: red, green, blue */

/* A side of an image, extended to a multiple of the network's step. */
#define ESR_TCZ_UP(side, step) (((side) + (step) - 1u) / (step) * (step))

/* Bytes of esr_tcz_memory's latents and row. */
#define ESR_TCZ_LATENT_BYTES(width, height, step, channels) \
    (ESR_TCZ_UP(width, step) / (step) * (ESR_TCZ_UP(height, step) / (step)) * (channels))
#define ESR_TCZ_ROW_BYTES(width, step) (ESR_TCZ_UP(width, step) * ESR_TCZ_COLOURS)

typedef enum esr_tcz_status {
    ESR_TCZ_OK = 0,
    ESR_TCZ_NULL,    /* a pointer is null */
    ESR_TCZ_NETWORK, /* it does not make 1 to 4 channels of RGB at 1/2, 1/4, 1/8 or 1/16 its size */
    ESR_TCZ_SIZE,    /* of the image: 0, too large, or the engine was opened for another width */
    ESR_TCZ_MEMORY,  /* latents or row are smaller than they must be */
    ESR_TCZ_PLANES,  /* not 1 to 8 */
    ESR_TCZ_STATE,   /* the call is not allowed now */
    ESR_TCZ_ROWS,    /* rows must come from the top, none left out, none twice, all of them */
    ESR_TCZ_STOPPED  /* the caller's function asked to stop */
} esr_tcz_status;

/* What the file's header says of the network. */
typedef struct esr_tcz_network {
    char id[ESR_TCZ_ID_BYTES];         /* printable ASCII, padded with 0 */
    uint8_t hash[ESR_TCZ_HASH_BYTES];  /* first bytes of the SHA-256 of the decoder's file */
    float low[ESR_CODER_CHANNELS];     /* of each channel: what the int8 value -128 stands for */
    float high[ESR_CODER_CHANNELS];    /* and 127 */
} esr_tcz_network;

typedef struct esr_tcz_image {
    const esr_tcz_network *network;
    uint32_t width; /* pixels, 1 to 65535, like the next */
    uint32_t height;
} esr_tcz_image;

/* The caller's; must outlive the esr_tcz. */
typedef struct esr_tcz_memory {
    uint8_t *latents;
    size_t latent_bytes; /* ESR_TCZ_LATENT_BYTES or more */
    int8_t *row;
    size_t row_bytes;    /* ESR_TCZ_ROW_BYTES or more */
} esr_tcz_memory;

/* For the caller to hold, not to touch; most of it is the coder. */
typedef struct esr_tcz {
    esr_engine *engine;
    esr_tcz_image image;
    esr_tcz_memory memory;
    esr_coder_shape shape; /* of the latents */
    uint32_t in_width;
    uint32_t step;         /* pixels for each sample, along a side */
    uint32_t state;
    esr_coder coder;
} esr_tcz;

/*
 * Start an image, whose network must outlive the esr_tcz. The engine is opened for the width extended to a
 * multiple of the network's step, and is not used for anything else until esr_tcz_end.
 * ESR_TCZ_NULL, ESR_TCZ_NETWORK, ESR_TCZ_SIZE, ESR_TCZ_MEMORY, ESR_TCZ_STATE.
 */
esr_tcz_status esr_tcz_begin(esr_tcz *tcz, esr_engine *engine, const esr_tcz_image *image,
                             const esr_tcz_memory *memory);

/*
 * Push row y: width x red, green, blue. After ESR_TCZ_ROWS only esr_tcz_begin is accepted.
 * ESR_TCZ_NULL, ESR_TCZ_STATE.
 */
esr_tcz_status esr_tcz_push_row(esr_tcz *tcz, uint32_t y, const uint8_t *row);

/* After the last row: the latents are complete. As esr_tcz_push_row. */
esr_tcz_status esr_tcz_end(esr_tcz *tcz);

/*
 * Write a file of the most significant planes; may be called again, also with other planes.
 * ESR_TCZ_NULL, ESR_TCZ_PLANES, ESR_TCZ_STATE; ESR_TCZ_STOPPED: what was put is no whole file.
 */
esr_tcz_status esr_tcz_write(esr_tcz *tcz, uint32_t planes, esr_put put, void *user);

/* sizeof(esr_tcz), for callers in other languages. */
size_t esr_tcz_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
