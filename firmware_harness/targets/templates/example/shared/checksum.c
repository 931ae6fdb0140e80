#include "checksum.h"

uint32_t checksum_add(uint32_t checksum, const int8_t *bytes, size_t count)
{
    size_t i;
    int bit;
    checksum = ~checksum;
    for (i = 0; i < count; i++) {
        checksum ^= (uint8_t)bytes[i];
        for (bit = 0; bit < 8; bit++) {
            checksum = (checksum >> 1) ^ ((checksum & 1u) ? 0xedb88320u : 0u);
        }
    }
    return ~checksum;
}
