/* One lane: packets to planes and back, half duplex, for one tiny that is there, or is not, or talks nonsense.
 *
 * Time is counted in planes since the board started. The link asks for the planes to come with lane_send, some packets
 * ahead of those that have come back, which it shows with lane_hear. So a lane never knows the present: what it has
 * scheduled is the future, what it has heard the past.
 *
 *     QUIET -> SENDING -> LISTENING -> HEARING -> QUIET      a packet and its answer
 *     LISTENING -> QUIET                                     no answer within options.listen
 *     SENDING -> QUIET                                       a packet that nobody answers
 *     QUIET -> HEARING                                       the tiny speaks unasked
 *     any -> STUCK -> QUIET                                  held low, or talking without an END
 *
 * After any doubt (start, collision, damaged frame, missing answer) a lone END goes out before the next packet, with
 * ten idle planes before it and a listen window after it: it may complete a damaged frame that the tiny then answers.
 */
#ifndef TINYMUX_LANE_H
#define TINYMUX_LANE_H
#include "bits.h"
#include "counters.h"
#include "ip.h"
#include "options.h"
#include "slip.h"

enum lane_phase { LANE_OFF, LANE_QUIET, LANE_SENDING, LANE_LISTENING, LANE_HEARING, LANE_STUCK };

/* What is out, from its first plane until its answer has come or can come no more. */
enum lane_on_air { ON_AIR_NOTHING, ON_AIR_FRAME, ON_AIR_PROBE /* the lone END */ };

struct lane {
    enum lane_phase phase;
    enum lane_on_air on_air;
    uint64_t when;      /* QUIET: first plane that may be driven; LISTENING: last plane for an answer to begin */
    uint64_t driven_to; /* plane after the last one that was driven */
    struct bits_out out;
    unsigned gap;      /* planes after the bytes that are in `out` */
    struct bits_in in;
    bool stateless;    /* its tiny keeps no TCP state: bare ACKs tell it nothing, option offload_acks */
    bool doubt;        /* send an END alone first */
    bool loaded;       /* a packet is in `frame`, waiting or on the air */
    bool collided;     /* what is on the air has met something */
    bool cut;          /* and was stopped before its end */
    enum ip_answer answer; /* what its receiver will do */
    uint32_t tries;    /* how often `frame` went out */
    uint32_t silences; /* questions in a row without an answer */
    uint32_t length;   /* of the packet in `frame` */
    uint32_t framed;   /* of the frame */
    uint32_t hearing;  /* bytes of the frame that is coming in; those that fit are in `heard` */
    struct lane_counters counters;
    uint8_t frame[SLIP_BOUND(MTU_MAX)];
    uint8_t heard[SLIP_BOUND(MTU_MAX)]; /* as it came; END not included */
};

/* Planes as they were heard, up to plane `end`, and what was sent in them where `driven` says that something was.
 * All planes before `scheduled` are built and cannot be changed any more. */
struct lane_past {
    uint64_t samples, sent, driven, end, scheduled;
    unsigned n;
};

/* Told about each good packet that was heard; `packet` is valid during the call. */
typedef void lane_give_fn(void *context, const uint8_t *packet, unsigned length);

enum lane_news { LANE_NO_NEWS, LANE_SUSPECT, LANE_IS_STUCK };

/* The tiny has left reset and its program has started: it may be spoken to from plane `when` on. */
void lane_open(struct lane *, uint64_t when);
/* The tiny goes into reset. What was on its way is lost. */
void lane_close(struct lane *);

/* May the lane begin to send in the planes before `end`? */
static inline bool lane_ready(const struct lane *lane, uint64_t end)
{
    return lane->phase == LANE_QUIET && lane->when < end;
}

/* May the clock stop as far as this lane goes, if no packet waits for it? */
static inline bool lane_rests(const struct lane *lane)
{
    return lane->phase == LANE_OFF || lane->phase == LANE_STUCK || (lane->phase == LANE_QUIET && !lane->loaded);
}

/* Take one packet to be sent; the lane is ready. False: dropped and counted. */
bool lane_load(struct lane *, const struct options *, const uint8_t *packet, unsigned length);

/* Start to send what is loaded, or the lone END before it; the lane is QUIET and its time has come. */
void lane_begin(struct lane *, const struct options *);

/* How far a frame may go. */
enum lane_limit { LANE_ALL, LANE_NO_END, LANE_NO_BYTE /* but what is left of the one under way */ };

/* Planes [first, first + n) of a lane that is SENDING; `gap` idle planes follow each byte. *driven marks the planes
 * that carry the frame. */
uint64_t lane_send(struct lane *, const struct options *, uint64_t first, unsigned n, unsigned gap, enum lane_limit,
                   uint64_t *driven);

/* A lane that is SENDING, and has nothing left to send but the END; or but a part of it. */
static inline bool lane_is_at_end(const struct lane *lane)
{
    return lane->phase == LANE_SENDING && lane->out.end - lane->out.at == 1;
}
static inline bool lane_is_over(const struct lane *lane)
{
    return lane->phase == LANE_SENDING && lane->out.at == lane->out.end;
}

/* Take in what was heard. */
enum lane_news lane_hear(struct lane *, const struct options *, const struct lane_past *, lane_give_fn *,
                         void *context);

#endif
