// SPDX-License-Identifier: Apache-2.0
//
// Compress an RGB image to a .tcz file with edge-sr's engine.
//
//     python ../c/write_encoder.py encoder
//     cc -std=c99 -O2 -c encoder/src/*.c && ar rcs encoder.a *.o
//     c++ -std=c++11 -O2 -Iencoder/src compress_frame.cpp encoder.a -o compress_frame
//     ./compress_frame frame.ppm frame.tcz
//     edge-sr decompress frame.tcz frame.png
#include "encoder.h"
#include "netpbm.hpp"

#include <iostream>

static void check(bool ok, const char *action)
{
    if (!ok) {
        throw std::runtime_error(std::string("cannot ") + action);
    }
}

// Receives the bytes of the file, some at a time.
extern "C" {
static int write_bytes(void *user, const std::uint8_t *bytes, std::size_t count)
{
    std::ofstream &file = *static_cast<std::ofstream *>(user);

    file.write(reinterpret_cast<const char *>(bytes), static_cast<std::streamsize>(count));
    return file ? 0 : 1;
}
}

static void compress(const Image &source, std::ofstream &file)
{
    const std::uint32_t width = ESR_TCZ_UP(source.width, ENCODER_STEP);
    // 64-bit words, which align the arena.
    std::vector<std::uint64_t> arena(
        (esr_arena_bytes(encoder_plan, ENCODER_PLAN_BYTES, width) + 7) / 8);
    std::vector<std::uint8_t> latents(ESR_TCZ_LATENT_BYTES(
        std::size_t{source.width}, source.height, ENCODER_STEP, ENCODER_CHANNELS));
    std::vector<std::int8_t> padded(ESR_TCZ_ROW_BYTES(source.width, ENCODER_STEP));
    const std::size_t row_bytes = std::size_t{source.width} * ESR_TCZ_COLOURS;
    const esr_tcz_image image = {&encoder_network, source.width, source.height};
    const esr_tcz_memory memory = {latents.data(), latents.size(), padded.data(), padded.size()};
    esr_engine *engine = nullptr;
    esr_tcz tcz;

    check(esr_open(&engine, encoder_plan, ENCODER_PLAN_BYTES, width, arena.data(),
                   8 * arena.size()) == ESR_OK,
          "open the encoder");
    check(esr_tcz_begin(&tcz, engine, &image, &memory) == ESR_TCZ_OK, "start the image");
    for (std::uint32_t y = 0; y < source.height; y++) {
        const char *row = source.pixels.data() + y * row_bytes;

        check(esr_tcz_push_row(&tcz, y, reinterpret_cast<const std::uint8_t *>(row)) == ESR_TCZ_OK,
              "encode a row");
    }
    check(esr_tcz_end(&tcz) == ESR_TCZ_OK, "end the image");
    check(esr_tcz_write(&tcz, ESR_CODER_PLANES, write_bytes, &file) == ESR_TCZ_OK,
          "write the file");
}

int main(int count, char **arguments)
{
    if (count != 3) {
        std::cerr << "usage: compress_frame FRAME.ppm FRAME.tcz\n";
        return 2;
    }
    try {
        const Image image = read_netpbm(arguments[1], "P6");
        std::ofstream file(arguments[2], std::ios::binary);

        compress(image, file);
        check(static_cast<bool>(file.flush()), "write the file");
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
