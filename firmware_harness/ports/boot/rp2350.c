/*
 * The minimal IMAGE_DEF that the RP2350's boot ROM accepts: an executable for the Arm cores in the
 * secure state (datasheet, 5.9.5.1). It must be within the first 4 KB; the ROM sets up the flash.
 */
#include <stdint.h>

__attribute__((section(".boot"), used)) static const uint32_t image_def[] = {
    0xffffded3, /* start of a block */
    0x10210142, /* IMAGE_TYPE: RP2350, Arm, secure, executable */
    0x000001ff, /* the last item; one word came before it */
    0x00000000, /* the next block is this one */
    0xab123579, /* end of the block */
};
