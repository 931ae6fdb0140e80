/* Count the ticks of loops of known length: two instructions per iteration. */
#include "port.h"

static void turn(uint32_t turns)
{
#ifdef __riscv
    __asm__ volatile("1: addi %0, %0, -1\n\tbnez %0, 1b" : "+r"(turns));
#else
    __asm__ volatile(".syntax unified\n1: subs %0, %0, #1\n\tbne 1b" : "+l"(turns) : : "cc");
#endif
}

static uint64_t count(uint32_t turns)
{
    uint64_t before;
    port_start_ticks();
    before = port_ticks();
    turn(turns);
    return port_ticks() - before;
}

/* Use about 1000 bytes of stack. */
static uint32_t use_stack(uint32_t count)
{
    volatile uint8_t bytes[1000];
    bytes[0] = (uint8_t)count;
    return bytes[0];
}

int main(void)
{
    uint64_t figures[4];
    int32_t file = port_open("figures.bin", PORT_WRITE);

    figures[0] = count(100000);
    figures[1] = count(LONG_TURNS); /* SysTick's bits overflow */
    figures[2] = port_stack_used();
    (void)use_stack(1);
    figures[3] = port_stack_used();
    if (file < 0 || port_write(file, figures, sizeof figures) != 0) {
        return 1;
    }
    port_close(file);
    return 0;
}
