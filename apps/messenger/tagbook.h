/* apps/messenger/tagbook.h - tags and what they mean, found in one probe.
 *
 * An open hash table of 16 bytes an entry: the keyed hash of a tag, and a number for the owner of the book. A tag
 * may stand in it with several numbers. The hash is keyed at random, so that nobody outside can
 * prepare tags that fall together; two tags with one 64-bit hash are possible and harmless, for a seal has
 * the last word.
 */
#ifndef STA_MESSENGER_TAGBOOK_H
#define STA_MESSENGER_TAGBOOK_H

#include "mesh/base/header.h"
#include "mesh/base/rng.h"

struct tagbook;

enum err tagbook_new(struct tagbook **out, const struct rng *g);
void     tagbook_free(struct tagbook *b);   /* takes NULL */

/* Adding the same pair twice is harmless. ERR_NO_MEMORY. */
enum err tagbook_add(struct tagbook *b, const uint8_t tag[TAG_LEN], uint64_t value);

/* The nth number that stands for this tag. */
bool     tagbook_find(const struct tagbook *b, const uint8_t tag[TAG_LEN], unsigned nth, uint64_t *value);

/* False when the pair was not there. */
bool     tagbook_remove(struct tagbook *b, const uint8_t tag[TAG_LEN], uint64_t value);

/* Takes out the first entry at or after a place drawn by the caller; false when the book is empty. */
bool     tagbook_remove_any(struct tagbook *b, uint64_t drawn);

size_t   tagbook_count(const struct tagbook *b);

/* Keeps the entries that `keep` says yes to. ERR_NO_MEMORY: unchanged. */
typedef bool tagbook_keep_if(void *ctx, uint64_t value);
enum err tagbook_keep(struct tagbook *b, tagbook_keep_if *keep, void *ctx);

#endif
