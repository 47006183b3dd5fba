/* apps/media/report.h - what a receiver tells the sender of a content: how far it is, what is missing, what is wished (protocol section 9.4). */
#ifndef STA_MEDIA_REPORT_H
#define STA_MEDIA_REPORT_H

#include "apps/media/layout.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { REPORT_RUNS_MAX = 256, REPORT_LEN_MAX = 3000, REPORT_ID_LEN = 8, ROUNDS_MAX = 250 };

enum report_flag {
    REPORT_WANTS    = 1,   /* the original is wanted now, whatever the link */
    REPORT_COMPLETE = 2,   /* all of it is there and is what it should be */
    REPORT_STOP     = 4,   /* not wanted, or not any more */
    REPORT_BROKEN   = 8,   /* it was not what its hash says */
    REPORT_FLAGS    = 15,
};

/* Chunks first..first+count-1. */
struct run { uint32_t first, count; };

struct report {
    uint8_t id[REPORT_ID_LEN];         /* of the message that announced it */
    uint8_t flags;
    struct report_part {
        uint8_t  round;                /* in which `runs` are to be sent; 0: nothing is asked for */
        uint32_t have;                 /* chunks that are there */
        uint32_t run_count;
        struct run runs[REPORT_RUNS_MAX];
    } part[PART_COUNT];
};

/* ERR_MALFORMED: cut short, bytes too many, runs that overlap or are empty, unknown flags; ERR_TOO_LARGE: chunks past CHUNKS_MAX, more
 * runs than REPORT_RUNS_MAX, a round past ROUNDS_MAX. */
enum err report_decode(struct report *out, struct bytes in);
void     report_encode(const struct report *r, struct writer *w);

/* Adds a chunk behind those there are; false: no room for another run. Rising. */
bool     report_ask(struct report_part *p, uint32_t index);

#endif
