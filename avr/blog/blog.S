; A blog in an ATtiny10: several pages by their paths, GET and HEAD. The layers below are those of the server.

#include "tiny.inc"
#define PORT 80
#define TCP_PAYLOAD

; What the request says; the program's part of RAM (tiny.inc).
#define METHOD  0x56            /* first letter ... */
#define IS_HEAD 3               /* ... and its bit that tells "H" from "G" */
#define KEY     0x57            /* the character behind the first "/" */

.macro protocols
        cpi proto,TCP           ; 1
        brne drop               ; 1/2
        rjmp tcp                ; 2
.endm

.macro tcp_page
        lds b,METHOD
        bst b,IS_HEAD
        rcall record
        clr XH
.endm

        tiny_start
#include "lane.inc"
#include "ip.inc"
#include "tcp.inc"
#include "pages.inc"
#include "request.inc"
#include "slip.inc"

.global codeend
codeend:
pages:
