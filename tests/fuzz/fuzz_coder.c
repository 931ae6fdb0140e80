/*
 * libFuzzer target: segments are hostile. Build and run: scripts/fuzz_coder.sh.
 *
 * The first four bytes choose the shape and how the rest is cut into planes. Whatever samples come
 * out must survive being encoded and decoded. Buffers have their exact sizes on the heap, so that
 * AddressSanitizer sees the first byte beside them.
 */
#include "esr_coder.h"

#include <stdlib.h>
#include <string.h>

static void *need(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void must(int good)
{
    if (!good) {
        abort();
    }
}

/* The segments one after the other, all but the last of the same length. */
static void decode(const esr_coder_shape *shape, uint8_t *samples, const uint8_t *data, size_t size,
                   size_t each)
{
    esr_coder *coder = need(sizeof *coder);

    must(esr_coder_begin(coder, shape) == ESR_CODER_OK);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        const size_t count = i + 1 < ESR_CODER_PLANES && each < size ? each : size;
        esr_bytes from = {need(count), count, 0};

        if (count > 0) {
            memcpy(from.bytes, data, count);
        }
        must(esr_decode_plane(coder, samples, esr_take_bytes, &from) == ESR_CODER_OK);
        free(from.bytes);
        data += count, size -= count;
    }
    must(esr_decode_plane(coder, samples, esr_take_bytes, NULL) == ESR_CODER_ENDED);
    free(coder);
}

static void survive(const esr_coder_shape *shape, const uint8_t *samples, size_t count)
{
    esr_coder *coder = need(2 * sizeof *coder);
    uint8_t *again = need(count);
    esr_bytes bytes = {need(count * 12 / 8 + 8), count * 12 / 8 + 8, 0};

    memset(again, 0, count);
    must(esr_coder_begin(&coder[0], shape) == ESR_CODER_OK);
    must(esr_coder_begin(&coder[1], shape) == ESR_CODER_OK);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        esr_bytes from = {bytes.bytes, 0, 0};

        bytes.used = 0;
        must(esr_encode_plane(&coder[0], samples, esr_put_bytes, &bytes) == ESR_CODER_OK);
        from.room = bytes.used;
        must(esr_decode_plane(&coder[1], again, esr_take_bytes, &from) == ESR_CODER_OK);
    }
    must(memcmp(samples, again, count) == 0);
    bytes.room = bytes.used = 0;
    must(esr_coder_begin(coder, shape) == ESR_CODER_OK);
    must(esr_encode_plane(coder, samples, esr_put_bytes, &bytes) == ESR_CODER_STOPPED);
    must(esr_encode_plane(coder, samples, esr_put_bytes, &bytes) == ESR_CODER_ENDED);
    free(bytes.bytes), free(again), free(coder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    esr_coder_shape shape;
    size_t count;
    uint8_t *samples;

    if (size < 4) {
        return 0;
    }
    shape.channels = data[0] % 4 + 1u, shape.height = data[1] % 24 + 1u;
    shape.width = data[2] % 24 + 1u;
    count = (size_t)shape.channels * shape.height * shape.width;
    samples = need(count);
    memset(samples, 0, count);
    decode(&shape, samples, data + 4, size - 4, data[3]);
    survive(&shape, samples, count);
    free(samples);
    return 0;
}
