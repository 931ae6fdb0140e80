/* Functions that need assembly, for 32-bit RISC-V. */
#ifndef ARCH_H
#define ARCH_H

#include <stdint.h>

static inline uint32_t *arch_stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mv %0, sp" : "=r"(pointer));
    return pointer;
}

/* Semihosting: an ebreak between two no-op shifts, none of them compressed. */
static inline int32_t arch_trap(uint32_t operation, const void *block)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = block;
    __asm__ volatile(".balign 16\n\t"
                     ".option push\n\t"
                     ".option norvc\n\t"
                     "slli x0, x0, 0x1f\n\t"
                     "ebreak\n\t"
                     "srai x0, x0, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return (int32_t)a0;
}

#endif
