#ifndef UPSCALE_H
#define UPSCALE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Upscale the built-in test frame and compute the CRC-32 of the output, which must equal
 * TEST_FRAME_CHECKSUM. Return 0 on success.
 */
int upscale_test_frame(uint32_t *checksum);

#ifdef __cplusplus
}
#endif

#endif
