; The LED on PB2, twice a second, at the 1 MHz that a tiny starts with. The lane stays released.
;
; No stack, no RAM. budget: none

#include "tiny.inc"

LOOPS = 62500                   /* of 4 cycles: 0.25 s */

        sbi DDRB,TINY_USER_BIT  ; 1
1:      sbi PINB,TINY_USER_BIT  ; 1   toggles PORTB's bit (datasheet section 10.2.2)
        ldi XL,lo8(LOOPS)       ; 1
        ldi XH,hi8(LOOPS)       ; 1
2:      subi XL,1               ; 1
        sbci XH,0               ; 1
        brne 2b                 ; 1/2
        rjmp 1b                 ; 2
