; A web server in an ATtiny10: SLIP, IPv4, ICMP echo, TCP, HTTP. The layers are in avr/lib; each file says what it needs.

#include "tiny.inc"
#define PORT 80

.macro protocols
        cpi proto,TCP           ; 1
        breq tcp                ; 1/2
        cpi proto,ICMP          ; 1
        breq icmp               ; 1/2
.endm

; The page's length and checksum are operands of four LDIs with labels of their own: a page is put into a built image by
; changing them (tinymux/images/server.py). As built they are those of an empty page.
.macro tcp_page
page_length_low:
        ldi YL,40
page_length_high:
        ldi YH,0
page_sum_low:
        ldi s0,lo8(TCP_SUM)
page_sum_high:
        ldi s1,hi8(TCP_SUM)
.endm

        tiny_start
#include "lane.inc"
#include "ip.inc"
#include "icmp.inc"
#include "tcp.inc"
#include "http.inc"
#include "slip.inc"

.global codeend
codeend:
page:   .byte SLIP_END
