/* The reset vector, and no other: interrupts are never enabled, so the table of them would be 168 bytes of nothing. */
#define __SFR_OFFSET 0
#include <avr/io.h>

        .section .vectors,"ax",@progbits
        rjmp start

        .section .init2,"ax",@progbits
start:
        clr  r1                 ; 0, by the ABI
        out  SREG,r1
        ldi  r28,lo8(RAMEND)
        ldi  r29,hi8(RAMEND)
        out  SPH,r29
        out  SPL,r28            ; .init4 copies .data and clears .bss

        .section .init9,"ax",@progbits
        rjmp main
