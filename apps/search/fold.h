/* apps/search/fold.h - words as people compare them: without case, accents, or the order in which marks were typed.
 *
 * Case and compatibility forms are folded and marks dropped as Unicode says (utf8proc), so that "CAFÉ", "café" and "cafe" are one
 * word, "Ὀδυσσεύς" is "οδυσσευσ", and vowel marks of Arabic and Hebrew do not count. Letters that Unicode does not take
 * apart but people do (ø, ł, ı …) are in a short list. Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer,
 * Burmese) have a word a letter, and so have pictures.
 */
#ifndef STA_SEARCH_FOLD_H
#define STA_SEARCH_FOLD_H

#include "mesh/base/bytes.h"

enum { FOLD_WORD_MAX = 64 };   /* bytes of a folded word; what is longer is compared by its beginning */

/* The word, folded, lent for the call, and where it stands in the text: bytes from..to-1. False ends the walk. */
typedef bool fold_visit(void *ctx, struct bytes word, size_t from, size_t to);

/* `text` that is no UTF-8 ends where it stops being that. */
void fold_words(struct bytes text, fold_visit *visit, void *ctx);

/* One character as a person counts: one grapheme cluster that is no space, control or unassigned character. */
bool fold_is_one_character(struct bytes text);

#endif
