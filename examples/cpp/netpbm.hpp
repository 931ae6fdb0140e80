// SPDX-License-Identifier: Apache-2.0
// Reads the simplest image files: PGM (grey, "P5") and PPM (RGB, "P6"), 8 bits per value.
#ifndef NETPBM_HPP
#define NETPBM_HPP

#include <cstdint>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

struct Image {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::vector<char> pixels; // row after row, 1 (P5) or 3 (P6) bytes each
};

// Read the next number of the header, after spaces and comments ("# ..."); 0: not a number.
inline std::uint32_t read_number(std::istream &file)
{
    std::uint32_t number = 0;

    while ((file >> std::ws).peek() == '#') {
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    file >> number;
    return number;
}

inline Image read_netpbm(const std::string &path, const std::string &kind)
{
    std::ifstream file(path, std::ios::binary);
    std::string found(2, ' ');
    Image image;

    if (!file) {
        throw std::runtime_error("cannot open " + path);
    }
    file.read(&found[0], 2);
    image.width = read_number(file);
    image.height = read_number(file);
    if (found != kind || read_number(file) != 255 || image.width - 1 >= 65535 || image.height - 1 >= 65535) {
        throw std::runtime_error(path + " is not a binary " + kind + " image of 8 bits");
    }
    file.ignore(1);
    image.pixels.resize(std::size_t{image.width} * image.height * (kind == "P6" ? 3 : 1));
    if (!file.read(image.pixels.data(), static_cast<std::streamsize>(image.pixels.size()))) {
        throw std::runtime_error(path + " ends before its last pixel");
    }
    return image;
}

#endif
