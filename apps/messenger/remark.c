/* apps/messenger/remark.c - what is said of a message that is there, as bytes. */
#include "apps/messenger/remark.h"

#include "apps/search/fold.h"
#include "crypto/text.h"

bool remark_is_sound(uint8_t kind, struct bytes body)
{
    switch (kind) {
    case REMARK_REACTION: return body.len == 0 || (body.len <= REACTION_LEN_MAX && fold_is_one_character(body));
    case REMARK_EDIT: return body.len > 0 && body.len <= TEXT_LEN_MAX && text_is_utf8(body);
    case REMARK_DELETION: return body.len == 0;
    default: return false;
    }
}

enum err remark_decode(struct remark *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct remark m;

    reader_copy(&r, m.target.octets, sizeof m.target.octets);
    m.kind = reader_u8(&r);
    m.body = reader_rest(&r);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    if (m.kind < REMARK_REACTION || m.kind >= REMARK_KIND_END)
        return ERR_VERSION;
    if (!remark_is_sound(m.kind, m.body))
        return ERR_MALFORMED;
    *out = m;
    return ERR_NONE;
}

void remark_encode(const struct remark *r, struct writer *w)
{
    writer_copy(w, bytes_of(r->target.octets, sizeof r->target.octets));
    writer_u8(w, r->kind);
    writer_copy(w, r->body);
}
