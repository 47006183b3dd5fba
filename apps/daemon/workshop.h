/* apps/daemon/workshop.h - previews and light versions, made by a program outside the daemon.
 *
 * A program `staffetta-media`, which this version does not bring, decodes what may be hostile, with bytes in and bytes out. The workshop starts it, one
 * at a time, if it is there, gives it the original and hands to the messenger what it made. If it fails, takes too long or says too much, the message
 * goes out without a preview.
 */
#ifndef STA_DAEMON_WORKSHOP_H
#define STA_DAEMON_WORKSHOP_H

#include "apps/daemon/parts.h"
#include "apps/media/manifest.h"

struct workshop;
struct event_base;
struct engine;

enum { WORKSHOP_JOBS_MAX = 64, WORKSHOP_SECONDS = 30 };

/* `program`: the helper. ERR_NOT_FOUND: it is not there; ERR_NO_MEMORY. */
enum err workshop_new(struct workshop **out, struct event_base *base, struct parts *parts, const char *program);
void     workshop_free(struct workshop *w);      /* takes NULL */
void     workshop_set_engine(struct workshop *w, struct engine *e);

/* Remembers the message; messenger_media_prepared is called in some later turn, in any case. */
void     workshop_start(struct workshop *w, const char id[MESSAGE_ID_TEXT_LEN + 1], enum media_kind kind);

#endif
