; UDP echo (RFC 862) on every port, up to 12 bytes of payload, and ping: what a lane's latency is measured with.

#include "tiny.inc"

.macro protocols
        cpi proto,UDP           ; 1
        breq udp                ; 1/2
        cpi proto,ICMP          ; 1
        breq icmp               ; 1/2
.endm

        tiny_start
#include "lane.inc"
#include "ip.inc"
#include "udp.inc"
#include "icmp.inc"
#include "slip.inc"
