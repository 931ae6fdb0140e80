/* Runs on a board: encodes samples.bin (channels, height, width, samples) to segments.bin, decodes
 * it and writes figures.bin: whether the samples are equal, ticks of both, CRC-32, bytes of state. */
#include "esr_coder.h"
#include "port.h"

#include <string.h>

#define MAX_SAMPLES 4096

static uint8_t samples[MAX_SAMPLES], decoded[MAX_SAMPLES], coded[2 * MAX_SAMPLES];
static esr_coder coder;

static uint64_t encode(const esr_coder_shape *shape, uint32_t *sizes)
{
    esr_bytes to = {coded, sizeof coded, 0};

    port_start_ticks();
    (void)esr_coder_begin(&coder, shape);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        const size_t before = to.used;

        if (esr_encode_plane(&coder, samples, esr_put_bytes, &to) != ESR_CODER_OK) {
            port_exit(3);
        }
        sizes[i] = (uint32_t)(to.used - before);
    }
    return port_ticks();
}

static uint64_t decode(const esr_coder_shape *shape, const uint32_t *sizes)
{
    uint8_t *start = coded;

    port_start_ticks();
    (void)esr_coder_begin(&coder, shape);
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        esr_bytes from = {start, sizes[i], 0};

        if (esr_decode_plane(&coder, decoded, esr_take_bytes, &from) != ESR_CODER_OK) {
            port_exit(4);
        }
        start += sizes[i];
    }
    return port_ticks();
}

int main(void)
{
    const int32_t in = port_open("samples.bin", PORT_READ);
    const int32_t out = port_open("segments.bin", PORT_WRITE);
    const int32_t report = port_open("figures.bin", PORT_WRITE);
    esr_coder_shape shape;
    uint32_t sizes[ESR_CODER_PLANES];
    uint64_t figures[5];
    size_t total = 0;

    if (port_read(in, &shape, sizeof shape) != 0 ||
        port_read(in, samples, shape.channels * shape.height * shape.width) != 0) {
        return 1;
    }
    figures[1] = encode(&shape, sizes);
    figures[2] = decode(&shape, sizes);
    figures[0] = memcmp(samples, decoded, sizeof samples) == 0;
    for (int i = 0; i < ESR_CODER_PLANES; i++) {
        total += sizes[i];
    }
    figures[3] = esr_crc32(0, coded, total);
    figures[4] = sizeof coder;
    return port_write(out, sizes, sizeof sizes) != 0 || port_write(out, coded, total) != 0 ||
           port_write(report, figures, sizeof figures) != 0;
}
