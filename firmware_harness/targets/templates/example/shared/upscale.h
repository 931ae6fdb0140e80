#ifndef UPSCALE_H
#define UPSCALE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Upscale the built-in test frame; its output's CRC-32 must be TEST_FRAME_CHECKSUM. 0 if it ran. */
int upscale_test_frame(uint32_t *checksum);

#ifdef __cplusplus
}
#endif

#endif
