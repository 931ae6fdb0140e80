/* CRC-32 as in zip and PNG. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The checksum of what came before (0 at the start) followed by these bytes. */
uint32_t checksum_add(uint32_t checksum, const int8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
