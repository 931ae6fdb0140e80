/* CRC-32, as in zip and PNG. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Return the checksum of the earlier bytes, whose checksum is given (at first 0), and these. */
uint32_t checksum_add(uint32_t checksum, const int8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
