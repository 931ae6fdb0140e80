/*
 * Reset and exceptions of an Armv7-M or Armv8-M core: paint the stack, fill RAM, call main.
 *
 * The stack lies at the bottom of RAM, so that an overflow faults instead of spoiling data.
 */
#include "port.h"

#define PAINT UINT32_C(0xC5C5C5C5)
#define CPACR (*(volatile uint32_t *)UINT32_C(0xE000ED88))
#define CPACR_COPROCESSORS_10_11 UINT32_C(0x00F00000)

/* From the linker script. */
extern uint32_t stack_limit[], stack_top[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_image[];

void reset_handler(void);
void fault_handler(void);
void systick_handler(void);

typedef void (*vector)(void);

/* External interrupts are never enabled, so the table ends with SysTick. */
__attribute__((section(".vectors"), used)) static const vector vectors[15] = {
    reset_handler, /* 1 */
    fault_handler, /* NMI */
    fault_handler, /* hard fault */
    fault_handler, /* memory management */
    fault_handler, /* bus fault */
    fault_handler, /* usage fault */
    fault_handler, /* secure fault */
    0,
    0,
    0,
    fault_handler, /* supervisor call */
    fault_handler, /* debug monitor */
    0,
    fault_handler, /* pended service call */
    systick_handler,
};

static uint32_t *stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

void reset_handler(void)
{
    /* Volatile: as calls of memset and memcpy, these loops would write over those calls' own
     * frames, and count as stack that the application used. */
    volatile uint32_t *word, *end = stack_pointer();
    const uint32_t *image = data_image;

#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_COPROCESSORS_10_11;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
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

void fault_handler(void)
{
    port_print("the processor faulted\n");
    port_exit(PORT_EXIT_FAULT);
}

uint32_t port_stack_used(void)
{
    const uint32_t *word = stack_limit;
    while (word < stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((const uint8_t *)stack_top - (const uint8_t *)word);
}
