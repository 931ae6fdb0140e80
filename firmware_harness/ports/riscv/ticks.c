/* Count executed instructions with minstret, whose upper half may change between two reads. */
#include "port.h"

#define READ(csr, value)                                                                          \
    __asm__ volatile(".option push\n\t"                                                           \
                     ".option arch, +zicsr\n\t"                                                   \
                     "csrr %0, " #csr "\n\t"                                                      \
                     ".option pop"                                                                \
                     : "=r"(value))

static uint64_t start;

static uint64_t read_instructions(void)
{
    uint32_t low, high, again;
    do {
        READ(minstreth, high);
        READ(minstret, low);
        READ(minstreth, again);
    } while (high != again);
    return ((uint64_t)high << 32) | low;
}

void port_start_ticks(void)
{
    start = read_instructions();
}

uint64_t port_ticks(void)
{
    return read_instructions() - start;
}
