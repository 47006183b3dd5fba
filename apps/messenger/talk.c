/* apps/messenger/talk.c - a text that refers to a message or to people. */
#include "apps/messenger/talk.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"

bool talk_refers(const struct talk *t)
{
    return t->has_reply || t->mention_count > 0;
}

static bool has_mention(const struct talk *t, const struct mention *one)
{
    for (uint8_t i = 0; i < t->mention_count; i++) {
        if (memcmp(t->mentions[i].octets, one->octets, sizeof one->octets) == 0)
            return true;
    }
    return false;
}

enum err talk_decode(struct talk *out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t parts = reader_u8(&r);
    struct talk t;

    memset(&t, 0, sizeof t);
    if (!r.failed && (parts & ~TALK_PARTS) != 0)
        return ERR_VERSION;
    t.has_reply = (parts & TALK_REPLIES) != 0;
    if (t.has_reply)
        reader_copy(&r, t.reply_to.octets, sizeof t.reply_to.octets);
    if (parts & TALK_MENTIONS) {
        uint8_t count = reader_u8(&r);

        if (count == 0 || count > MENTIONS_MAX)
            return ERR_MALFORMED;
        for (uint8_t i = 0; i < count; i++) {
            struct mention one;

            reader_copy(&r, one.octets, sizeof one.octets);
            if (has_mention(&t, &one))
                return ERR_MALFORMED;
            t.mentions[t.mention_count++] = one;
        }
    }
    t.text = reader_rest(&r);
    if (!reader_is_done(&r) || !talk_refers(&t) || t.text.len == 0 || t.text.len > TEXT_LEN_MAX || !text_is_utf8(t.text))
        return ERR_MALFORMED;
    *out = t;
    return ERR_NONE;
}

void talk_encode(const struct talk *t, struct writer *w)
{
    writer_u8(w, (uint8_t)((t->has_reply ? TALK_REPLIES : 0) | (t->mention_count > 0 ? TALK_MENTIONS : 0)));
    if (t->has_reply)
        writer_copy(w, bytes_of(t->reply_to.octets, sizeof t->reply_to.octets));
    if (t->mention_count > 0)
        writer_u8(w, t->mention_count);
    for (uint8_t i = 0; i < t->mention_count; i++)
        writer_copy(w, bytes_of(t->mentions[i].octets, sizeof t->mentions[i].octets));
    writer_copy(w, t->text);
}

void mention_of_key(struct mention *out, const uint8_t sign_key[32])
{
    uint8_t full[16];

    hash_derive_one(full, sizeof full, bytes_of(NULL, 0), "mention", bytes_of(sign_key, 32));
    memcpy(out->octets, full, sizeof out->octets);
}
