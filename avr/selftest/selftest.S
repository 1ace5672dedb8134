; Tests the chip at each start, and tells in an answer to any UDP datagram.
;
; The datagram's 12 bytes of payload: 6 that mean nothing, then the report:
;   0x56  RAM cells that do not keep 0x55 and 0xAA
;   0x57  what PB2 read while it was driven high (bit 2 of the byte) and, shifted right by one, low: 0x04 is right
;   0x58  sum of all bytes of flash, low, high
;   0x5A  turns of a loop of 6 cycles in 16 planes, low, high: 16 planes * f / 6 at f cycles a plane
; The host knows the image and the clock: what is right is for it to say.
;
; stack: 2 bytes while a datagram comes, 4 while the answer goes. budget: as in ip.inc

#include "tiny.inc"

PORTB = 0x02
UDP = 17
REPORT = 0x56
PLANES = 16
CELL = 0x55

.macro protocols
        cpi proto,UDP           ; 1
        breq udp                ; 1/2
.endm

        tiny_start
        ldi XL,0x40             ; RAM, before anything is in it
        clr n
1:      ldi b,CELL
2:      st X,b
        ld t,X
        cpse t,b
        inc n
        com b
        cpi b,CELL
        brne 2b
        inc XL
        cpi XL,RAMEND+1
        brne 1b
        sts REPORT,n

        sbi PORTB,TINY_USER_BIT
        sbi DDRB,TINY_USER_BIT
        nop                     ; the pin's synchronizer
        nop
        in b,PINB
        andi b,1<<TINY_USER_BIT
        cbi PORTB,TINY_USER_BIT
        nop
        nop
        in t,PINB
        cbi DDRB,TINY_USER_BIT
        andi t,1<<TINY_USER_BIT
        lsr t
        or b,t
        sts REPORT+1,b

        clr s0
        clr s1
        ldi XL,lo8(FLASH)
        ldi XH,hi8(FLASH)
3:      ld b,X+
        add s0,b
        adc s1,zero
        cpi XH,hi8(FLASH+1024)
        brne 3b
        clr XH
        sts REPORT+2,s0
        sts REPORT+3,s1
#include "lane.inc"
#include "ip.inc"

udp:    mov s0,YL               ; 1   the pseudo header: length ...
        mov s1,YH               ; 1
        ldi XL,MSG+2            ; 1
        rcall get2              ; 3
        ldi XL,MSG              ; 1
        rcall get2              ; 3
        sub s0,a0               ; 1   ... addresses and protocol
        sbc s1,a1               ; 1
        sbc s0,zero             ; 1
        sbc s1,zero             ; 1
        ldi ZL,target(udp_end)  ; 1
        rjmp rest               ; 2

udp_end:
        ldi n,PLANES
        clr s0
        clr s1
1:      subi s0,-1              ; 1   6 cycles a turn while the clock is high, and while it is low
        sbci s1,-1              ; 1
        nop                     ; 1
        sbic PINB,TINY_CLOCK_BIT ; 1/2
        rjmp 1b                 ; 2
2:      subi s0,-1              ; 1
        sbci s1,-1              ; 1
        nop                     ; 1
        sbis PINB,TINY_CLOCK_BIT ; 1/2
        rjmp 2b                 ; 2
        dec n
        brne 1b
        sts REPORT+4,s0
        sts REPORT+5,s1
        sts MSG+4,zero          ; length; no checksum
        ldi t,20
        sts MSG+5,t
        sts MSG+6,zero
        sts MSG+7,zero
        ldi e,REPORT+6
        ldi YL,40               ; YH is 0
        ldi ZL,target(slip_end)
        rjmp ip_send
#include "slip.inc"
