/* Reset and exceptions of a 32-bit RISC-V core in machine mode. */
#include "port.h"

/* PMP entry 0: locked, readable and executable, from address 0 up to pmpaddr0. */
#define PMP_READ_ONLY_BELOW "0x8d"

void reset_handler(void);
void fault_handler(void);

/* Memory below the stack is read-only, so that a stack overflow faults. */
__attribute__((naked, used, section(".vectors"))) void reset_handler(void)
{
    __asm__ volatile(".option push\n\t"
                     ".option arch, +zicsr\n\t"
                     "la t0, fault_handler\n\t"
                     "csrw mtvec, t0\n\t"
                     "la t0, stack_limit\n\t"
                     "srli t0, t0, 2\n\t"
                     "csrw pmpaddr0, t0\n\t"
                     "li t0, " PMP_READ_ONLY_BELOW "\n\t"
                     "csrw pmpcfg0, t0\n\t"
                     ".option pop\n\t"
                     "la sp, stack_top\n\t"
                     "j port_start");
}

/* Reset the stack, which may have overflowed. Aligned, as the two lowest bits of mtvec are a mode. */
__attribute__((naked, aligned(4))) void fault_handler(void)
{
    __asm__ volatile("la sp, stack_top\n\t"
                     "li a0, %0\n\t"
                     "j port_exit"
                     :
                     : "i"(PORT_EXIT_FAULT));
}
