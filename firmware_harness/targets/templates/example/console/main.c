#include <stdio.h>

#include "test_frame.h"
#include "upscale.h"

int main(void)
{
    uint32_t checksum = 0;
    int status = upscale_test_frame(&checksum);
    int right = status == 0 && checksum == TEST_FRAME_CHECKSUM;
    printf("%ux%u upscaled, status %d, checksum %08lx: %s\n", TEST_FRAME_WIDTH, TEST_FRAME_HEIGHT,
           status, (unsigned long)checksum, right ? "matches the host" : "WRONG");
    return right ? 0 : 1;
}
