/* Runs on a board: encodes symbols.bin (blob bytes, height, width, channels, blob, symbols) as one
 * part to part.bin, decodes it, and writes figures.bin: whether the symbols are equal, ticks of
 * both, bytes of state. */
#include "esr_symbols.h"
#include "port.h"

#include <string.h>

#define MAX_SYMBOLS 32768

static uint64_t blob[16384], memory[4096];
static int8_t symbols[MAX_SYMBOLS], decoded[MAX_SYMBOLS];
static uint8_t coded[2 * MAX_SYMBOLS];

typedef struct shape {
    uint32_t blob_bytes;
    uint32_t height;
    uint32_t width;
    uint32_t channels;
} shape;

static void require(esr_symbols_status status)
{
    if (status != ESR_SYMBOLS_OK) {
        port_exit(10 + (int)status);
    }
}

static uint64_t code(const shape *s, esr_bytes *bytes, int8_t *rows, int encodes)
{
    esr_symbols *coder;

    port_start_ticks();
    require(esr_symbols_open(&coder, blob, s->blob_bytes, s->width, memory, sizeof memory));
    require(encodes ? esr_symbols_start_encoding(coder, esr_put_bytes, bytes)
                    : esr_symbols_start_decoding(coder, esr_take_bytes, bytes));
    for (uint32_t y = 0; y < s->height; y++, rows += s->width * s->channels) {
        require(encodes ? esr_symbols_encode_row(coder, rows)
                        : esr_symbols_decode_row(coder, rows));
    }
    require(esr_symbols_finish(coder));
    return port_ticks();
}

int main(void)
{
    const int32_t in = port_open("symbols.bin", PORT_READ);
    const int32_t out = port_open("part.bin", PORT_WRITE);
    const int32_t report = port_open("figures.bin", PORT_WRITE);
    shape s;
    uint64_t figures[4];
    esr_bytes bytes = {coded, sizeof coded, 0};

    if (port_read(in, &s, sizeof s) != 0 || port_read(in, blob, s.blob_bytes) != 0 ||
        port_read(in, symbols, s.height * s.width * s.channels) != 0) {
        return 1;
    }
    figures[1] = code(&s, &bytes, symbols, 1);
    bytes.room = bytes.used;
    bytes.used = 0;
    figures[2] = code(&s, &bytes, decoded, 0);
    figures[0] = memcmp(symbols, decoded, sizeof symbols) == 0;
    figures[3] = esr_symbols_bytes(blob, s.blob_bytes, s.width);
    return port_write(out, coded, bytes.room) != 0 ||
           port_write(report, figures, sizeof figures) != 0;
}
