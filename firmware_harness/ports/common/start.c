/*
 * From reset to main: paint the stack, initialize RAM.
 *
 * The stack is at the bottom of RAM, so that an overflow faults instead of overwriting data.
 */
#include "arch.h"
#include "port.h"

#define PAINT UINT32_C(0xC5C5C5C5)

/* From the linker script. */
extern uint32_t stack_limit[], stack_top[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_image[];

void port_start(void)
{
    /* Volatile, so that the loops do not become calls of memset and memcpy, whose stack frames they
     * would overwrite and count as stack of the application. */
    volatile uint32_t *word, *end = arch_stack_pointer();
    const uint32_t *image = data_image;

    for (word = stack_limit; word < end; word++) {
        *word = PAINT;
    }
    for (word = data_start; word < data_end; word++) {
        *word = *image++;
    }
    for (word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    port_exit(main());
}

uint32_t port_stack_used(void)
{
    const uint32_t *word = stack_limit;
    while (word < stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((const uint8_t *)stack_top - (const uint8_t *)word);
}
