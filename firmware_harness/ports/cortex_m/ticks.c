/* Count SysTick's ticks; an interrupt extends its 24 bits. */
#include "port.h"

#define SYST_CSR (*(volatile uint32_t *)UINT32_C(0xE000E010))
#define SYST_RVR (*(volatile uint32_t *)UINT32_C(0xE000E014))
#define SYST_CVR (*(volatile uint32_t *)UINT32_C(0xE000E018))
#define ICSR (*(volatile uint32_t *)UINT32_C(0xE000ED04))

#ifndef PERIOD_BITS
#define PERIOD_BITS 24 /* tests use fewer */
#endif
#define PERIOD_MASK ((UINT32_C(1) << PERIOD_BITS) - 1)
#define CSR_PROCESSOR_CLOCK_INTERRUPT_ENABLE UINT32_C(7)
#define ICSR_PENDSTSET (UINT32_C(1) << 26)

void systick_handler(void);

static volatile uint32_t periods;

void systick_handler(void)
{
    periods++;
}

void port_start_ticks(void)
{
    SYST_CSR = 0;
    SYST_RVR = PERIOD_MASK;
    SYST_CVR = 0;
    periods = 0;
    SYST_CSR = CSR_PROCESSOR_CLOCK_INTERRUPT_ENABLE;
}

/* SysTick counts down and raises its interrupt at 0. */
uint64_t port_ticks(void)
{
    uint32_t before, within;
    __asm__ volatile("cpsid i" ::: "memory");
    within = SYST_CVR;
    before = periods;
    if (ICSR & ICSR_PENDSTSET) {
        within = SYST_CVR;
        before++;
    }
    __asm__ volatile("cpsie i" ::: "memory");
    return ((uint64_t)before << PERIOD_BITS) + ((0 - within) & PERIOD_MASK);
}
