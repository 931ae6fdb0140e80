/* Reset and exceptions of an Armv6-M, Armv7-M or Armv8-M core. */
#include "port.h"

#define NVIC_ICER ((volatile uint32_t *)UINT32_C(0xE000E180))
#define VTOR (*(volatile uint32_t *)UINT32_C(0xE000ED08))
#define CPACR (*(volatile uint32_t *)UINT32_C(0xE000ED88))
#define CPACR_COPROCESSORS_10_11 UINT32_C(0x00F00000)

#if __ARM_ARCH >= 7
#define INTERRUPT_WORDS 16
#else
#define INTERRUPT_WORDS 1
#endif

extern uint32_t stack_top[]; /* from the linker script */

void reset_handler(void);
__attribute__((used)) void prepare(void); /* called in assembly, which LTO does not see */
void fault_handler(void);
void systick_handler(void);

typedef void (*vector)(void);

typedef struct table {
    uint32_t *stack;
    vector handlers[15];
} table;

/* External interrupts are never enabled, so the table ends with SysTick. */
__attribute__((section(".vectors"), used)) static const table vectors = {
    stack_top,
    {
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
    },
};

/* A boot loader or debugger may have left another stack pointer and stack limit. */
__attribute__((naked)) void reset_handler(void)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "ldr r0, =stack_top\n\t"
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
        "ldr r1, =stack_limit\n\t"
        "msr msplim, r1\n\t"
#endif
        "mov sp, r0\n\t"
        "ldr r0, =prepare\n\t"
        "bx r0\n\t"
        ".ltorg"); /* the constants, which LTO would put too far away */
}

/* It may also have left its own vector table and enabled interrupts. */
void prepare(void)
{
    uint32_t word;

    for (word = 0; word < INTERRUPT_WORDS; word++) {
        NVIC_ICER[word] = UINT32_MAX;
    }
#if __ARM_ARCH >= 7
    VTOR = (uint32_t)(uintptr_t)&vectors;
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_COPROCESSORS_10_11;
#endif
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    port_start();
}

void fault_handler(void)
{
    port_exit(PORT_EXIT_FAULT);
}
