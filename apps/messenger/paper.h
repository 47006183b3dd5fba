/* apps/messenger/paper.h - a small file as a row of texts that fit QR codes, for printing (protocol section 8.1).
 *
 *     staffetta-backup:#BASE64URL      of: version 1, set 4, index 1, count 1, up to 396 bytes of the file
 *
 * The set names the file by a hash, so that parts of two backups are not mixed up.
 */
#ifndef STA_MESSENGER_PAPER_H
#define STA_MESSENGER_PAPER_H

#include "mesh/base/bytes.h"

enum {
    PAPER_PIECE_LEN = 396,     /* a code of 89 modules, which a phone reads from a crumpled page */
    PAPER_PARTS_MAX = 64,
    PAPER_FILE_MAX  = PAPER_PIECE_LEN * PAPER_PARTS_MAX,
    PAPER_PART_MAX  = 18 + (7 + PAPER_PIECE_LEN) * 4 / 3 + 2,   /* characters, and a final zero */
};

/* How many parts a file of this length has; 0: it is empty or larger than PAPER_FILE_MAX. */
unsigned paper_count(size_t len);

/* Part `index`, from 0. */
void     paper_part(char to[PAPER_PART_MAX], struct bytes file, unsigned index);

/* True when the text begins like such a part. */
bool     paper_is(struct bytes text);

/* Puts together parts that stand in `text` in any order, white space between them; appends the file to `to`. ERR_MALFORMED: a part
 * is damaged; ERR_STATE: parts of different backups; ERR_NOT_FOUND: one is missing, *missing says which, from 1; ERR_AUTH: the whole is not
 * what was printed; ERR_VERSION, ERR_NO_MEMORY. Nothing is appended then. */
enum err paper_join(struct buffer *to, struct bytes text, unsigned *missing);

#endif
