/*
 * Runs dumped plans on dumped frames without Python, so that sanitizers check everything.
 *
 *     driver FILE...
 *
 * A file holds, in 32-bit little-endian words: plan bytes, width, height, output bytes, input
 * bytes; then plan, input and expected output. Exit code 0: the outputs are equal with each set of
 * kernels that this machine can run, for the whole frame and for strips of every possible width.
 */
#include "esr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    uint32_t plan_bytes, width, height, out_bytes;
    uint8_t *plan;
    int8_t *in, *expected, *out;
    esr_kernel_set kernels;
};

static void *require(void *pointer)
{
    if (pointer == NULL) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return pointer;
}

static int read_block(FILE *file, void *to, size_t bytes)
{
    return fread(to, 1, bytes, file) == bytes;
}

static esr_engine *opened(const struct job *job, uint32_t width, void **arena)
{
    esr_engine *engine = NULL;
    const size_t bytes = esr_arena_bytes(job->plan, job->plan_bytes, width);

    *arena = require(malloc(bytes > 0 ? bytes : 1));
    return esr_open(&engine, job->plan, job->plan_bytes, width, *arena, bytes) == ESR_OK ? engine
                                                                                       : NULL;
}

/* Whether the frame has the expected output when it is run in strips of this width. */
static int runs(const struct job *job, uint32_t width)
{
    const esr_frame frame = {job->width, job->height, job->in, job->out};
    void *arena = NULL;
    esr_engine *engine = opened(job, width, &arena);
    esr_info info;
    uint32_t count = 0;
    int good = engine != NULL && esr_describe(engine, &info) == ESR_OK;

    if (good && esr_limit_kernels(engine, job->kernels) != job->kernels) {
        free(arena);
        return 1;
    }
    memset(job->out, 0x55, job->out_bytes);
    if (good) {
        count = esr_strip_count(&info, job->width);
    }
    for (uint32_t i = 0; good && i < count; i++) {
        good = esr_run_strip(engine, &frame, i) == ESR_OK;
    }
    free(arena);
    return good && (count == 0 || memcmp(job->out, job->expected, job->out_bytes) == 0);
}

static int check(const struct job *job)
{
    void *arena = NULL;
    esr_engine *engine = opened(job, job->width, &arena);
    esr_info info = {0};
    int good = engine != NULL && esr_describe(engine, &info) == ESR_OK;

    free(arena);
    good = good && runs(job, job->width);
    for (uint32_t width = info.column_step; good && width < job->width; width += info.column_step) {
        good = runs(job, width);
    }
    return good;
}

/* Check with each set of kernels. */
static int check_all(struct job *job)
{
    int good = 1;

    for (int kernels = ESR_KERNELS_PORTABLE; good && kernels <= ESR_KERNELS_AVX512; kernels++) {
        job->kernels = (esr_kernel_set)kernels;
        good = check(job);
    }
    return good;
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct job job;
    uint32_t words[4];
    uint32_t in_bytes = 0;
    int good, refused;

    if (file == NULL || !read_block(file, words, sizeof words)) {
        fprintf(stderr, "cannot read %s\n", path);
        return 0;
    }
    job.plan_bytes = words[0], job.width = words[1], job.height = words[2], job.out_bytes = words[3];
    job.plan = require(malloc(job.plan_bytes));
    job.expected = require(malloc(job.out_bytes));
    job.out = require(malloc(job.out_bytes));
    good = read_block(file, &in_bytes, sizeof in_bytes);
    job.in = require(malloc(in_bytes + 1));
    good = good && read_block(file, job.plan, job.plan_bytes) &&
           read_block(file, job.in, in_bytes) && read_block(file, job.expected, job.out_bytes) &&
           check_all(&job);
    refused = esr_arena_bytes(job.plan, job.plan_bytes, job.width) == 0;
    free(job.plan), free(job.in), free(job.expected), free(job.out);
    fclose(file);
    if (!good) {
        fprintf(stderr, "%s: the engine %s\n", path,
                refused ? "refuses the plan" : "does not give the expected bytes");
    }
    return good;
}

int main(int count, char **paths)
{
    int good = 1;

    for (int i = 1; i < count; i++) {
        good = run_file(paths[i]) && good;
    }
    return good ? 0 : 1;
}
