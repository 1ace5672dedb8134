; A web server in an ATtiny10: SLIP, IPv4, ICMP echo, TCP, HTTP. The layers are in avr/lib; each file says what it needs.

#include "tiny.inc"
#define PORT 80

.macro protocols
        cpi proto,TCP           ; 1
        breq tcp                ; 1/2
        cpi proto,ICMP          ; 1
        breq icmp               ; 1/2
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
