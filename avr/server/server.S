; A web server in an ATtiny10: SLIP, IPv4, ICMP echo, TCP, HTTP. The layers are in avr/lib; each file says what it needs.

#include "tiny.inc"
#define PORT 80

.macro protocols
        cpi proto,TCP
        breq tcp
        cpi proto,ICMP
        breq icmp
.endm

        tiny_start
#include "ip.inc"
#include "icmp.inc"
#include "tcp.inc"
        ip_sender
        tcp_sender
#include "http.inc"
sent:   ldi b,SLIP_END
        rcall putraw
        rjmp frame
#include "checksum.inc"
#include "slip.inc"
#include "lane.inc"

.global codeend
codeend:
page:   .byte SLIP_END
