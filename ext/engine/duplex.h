/* Which kind of run comes next: the choice between driving and sampling, both or one of them.
 *
 * A run that only drives or only samples costs about two thirds of one that does both. But a tiny that talks cannot be
 * asked to wait, so a run may only drive while no lane may hear anything. Frames can wait: between two of their bytes,
 * or before their first; so they wait for each other. While most lanes hear, only sample; when none hears any more,
 * drive all frames together, up to their ENDs; then let the ENDs go, all at once, and hear the answers. In a closed
 * loop the lanes fall into step by themselves. Where they do not, everything goes both ways, as if there was no choice.
 *
 * The weights come from a simulation of sixteen lanes: 1 and 3 give 1.4 times the requests of both-ways runs where
 * clients answer at once, and never fewer where they take their time.
 */
#ifndef TINYMUX_DUPLEX_H
#define TINYMUX_DUPLEX_H

/* Lanes by what they are at. */
struct duplex_tally {
    unsigned sending; /* frames with more to send than their END */
    unsigned ending;  /* ... with only their END */
    unsigned hearing; /* lanes on which something comes, or may come */
};

enum duplex_choice {
    DUPLEX_BOTH,   /* drive all there is, sample */
    DUPLEX_DRIVE,  /* drive, but no frame's END; sample nothing */
    DUPLEX_SAMPLE, /* drive nothing; frames that are within a byte finish it first */
};

static inline enum duplex_choice duplex_choose(const struct duplex_tally *lanes)
{
    if (lanes->hearing)
        return lanes->hearing >= 3 * (lanes->sending + lanes->ending) ? DUPLEX_SAMPLE : DUPLEX_BOTH;
    if (!lanes->sending && !lanes->ending)
        return DUPLEX_SAMPLE;
    return lanes->sending && lanes->ending <= lanes->sending ? DUPLEX_DRIVE : DUPLEX_BOTH;
}

#endif
