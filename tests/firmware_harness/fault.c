/* Overflow the stack, or jump to an invalid address if the file "jump" exists. */
#include "port.h"

static volatile uint32_t depth;

static uint32_t overflow(uint32_t level)
{
    volatile uint8_t bytes[256];
    bytes[level % 256] = 1;
    depth = level;
    return level == UINT32_MAX ? 0 : overflow(level + 1) + bytes[0];
}

int main(void)
{
    if (port_open("jump", PORT_READ) >= 0) {
        ((void (*)(void))(uintptr_t)0xE0000001)();
    }
    return (int)overflow(0);
}
