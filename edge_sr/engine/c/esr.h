/*
 * edge-sr's streaming int8 engine: a network runs row by row in a few kilobytes.
 *
 *     static uint8_t arena[...] aligned to ESR_ARENA_ALIGNMENT;   (esr_arena_bytes says how large)
 *     esr_open(&engine, plan, plan_bytes, width, arena, sizeof arena);
 *     esr_begin(engine, height, sink, user);
 *     for (y = 0; y < height; y++) esr_push_row(engine, y, row);
 *     esr_end(engine);
 *
 * Rows go in from the top; finished rows leave through the sink as soon as they are known, from
 * within esr_push_row and esr_end. All state is in the caller's arena: no heap, no globals. The
 * plan is written by edge_sr/engine/plan_format.py, is only read, and may stay in flash. It is
 * checked by esr_open as if it were hostile; whatever it holds, no memory outside of arena and plan
 * is touched.
 * Several engines may run at once, each in an arena of its own.
 */
#ifndef ESR_H
#define ESR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that the addresses of an arena and of a plan must be multiples of. */
#define ESR_ARENA_ALIGNMENT 8
#define ESR_PLAN_ALIGNMENT 4

/* An open network; lies at the start of the caller's arena and needs no closing. */
typedef struct esr_engine esr_engine;

typedef enum esr_status {
    ESR_OK = 0,
    ESR_NULL,        /* a pointer is null */
    ESR_MISALIGNED,  /* arena or plan is not aligned as above */
    ESR_PLAN,        /* the plan is damaged or of another version */
    ESR_WIDTH,       /* the network cannot run at this width */
    ESR_ARENA,       /* the arena is smaller than esr_arena_bytes */
    ESR_HEIGHT,      /* the network cannot run at this height */
    ESR_STATE,       /* the call is not allowed now: only esr_begin is */
    ESR_ROW_ORDER,   /* rows must come from the top, none left out, none twice */
    ESR_TOO_MANY,    /* more rows than esr_begin was told */
    ESR_TOO_FEW,     /* esr_end before all rows had come */
    ESR_STOPPED      /* the sink asked to stop */
} esr_status;

/* What the status means: one sentence, never null, also for values that are no status. */
const char *esr_status_text(esr_status status);

/*
 * Takes row y of the output: out_width x out_channels int8, NHWC, valid during the call. Rows come
 * in order, from 0. Anything but 0 stops the frame: the call that led here returns ESR_STOPPED.
 */
typedef int (*esr_sink)(void *user, uint32_t y, const int8_t *row);

typedef struct esr_info {
    uint32_t in_width;     /* pixels of an input row, as opened */
    uint32_t in_channels;
    uint32_t out_width;    /* pixels of an output row */
    uint32_t out_channels;
    uint32_t rows_num;     /* a frame of H rows gives H * rows_num / rows_den rows; */
    uint32_t rows_den;     /* H must be a multiple of rows_den */
    uint32_t column_step;  /* widths, and where strips start, are multiples of this */
    uint32_t halo;         /* input columns on each side that an output pixel may depend on */
    uint32_t latency;      /* input rows that must follow a row before its output is known */
} esr_info;

/* Bytes of arena that the plan needs at this width; 0 if plan or width is refused. */
size_t esr_arena_bytes(const void *plan, size_t plan_bytes, uint32_t width);

/*
 * Check the plan and prepare an engine in the arena. Plan and arena must outlive it.
 * *engine is set on ESR_OK only, and to null otherwise.
 * ESR_NULL, ESR_MISALIGNED, ESR_PLAN, ESR_WIDTH, ESR_ARENA.
 */
esr_status esr_open(esr_engine **engine, const void *plan, size_t plan_bytes, uint32_t width,
                    void *arena, size_t arena_bytes);

/* Sets of kernels, of which esr_open takes the best that the machine can run; all give the same
 * bits. Only x86-64 has more than one in a build. */
typedef enum esr_kernel_set {
    ESR_KERNELS_PORTABLE = 0, /* or the one set for a microcontroller that was compiled */
    ESR_KERNELS_AVX2 = 1,
    ESR_KERNELS_AVX512 = 2    /* with VNNI and VBMI: Ice Lake, Zen 4, and later */
} esr_kernel_set;

/* Run no better set than `most` from now on; gives the set that is run. The engine is not null. */
esr_kernel_set esr_limit_kernels(esr_engine *engine, esr_kernel_set most);

/* ESR_NULL. */
esr_status esr_describe(const esr_engine *engine, esr_info *info);

/* Start a frame of `height` rows; a frame that was not finished is dropped. ESR_NULL, ESR_HEIGHT. */
esr_status esr_begin(esr_engine *engine, uint32_t height, esr_sink sink, void *user);

/*
 * Push row y (in_width x in_channels int8, copied). After ESR_ROW_ORDER, ESR_TOO_MANY or
 * ESR_STOPPED the frame is over and only esr_begin is accepted. ESR_NULL, ESR_STATE.
 */
esr_status esr_push_row(esr_engine *engine, uint32_t y, const int8_t *row);

/* After the last row: the rows that are still due reach the sink. ESR_TOO_FEW, as above else. */
esr_status esr_end(esr_engine *engine);

/*
 * Frames wider than an engine, as column strips with the bits of the whole frame: every strip is
 * an engine's width wide and run like a frame of its own. For strip i of esr_strip_count, push
 * input columns [start, start + in_width); of each output row keep `keep` pixels from `drop` on,
 * which belong to column `place` of the frame's output.
 */
typedef struct esr_strip {
    uint32_t start; /* input pixels */
    uint32_t drop;  /* output pixels, like the next two */
    uint32_t keep;
    uint32_t place;
} esr_strip;

/* How many strips cover the frame; 0 if it is narrower than the engine, or strips of this width
 * have nothing left between their halos, or the frame is not a multiple of column_step. */
uint32_t esr_strip_count(const esr_info *info, uint32_t frame_width);

/* ESR_NULL; ESR_WIDTH: there is no such strip. */
esr_status esr_find_strip(const esr_info *info, uint32_t frame_width, uint32_t index,
                          esr_strip *strip);

/* A whole frame in memory, rows one after the other. */
typedef struct esr_frame {
    uint32_t width;    /* of the input, in pixels */
    uint32_t height;
    const int8_t *in;  /* height x width x in_channels */
    int8_t *out;       /* what esr_describe makes of that size */
} esr_frame;

/* Run strip `index` of the frame and write what it keeps. Engines of one width may do several
 * strips of a frame at once. ESR_NULL, ESR_WIDTH, ESR_HEIGHT, ESR_STATE. */
esr_status esr_run_strip(esr_engine *engine, const esr_frame *frame, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
