/* mesh/mailbox.h - what one user of a gateway asked for: bundles by bucket prefix, from a cursor on (protocol section 11).
 *
 * A filter over the store's arrival order and a position in it. It knows no link and sends nothing. Many users ask for
 * many prefixes (their own of several days, and decoys), so that a bundle is tried against a bit map of the first 12 bits;
 * only prefixes longer than that are compared one by one.
 */
#ifndef STA_MESH_MAILBOX_H
#define STA_MESH_MAILBOX_H

#include "mesh/node.h"
#include "mesh/record.h"

struct mailbox;

/* `prefixes` is the body of a FETCH that record_next has accepted. A cursor of another epoch, or beyond `last_seq`, starts
 * from the beginning. ERR_TOO_LARGE: more than MAILBOX_PREFIXES_MAX; ERR_NO_MEMORY. */
enum err mailbox_new(struct mailbox **out, struct bytes prefixes, const uint8_t cursor[CURSOR_LEN], uint64_t epoch,
                     uint64_t last_seq);
void     mailbox_free(struct mailbox *m);   /* takes NULL */

bool     mailbox_wants(const struct mailbox *m, uint32_t bucket);

/* Adds to a bit map of the first 8 bits of buckets those of which something is wanted. */
void     mailbox_add_octets(const struct mailbox *m, uint8_t map[MAILBOX_OCTETS_LEN]);

/* All up to this arrival number was considered. */
uint64_t mailbox_position(const struct mailbox *m);
void     mailbox_advance(struct mailbox *m, uint64_t seq);

/* The cursor for the position, if it is worth telling: once after the FETCH, when something was given since (`given` counts
 * it), and else every CURSOR_EVERY_MS: what others get is nobody's business, and a record a bundle would tell. */
enum { CURSOR_EVERY_MS = 600000 };
bool     mailbox_cursor(const struct mailbox *m, uint64_t given, uint64_t now_ms, uint8_t out[CURSOR_LEN]);
void     mailbox_told(struct mailbox *m, uint64_t given, uint64_t now_ms);

#endif
