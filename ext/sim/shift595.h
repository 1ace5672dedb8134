/* The two chained 74HC595s that drive the sixteen /RESET lines: shift register, output latch, output enable. */
#ifndef TINYMUX_SIM_SHIFT595_H
#define TINYMUX_SIM_SHIFT595_H
#include <stdbool.h>
#include <stdint.h>

struct shift595 {
    uint16_t shifted, latched; /* bit 0: QA of the first chip; bit 15: QH of the second */
    bool clock, latch;         /* SRCLK and RCLK as last seen */
};

/* Levels at the inputs, held until the next call. The outputs: 0 also where /OE is high, by the pull-downs. */
uint16_t shift595_inputs(struct shift595 *, bool data, bool clock, bool latch, bool oe_n);
#endif
