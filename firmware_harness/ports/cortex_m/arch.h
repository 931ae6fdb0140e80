/* Functions that need assembly, for Cortex-M. */
#ifndef ARCH_H
#define ARCH_H

#include <stdint.h>

static inline uint32_t *arch_stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

/* Semihosting; without a debugger that supports it, the breakpoint is a fault. */
static inline int32_t arch_trap(uint32_t operation, const void *block)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

#endif
