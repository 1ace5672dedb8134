; A blog in an ATtiny10: several pages by their paths, GET and HEAD. With MICROBLOG also an entry that is posted, and a
; count of visits, which live in RAM. The layers below are those of the server, without ICMP.
;
; registers, beside those of tiny.inc
;   key  r25  the character behind the first "/" (p1 and e are no longer needed then)
;   fl   r23  with HEAD and POSTED, to the end: nothing here loads proto after it
;
; RAM (LEAN: see tiny.inc)
;   0x40  COUNT  3   of visits, decimal digits, spaces before them; and a space behind them
;   0x44  TEXT   16  the entry, padded with spaces
;   0x54  PEER   4   the host's address; before, the IP header's bytes, 8 at a time. Without MICROBLOG at 0x52, and
;   0x56  SEQ    2   low half
;   0x58  ACK    4
;   0x5C  SPARE  1   and 0x5D KEY 1, while a packet comes; stack while one goes
;   0x5E  stack  2   while the last sum of a live page goes it reaches down to 0x5A

#define LEAN
#define ME      0x23
#define PEER_PORT 0x27
#define ACK     0x58
#define SPARE   0x5C
#define KEY     0x5D

#ifdef MICROBLOG
#define SEQ_IN_IO
#define COUNT   0x40
#define COUNT_END 0x43
#define TEXT    0x44
#define TEXT_END 0x54
#define PEER    0x54
#define MSG     0x54
#define SEQ     PCMSK
#else
#define PEER    0x52
#define MSG     0x52
#define SEQ     0x56
#define SEQ_LOW SEQ
#endif

#include "tiny.inc"
#define PORT 80
#define TCP_PAYLOAD "request.inc"

#define key     r25
#define HEAD    6               /* bits of fl that TCP leaves to us: the method */
#define POSTED  7

.macro protocols
        cpi proto,TCP           ; 1
        brne drop               ; 1/2 TCP follows
.endm

.macro tcp_page
        lds key,KEY
        bst fl,HEAD
        rcall record
        clr XH
.endm

        tiny_start
#ifdef MICROBLOG
        ldi XL,COUNT
        rcall fill
#endif
#include "lane.inc"
#include "ip.inc"
#include "tcp.inc"
#include "pages.inc"
#include "slip.inc"
#include "records.inc"

.global codeend
codeend:
pages:
