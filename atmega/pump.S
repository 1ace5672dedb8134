/* The bit-plane pump: moves planes between the two bulk endpoints and the sixteen lanes. It never returns.
 *
 * An OUT packet is taken only when the IN bank for its answer is free, so nothing is ever waited for inside a run,
 * and all waiting is done at one place, `next`, which also sees the bus events and EP0 and feeds the watchdog.
 *
 * A plane is one clock period of the tinies. In its order: fetch the plane to drive, sample the lanes (the clock is
 * still high), clock low, drive the lanes, store the sample, clock high. Lanes are open drain: PORTB and PORTD stay
 * 0, and a bit of 1 in DDRB or DDRD drives its lane low; so what the host sends (1 = released) is complemented.
 *
 * The number behind each instruction is its cost in cycles of 16 MHz, not taken/taken for a branch; the sums here
 * and there are checked against the assembled code by tests/firmware/test_pump_cycles.py.
 *
 * Budget of one plane, in cycles. A phase ends with the SBI or CBI that ends it; the padding of a phase adds 3 for
 * each loop. The default is set so that a tiny at 7.2 MHz (8 MHz, -10 %) sees both edges, and the phases are even.
 *
 *   run    low  high  default loops  low  high  plane   planes/s   packet adds
 *   BOTH    10    15     5    3       25    24     49    326,530            61
 *   TX       4    11     5    3       19    20     39    410,256            66
 *   RX       8     7     3    3       17    16     33    484,848            66
 *   IDLE    12    14     2    1       18    17     35    457,142            67
 *
 * USB full speed carries 19 packets of 64 bytes per ms, so BOTH has 16,000 * 2 / 19 = 1,684 cycles per packet of 31
 * planes each way and needs 31 * 49 + 61 = 1,580: the bus is the limit, not the pump.
 * Longest time away from `next`: 31 planes, each padded by 255 loops both ways: 48,500 cycles, 3.0 ms. (IDLE looks
 * at the same events in each plane.) Stack: one return address and what usb_service takes.
 */
#define __SFR_OFFSET 0
#include <avr/io.h>
#include "protocol.h"
#include "wiring.h"

/* Loops of padding while the clock is low, high; PADDING changes them. */
#define BOTH_LOOPS 5, 3
#define TX_LOOPS   5, 3
#define RX_LOOPS   3, 3
#define IDLE_LOOPS 2, 1

/* Registers. Those below r18 hold for ever (the C functions called keep them), the rest within a packet. */
#define zero   r1  /* 0, by the ABI */
#define count0 r2  /* OUT packets taken, 32 bits */
#define count1 r3
#define count2 r4
#define count3 r5
#define out_ep r16 /* endpoint numbers, for UENUM */
#define in_ep  r17
#define length r18 /* bytes in the OUT packet */
#define op     r19 /* its opcode */
#define n      r20 /* its number of planes; counts down in a run */
#define low    r21 /* loops of padding while the clock is low */
#define high   r22 /* ... and high */
#define t      r23
#define events r24
#define b      r30 /* one plane: lanes 0-7 */
#define d      r31 /* lanes 8-15 */
#define seen_b r26 /* BOTH: the sampled one */
#define seen_d r27
#define ran_lo r28 /* IDLE: planes run so far */
#define ran_hi r29

/* What `next` reads is UEINT, where bit i is an event of endpoint i that its UEIENX lets through (usb.c), together
 * with those bits of UDINT that are bus events. They do not collide: this device has no endpoint 3, and bit 0 means
 * "leave to usb_service" in both. */
#define EP0_EVENT  (1 << 0)
#define OUT_WAITS  (1 << USB_EP_OUT)
#define IN_FREE    (1 << (USB_EP_IN & 0x0F))
#define BUS_EVENTS (1 << SUSPI | 1 << EORSTI)
#if (BUS_EVENTS & (OUT_WAITS | IN_FREE)) || USB_EP_OUT > 6 || (USB_EP_IN & 0x0F) > 6
#error "pump.S: a bus event has the bit of a bulk endpoint"
#endif

/* UEINTX is written with 0 at the flags to clear. Bit 2 is RXOUTI on an OUT endpoint, but KILLBK on an IN endpoint:
 * there it must be 0 too, or the bank just filled is thrown away (22.18, UEINTX). */
#define FREE_OUT (0xFF & ~(1 << FIFOCON | 1 << RXOUTI))
#define SEND_IN  (0xFF & ~(1 << FIFOCON | 1 << RXOUTI | 1 << TXINI))

        .data
        .global padding
        .global __do_copy_data          ; the start-up code copies .data only if asked to
padding:                                ; by opcode, from 1: loops low, loops high
        .byte BOTH_LOOPS, TX_LOOPS, RX_LOOPS, IDLE_LOOPS

        .section .text.pump,"ax",@progbits
        .global pump
pump:
        ldi  out_ep,USB_EP_OUT
        ldi  in_ep,USB_EP_IN & 0x0F
        clr  count0                     ; no reset does that
        clr  count1
        movw count2,count0

; ---- not ready: no packet, or no room for its answer, or something for C to do --------------------------------
wait:
        cbi  LED_ACTIVITY_PORT,LED_ACTIVITY_BIT                 ; 2
        lds  t,USBINT                                           ; 2  bit 0, VBUSTI: the cable
        or   events,t                                           ; 1
        andi events,BUS_EVENTS | EP0_EVENT                      ; 1
        breq next                                               ; 1/2
leave:
        sts  status+STATUS_PACKETS+0,count0                     ; 2
        sts  status+STATUS_PACKETS+1,count1                     ; 2
        sts  status+STATUS_PACKETS+2,count2                     ; 2
        sts  status+STATUS_PACKETS+3,count3                     ; 2
        rcall usb_service                                       ; 3

; ---- the one place to wait: 9 cycles when both banks are ready, 18 per turn when not ---------------------------
next:
        wdr                                                     ; 1
        lds  events,UDINT                                       ; 2
        andi events,BUS_EVENTS                                  ; 1
        lds  t,UEINT                                            ; 2
        or   events,t                                           ; 1
        cpi  events,OUT_WAITS | IN_FREE                         ; 1
        brne wait                                               ; 1/2

; ---- a packet, and room for its answer -------------------------------------------------------------------------
take:
        sbi  LED_ACTIVITY_PORT,LED_ACTIVITY_BIT                 ; 2
        sec                                                     ; 1
        adc  count0,zero                                        ; 1
        adc  count1,zero                                        ; 1
        adc  count2,zero                                        ; 1
        adc  count3,zero                                        ; 1
        sts  UENUM,out_ep                                       ; 2
        lds  length,UEBCLX                                      ; 2  bytes not yet read
        cpi  length,PACKET_HEADER                               ; 1
        brlo refuse                                             ; 1/2
        lds  op,UEDATX                                          ; 2
        lds  n,UEDATX                                           ; 2
        cpi  op,OP_BOTH                                         ; 1
        breq carries                                            ; 1/2
        cpi  op,OP_TX                                           ; 1
        breq carries                                            ; 1/2
        cpi  length,PACKET_HEADER                               ; 1  RX and IDLE carry no planes
        brne refuse                                             ; 1/2
        tst  n                                                  ; 1
        breq refuse                                             ; 1/2
        cpi  op,OP_IDLE                                         ; 1
        brne 1f                                                 ; 1/2
        rjmp idle                                               ; 2
1:      cpi  op,OP_RX                                           ; 1
        brne refuse                                             ; 1/2
        cpi  n,PACKET_PLANES + 1                                ; 1
        brsh refuse                                             ; 1/2
        rjmp rx                                                 ; 2

; ---- malformed: answered by (OP_REFUSED, 0), and counted -------------------------------------------------------
refuse:
        lds  t,status+STATUS_REFUSED                            ; 2
        inc  t                                                  ; 1
        sts  status+STATUS_REFUSED,t                            ; 2
        ldi  t,OP_REFUSED                                       ; 1
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,t                                           ; 2
        sts  UEDATX,zero                                        ; 2

; ---- the end of a run: give the OUT bank back to the host, then the IN bank -----------------------------------
finish:
        sts  UENUM,out_ep                                       ; 2
        ldi  t,FREE_OUT                                         ; 1
        sts  UEINTX,t                                           ; 2
        sts  UENUM,in_ep                                        ; 2
send:
        ldi  t,SEND_IN                                          ; 1
        sts  UEINTX,t                                           ; 2
        rjmp next                                               ; 2

; ---- BOTH and TX carry planes: length = PACKET_HEADER + 2 * n, so n <= PACKET_PLANES by the size of the bank ---
carries:
        mov  t,n                                                ; 1
        lsl  t                                                  ; 1
        brcs refuse                                             ; 1/2
        breq refuse                                             ; 1/2
        subi t,-PACKET_HEADER                                   ; 1
        cp   t,length                                           ; 1
        brne refuse                                             ; 1/2
        cpi  op,OP_TX                                           ; 1
        breq tx                                                 ; 1/2

; ---- BOTH: drive n planes, sample n planes --------------------------------------------------------------------
both:
        lds  low,padding+2*(OP_BOTH-1)                          ; 2
        lds  high,padding+2*(OP_BOTH-1)+1                       ; 2
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,op                                          ; 2
        sts  UEDATX,n                                           ; 2
both_plane:
        sts  UENUM,out_ep                                       ; 2
        lds  b,UEDATX                                           ; 2
        lds  d,UEDATX                                           ; 2
        com  b                                                  ; 1
        com  d                                                  ; 1
        in   seen_b,PINB                                        ; 1
        in   seen_d,PIND                                        ; 1
        cbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock low
        out  DDRB,b                                             ; 1
        out  DDRD,d                                             ; 1
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,seen_b                                      ; 2
        sts  UEDATX,seen_d                                      ; 2
        mov  t,low                                              ; 1
1:      dec  t                                                  ; 1
        brne 1b                                                 ; 1/2
        sbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock high
        mov  t,high                                             ; 1
2:      dec  t                                                  ; 1
        brne 2b                                                 ; 1/2
        dec  n                                                  ; 1
        brne both_plane                                         ; 1/2
        rjmp finish                                             ; 2

; ---- TX: drive n planes ---------------------------------------------------------------------------------------
tx:
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,op                                          ; 2
        sts  UEDATX,n                                           ; 2
        sts  UENUM,out_ep                                       ; 2
        lds  low,padding+2*(OP_TX-1)                            ; 2
        lds  high,padding+2*(OP_TX-1)+1                         ; 2
tx_plane:
        lds  b,UEDATX                                           ; 2
        lds  d,UEDATX                                           ; 2
        com  b                                                  ; 1
        com  d                                                  ; 1
        cbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock low
        out  DDRB,b                                             ; 1
        out  DDRD,d                                             ; 1
        mov  t,low                                              ; 1
1:      dec  t                                                  ; 1
        brne 1b                                                 ; 1/2
        sbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock high
        mov  t,high                                             ; 1
2:      dec  t                                                  ; 1
        brne 2b                                                 ; 1/2
        dec  n                                                  ; 1
        brne tx_plane                                           ; 1/2
        rjmp finish                                             ; 2

; ---- RX: sample n planes with all lanes released ------------------------------------------
rx:
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,op                                          ; 2
        sts  UEDATX,n                                           ; 2
        lds  low,padding+2*(OP_RX-1)                            ; 2
        lds  high,padding+2*(OP_RX-1)+1                         ; 2
rx_plane:
        in   b,PINB                                             ; 1
        in   d,PIND                                             ; 1
        cbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock low
        out  DDRB,zero                                          ; 1
        out  DDRD,zero                                          ; 1
        sts  UEDATX,b                                           ; 2
        sts  UEDATX,d                                           ; 2
        mov  t,low                                              ; 1
1:      dec  t                                                  ; 1
        brne 1b                                                 ; 1/2
        sbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock high
        mov  t,high                                             ; 1
2:      dec  t                                                  ; 1
        brne 2b                                                 ; 1/2
        dec  n                                                  ; 1
        brne rx_plane                                           ; 1/2
        rjmp finish                                             ; 2

; ---- IDLE: up to 256 * n planes with all lanes released, to the first with a lane low -------------------------
; The OUT bank goes back first, so that OUT_WAITS tells of the next packet.
idle:
        ldi  t,FREE_OUT                                         ; 1
        sts  UEINTX,t                                           ; 2
        sts  UENUM,in_ep                                        ; 2
        sts  UEDATX,op                                          ; 2
        ldi  t,1                                                ; 1  one plane in the answer
        sts  UEDATX,t                                           ; 2
        lds  low,padding+2*(OP_IDLE-1)                          ; 2
        lds  high,padding+2*(OP_IDLE-1)+1                       ; 2
        clr  ran_lo                                             ; 1
        clr  ran_hi                                             ; 1
idle_plane:
        in   b,PINB                                             ; 1
        in   d,PIND                                             ; 1
        cbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock low
        out  DDRB,zero                                          ; 1
        out  DDRD,zero                                          ; 1
        wdr                                                     ; 1  n = 255 with the most padding is 6.3 s
        lds  events,UDINT                                       ; 2
        andi events,BUS_EVENTS                                  ; 1
        lds  t,UEINT                                            ; 2
        or   events,t                                           ; 1
        andi events,BUS_EVENTS | EP0_EVENT | OUT_WAITS          ; 1
        mov  t,low                                              ; 1
1:      dec  t                                                  ; 1
        brne 1b                                                 ; 1/2
        sbi  CLOCK_PORT,CLOCK_BIT                               ; 2  clock high
        mov  t,high                                             ; 1
2:      dec  t                                                  ; 1
        brne 2b                                                 ; 1/2
        adiw ran_lo,1                                           ; 2
        mov  t,b                                                ; 1
        and  t,d                                                ; 1
        com  t                                                  ; 1  0: all lanes high
        or   t,events                                           ; 1
        brne 3f                                                 ; 1/2
        cp   ran_hi,n                                           ; 1
        brlo idle_plane                                         ; 1/2
3:      sts  UEDATX,ran_lo                                      ; 2
        sts  UEDATX,ran_hi                                      ; 2
        sts  UEDATX,b                                           ; 2
        sts  UEDATX,d                                           ; 2
        rjmp send                                               ; 2
