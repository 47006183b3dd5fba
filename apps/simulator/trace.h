/* apps/simulator/trace.h - contacts and messages, as they happened or were made up.
 *
 * The text format of tests/traces/README.md, one event a line, ordered by time:
 *
 *     time_s CONN a b up|down
 *     time_s MSG id from to size
 *
 * ONE's connectivity log is the same without the messages. A list of SocioPatterns (`t i j`: contact in
 * [t-20, t]) is the other format. Files may be zstd-compressed. Nothing is silently skipped: what does not
 * belong stops the reading with its line number.
 */
#ifndef STA_SIMULATOR_TRACE_H
#define STA_SIMULATOR_TRACE_H

#include "mesh/base/bytes.h"

enum {
    TRACE_NODES_MAX  = 1 << 20,
    TRACE_EVENTS_MAX = 1 << 27,
    TRACE_NAME_MAX   = 32,       /* characters of a message id */
    TRACE_SIZE_MAX   = 1 << 30,  /* bytes of a message */
};
#define TRACE_TEXT_MAX ((size_t)4 << 30) /* decompressed */
#define TRACE_TIME_MAX_CS ((int64_t)1 << 40)

enum trace_kind { TRACE_UP, TRACE_DOWN, TRACE_MESSAGE };

struct trace_event {
    int64_t time_cs;      /* hundredths of a second from the start */
    uint32_t a, b;        /* nodes of a link, a < b; for a message its index and 0 */
    enum trace_kind kind;
};

struct trace_message {
    int64_t time_cs;
    uint32_t from, to, size;
    char name[TRACE_NAME_MAX + 1];
};

struct trace {
    struct trace_event *events;
    struct trace_message *messages;
    size_t event_count, message_count, event_cap, message_cap;
    uint32_t node_count;
};

/* Where and why reading stopped. Line 0: the file as a whole. */
struct trace_fault {
    size_t line;
    char text[160];
};

/* node_count 0: as many as the highest number says; otherwise a node beyond it is a fault.
 * On a fault the trace is empty. */
enum err trace_parse(struct trace *out, struct bytes text, uint32_t node_count, struct trace_fault *fault);

/* SocioPatterns: contacts of 20 s windows, ids renumbered in ascending order, the clock shifted to start at 0. */
enum err trace_parse_contacts(struct trace *out, struct bytes text, struct trace_fault *fault);

/* Plain or zstd, told apart by the first bytes. The buffer keeps the text. */
enum err trace_inflate(struct buffer *text, struct bytes file, struct trace_fault *fault);

/* All of a file, inflated and parsed; the format is told by the second word of the first event. */
enum err trace_load(struct trace *out, const char *path, uint32_t node_count, struct trace_fault *fault);

/* For builders of traces: events in any order, then trace_finish sorts them (stable; messages last at equal times). */
void trace_add_link(struct trace *t, int64_t time_cs, uint32_t a, uint32_t b, bool is_up);
void trace_add_message(struct trace *t, int64_t time_cs, uint32_t from, uint32_t to, uint32_t size);
void trace_finish(struct trace *t);

void trace_clear(struct trace *t);

#endif
