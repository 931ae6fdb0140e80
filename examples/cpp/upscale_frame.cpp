// SPDX-License-Identifier: Apache-2.0
//
// Upscale a grey image to twice its size with edge-sr's engine, in one call.
//
//     edge-sr firmware export tinypssr-anchor-x2 --target cmake --out upscaler
//     cmake -S upscaler -B upscaler/build && cmake --build upscaler/build
//     c++ -std=c++11 -O2 -Iupscaler/src upscale_frame.cpp
//         upscaler/build/libtinypssr_anchor_x2.a -o upscale_frame
//     ./upscale_frame frame.pgm upscaled.pgm
//
// ../c/upscale_frame.c does the same row by row, without a frame in memory.
#include "netpbm.hpp"
#include "tinypssr_anchor_x2.h"

#include <algorithm>
#include <iostream>

static void check(esr_status status)
{
    if (status != ESR_OK) {
        throw std::runtime_error(esr_status_text(status));
    }
}

static std::vector<std::int8_t> upscale(const Image &image)
{
    const std::size_t plan_bytes = TINYPSSR_ANCHOR_X2_PLAN_BYTES;
    // 64-bit words, which align the arena.
    std::vector<std::uint64_t> arena(
        (esr_arena_bytes(tinypssr_anchor_x2_plan, plan_bytes, image.width) + 7) / 8);
    std::vector<std::int8_t> in(image.pixels.size()), out(4 * in.size());
    esr_engine *engine = nullptr;

    // The network's values are the pixels minus 128.
    std::transform(image.pixels.begin(), image.pixels.end(), in.begin(), [](char pixel) {
        return static_cast<std::int8_t>(static_cast<unsigned char>(pixel) - 128);
    });
    check(esr_open(&engine, tinypssr_anchor_x2_plan, plan_bytes, image.width, arena.data(),
                   8 * arena.size()));
    const esr_frame frame = {image.width, image.height, in.data(), out.data()};
    check(esr_run_strip(engine, &frame, 0));
    return out;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        std::cerr << "usage: upscale_frame FRAME.pgm UPSCALED.pgm\n";
        return 2;
    }
    try {
        const Image image = read_netpbm(arguments[1], "P5");
        std::ofstream file(arguments[2], std::ios::binary);

        file << "P5\n" << 2 * image.width << ' ' << 2 * image.height << "\n255\n";
        for (const std::int8_t value : upscale(image)) {
            file.put(static_cast<char>(value + 128));
        }
        if (!file.flush()) {
            throw std::runtime_error(std::string("cannot write ") + arguments[2]);
        }
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
