; The smallest citizen of a lane: it answers a ping (up to `ping -s 12`) and nothing else. The program to start from.

#include "tiny.inc"

.macro protocols
        cpi proto,ICMP          ; 1
        breq icmp               ; 1/2
.endm

        tiny_start
#include "lane.inc"
#include "ip.inc"
#include "icmp.inc"
#include "slip.inc"
