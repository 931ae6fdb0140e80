/*
 * libFuzzer target: decodes hostile segments. scripts/fuzz_coder.sh builds and runs it.
 *
 * The first four bytes select the shape and the length of the segments. The decoded samples must
 * be equal after encoding and decoding them again. Buffers have their exact sizes on the heap, so
 * that AddressSanitizer detects an access to the first byte outside.
 */
#include "esr_coder.h"

#include <stdlib.h>
#include <string.h>

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void require(int good)
{
    if (!good) {
        abort();
    }
}

/* Decode the segments; all but the last have the same length. */
static void decode(const esr_coder_shape *shape, uint8_t *samples, const uint8_t *data, size_t size,
                   size_t each)
{
    esr_coder *coder = allocate(sizeof *coder);

    require(esr_coder_begin(coder, shape) == ESR_CODER_OK);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        const size_t count = i + 1 < ESR_CODER_PLANES && each < size ? each : size;
        esr_bytes from = {allocate(count), count, 0};

        if (count > 0) {
            memcpy(from.bytes, data, count);
        }
        require(esr_decode_plane(coder, samples, esr_take_bytes, &from) == ESR_CODER_OK);
        free(from.bytes);
        data += count, size -= count;
    }
    require(esr_decode_plane(coder, samples, esr_take_bytes, NULL) == ESR_CODER_ENDED);
    free(coder);
}

/* Encode and decode the samples, and check that a full buffer stops the encoder. */
static void round_trip(const esr_coder_shape *shape, const uint8_t *samples, size_t count)
{
    esr_coder *coder = allocate(2 * sizeof *coder);
    uint8_t *decoded = allocate(count);
    esr_bytes bytes = {allocate(count * 12 / 8 + 8), count * 12 / 8 + 8, 0};

    memset(decoded, 0, count);
    require(esr_coder_begin(&coder[0], shape) == ESR_CODER_OK);
    require(esr_coder_begin(&coder[1], shape) == ESR_CODER_OK);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        esr_bytes from = {bytes.bytes, 0, 0};

        bytes.used = 0;
        require(esr_encode_plane(&coder[0], samples, esr_put_bytes, &bytes) == ESR_CODER_OK);
        from.room = bytes.used;
        require(esr_decode_plane(&coder[1], decoded, esr_take_bytes, &from) == ESR_CODER_OK);
    }
    require(memcmp(samples, decoded, count) == 0);
    bytes.room = bytes.used = 0;
    require(esr_coder_begin(coder, shape) == ESR_CODER_OK);
    require(esr_encode_plane(coder, samples, esr_put_bytes, &bytes) == ESR_CODER_STOPPED);
    require(esr_encode_plane(coder, samples, esr_put_bytes, &bytes) == ESR_CODER_ENDED);
    free(bytes.bytes), free(decoded), free(coder);
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
    samples = allocate(count);
    memset(samples, 0, count);
    decode(&shape, samples, data + 4, size - 4, data[3]);
    round_trip(&shape, samples, count);
    free(samples);
    return 0;
}
