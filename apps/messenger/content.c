/* apps/messenger/content.c - what a payload says, by type. */
#include "apps/messenger/content.h"

#include <string.h>

#include "apps/media/manifest.h"
#include "apps/media/report.h"
#include "crypto/text.h"

enum { FLAGS_KNOWN = PAYLOAD_DISAPPEARS | PAYLOAD_WANTS_ACK };

static bool has_id(uint8_t type, uint8_t flags)
{
    return type == PAYLOAD_TEXT || type == PAYLOAD_MEDIA || (flags & PAYLOAD_WANTS_ACK) != 0;
}

static bool is_type_known(uint8_t type)
{
    return type <= PAYLOAD_RESET || type == PAYLOAD_MEDIA || type == PAYLOAD_MEDIA_REPORT;
}

static bool body_is_sound(uint8_t type, struct bytes body)
{
    struct manifest manifest;

    switch (type) {
    case PAYLOAD_TEXT: return body.len > 0 && body.len <= TEXT_LEN_MAX && text_is_utf8(body);
    case PAYLOAD_READ: return body.len > 0 && body.len % MESSAGE_ID_LEN == 0;
    case PAYLOAD_MEDIA: return manifest_decode(&manifest, body) == ERR_NONE;
    case PAYLOAD_MEDIA_REPORT: return body.len > 0 && body.len <= REPORT_LEN_MAX;
    case PAYLOAD_CARD: return body.len > 0 && body.len <= CARD_LEN_MAX;
    default: return body.len == 0;   /* PAYLOAD_NONE, PAYLOAD_RESET */
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
    if (!is_type_known(p->type) || (p->flags & ~FLAGS_KNOWN) != 0) {
        *out = c;
        return ERR_VERSION;
    }
    if (!body_is_sound(p->type, c.body))
        return ERR_MALFORMED;
    *out = c;
    return ERR_NONE;
}

void content_encode(const struct content *c, uint8_t type, uint8_t flags, struct writer *w)
{
    if (flags & PAYLOAD_DISAPPEARS)
        writer_u32(w, c->disappear_s);
    if (has_id(type, flags))
        writer_copy(w, bytes_of(c->id.octets, sizeof c->id.octets));
    writer_copy(w, c->body);
}
