/* apps/messenger/content.c - what a payload says, by type. */
#include "apps/messenger/content.h"

#include <string.h>

#include "apps/media/manifest.h"
#include "apps/media/report.h"
#include "apps/messenger/remark.h"
#include "apps/messenger/talk.h"
#include "crypto/text.h"

enum { FLAGS_KNOWN = PAYLOAD_DISAPPEARS | PAYLOAD_WANTS_ACK };

static bool has_id(uint8_t type, uint8_t flags)
{
    return type == PAYLOAD_TEXT || type == PAYLOAD_MEDIA || type == PAYLOAD_TALK || type == PAYLOAD_REMARK || (flags & PAYLOAD_WANTS_ACK) != 0;
}

static bool is_type_known(uint8_t type)
{
    return type <= PAYLOAD_RESET || type == PAYLOAD_MEDIA || type == PAYLOAD_MEDIA_REPORT || type == PAYLOAD_TALK || type == PAYLOAD_REMARK;
}

static enum err sound(bool is_sound) { return is_sound ? ERR_NONE : ERR_MALFORMED; }

static enum err body_judge(uint8_t type, struct bytes body)
{
    struct manifest manifest;
    struct remark remark;
    struct talk talk;

    switch (type) {
    case PAYLOAD_TEXT: return sound(body.len > 0 && body.len <= TEXT_LEN_MAX && text_is_utf8(body));
    case PAYLOAD_READ: return sound(body.len > 0 && body.len % MESSAGE_ID_LEN == 0);
    case PAYLOAD_MEDIA: return sound(manifest_decode(&manifest, body) == ERR_NONE);
    case PAYLOAD_MEDIA_REPORT: return sound(body.len > 0 && body.len <= REPORT_LEN_MAX);
    case PAYLOAD_CARD: return sound(body.len > 0 && body.len <= CARD_LEN_MAX);
    case PAYLOAD_TALK: return talk_decode(&talk, body);
    case PAYLOAD_REMARK: return remark_decode(&remark, body);
    default: return sound(body.len == 0);   /* PAYLOAD_NONE, PAYLOAD_RESET */
    }
}

enum err content_decode(struct content *out, const struct payload *p)
{
    struct reader r = reader_of(p->content);
    struct content c;

    memset(&c, 0, sizeof c);
    if (p->flags & PAYLOAD_DISAPPEARS)
        c.disappear_s = reader_u32(&r);
    c.has_id = has_id(p->type, p->flags);
    if (c.has_id)
        reader_copy(&r, c.id.octets, sizeof c.id.octets);
    c.body = reader_rest(&r);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    enum err e = !is_type_known(p->type) || (p->flags & ~FLAGS_KNOWN) != 0 ? ERR_VERSION : body_judge(p->type, c.body);
    if (e == ERR_NONE || e == ERR_VERSION)
        *out = c;
    return e;
}

void content_encode(const struct content *c, uint8_t type, uint8_t flags, struct writer *w)
{
    if (flags & PAYLOAD_DISAPPEARS)
        writer_u32(w, c->disappear_s);
    if (has_id(type, flags))
        writer_copy(w, bytes_of(c->id.octets, sizeof c->id.octets));
    writer_copy(w, c->body);
}
