/* apps/media/made.h - what the helper made of an original, on its way to the daemon.
 *
 *   "STM1" | width 2 | height 2 | duration 4 | preview length 4 | light length 4 | preview | light
 *
 * The helper may have been taken over by what it decoded, so its answer is judged like a stranger's.
 */
#ifndef STA_MEDIA_MADE_H
#define STA_MEDIA_MADE_H

#include "apps/media/manifest.h"

enum { MADE_HEAD_LEN = 20, MADE_LEN_MAX = MADE_HEAD_LEN + MEDIA_PREVIEW_MAX + LIGHT_SIZE_MAX };

struct made { uint16_t width, height; uint32_t duration_ms; struct bytes preview, light; };

/* Lends from `in`. ERR_MALFORMED, ERR_TOO_LARGE. */
enum err made_decode(struct made *out, struct bytes in);
void     made_encode_head(const struct made *m, uint8_t to[MADE_HEAD_LEN]);

#endif
