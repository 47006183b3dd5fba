/* crypto/session.c - sealing and opening in the session form (protocol sections 3 and 4). */
#include "crypto/session_internal.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"

enum { TAG_INDEX_COUNT = 1 << 16 };  /* an index is two octets */

size_t session_payload_max(enum session_form form, uint8_t size_code)
{
    return size_code > SIZE_CODE_MAX ? 0 : body_payload_max(has_card(form), size_code);
}

enum session_form session_form_next(const struct session *s)
{
    return s->is_starter && !s->is_established ? (enum session_form)s->form : FORM_SESSION;
}

uint32_t session_day(const struct session *s, uint32_t day)
{
    return later_day(day, s->day);
}

bool session_is_established(const struct session *s)
{
    return s->is_established;
}

void session_id(const struct session *s, uint8_t out[SESSION_ID_LEN])
{
    memcpy(out, s->id, SESSION_ID_LEN);
}

void session_start_key_hash(const struct session *s, uint8_t out[16])
{
    hash_derive_one(out, 16, bytes_of(NULL, 0), "ek", bytes_of(s->start_key, sizeof s->start_key));
}

void message_id_of(const uint8_t message_key[32], uint8_t out[MESSAGE_ID_LEN])
{
    uint8_t full[16];

    hash_derive_one(full, sizeof full, bytes_of(message_key, 32), "mid", bytes_of(NULL, 0));
    memcpy(out, full, MESSAGE_ID_LEN);
    secret_wipe(full, sizeof full);
}

/* ---- Sealing ---- */

static enum err seal_in_session(struct session *s, const struct seal_request *q, const struct rng *g, uint8_t *bundle,
                                struct sealed *out)
{
    struct day_chain days = s->send_days;
    uint32_t index = s->send_index;
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = q->size_code, .expiry_h = q->expiry_h,
                        .bucket = q->bucket };
    struct inner inner;
    uint8_t key[32], mask_key[32], salt[SALT_LEN];
    enum err e = ERR_STATE;

    /* Our clock may have leapt further than the other side would follow. */
    if (session_day(s, q->day) - days.day > DAY_ADVANCE_MAX ||
        day_chain_advance(&days, session_day(s, q->day)) != ERR_NONE)
        goto out;
    if (days.day != s->send_days.day)
        index = 0;
    if (index >= TAG_INDEX_COUNT)
        goto out;
    if ((e = ratchet_send(&s->ratchet, g, &inner, key)) != ERR_NONE)
        goto out;
    session_note_own_day(s, q->day);
    s->send_days = days;
    s->send_index = index + 1;
    s->day = days.day;

    day_key_tag(days.key, (uint16_t)index, out->reveal, h.tag);
    out->has_reveal = true;
    day_key_mask(days.key, mask_key);
    rng_fill(g, salt, sizeof salt);
    body_write(bundle, &(struct body_parts){ .header = &h, .salt = salt, .mask_key = mask_key, .inner = &inner,
                                             .payload_key = key, .payload = q->payload });
    message_id_of(key, out->message_id);
    secret_wipe(mask_key, sizeof mask_key);
    secret_wipe(key, sizeof key);
out:
    secret_wipe(&days, sizeof days);
    return e;
}

enum err session_seal(struct session *s, const struct seal_request *q, const struct rng *g,
                      uint8_t *bundle, struct sealed *out)
{
    enum session_form form = session_form_next(s);
    /* A form whose frame alone is larger than the bundle holds nothing, not even an empty payload. */
    size_t max = session_payload_max(form, q->size_code);

    assert(q->expiry_h % EXPIRY_STEP_H == 0 && q->bucket <= 0xffffff);
    if (max == 0 || q->payload.len > max)
        return ERR_TOO_LARGE;
    if (form == FORM_SESSION)
        return seal_in_session(s, q, g, bundle, out);
    return session_seal_first(s, q, g, bundle, out);
}

/* ---- Expecting and opening ---- */

enum err session_expect(const struct session *s, uint32_t day, uint32_t from, uint32_t count,
                        uint8_t (*out)[TAG_LEN])
{
    uint8_t key[32], reveal[16];
    enum err e;

    assert(count <= SESSION_LOOKAHEAD_IDLE);
    if (from >= TAG_INDEX_COUNT || count > TAG_INDEX_COUNT - from)
        return ERR_NOT_FOUND;
    if ((e = day_window_key(&s->receive_days, day, key)) != ERR_NONE)
        return e;
    for (uint32_t i = 0; i < count; i++)
        day_key_tag(key, (uint16_t)(from + i), reveal, out[i]);
    secret_wipe(key, sizeof key);
    secret_wipe(reveal, sizeof reveal);
    return ERR_NONE;
}

uint32_t session_expect_from(const struct session *s, uint32_t day)
{
    return day_window_next(&s->receive_days, day);
}

enum err session_open(struct session *s, uint32_t day, uint32_t index, struct bytes bundle,
                      uint8_t *payload, struct opened *out)
{
    uint8_t day_key[32], mask_key[32], message_id[MESSAGE_ID_LEN], reveal[16], tag[TAG_LEN];
    struct ratchet_step step;
    struct body b;
    struct inner inner;
    size_t len;
    enum err e;

    if ((e = body_parse(&b, false, bundle)) != ERR_NONE)
        return e;
    if (index >= TAG_INDEX_COUNT)
        return ERR_AUTH;
    if ((e = day_window_key(&s->receive_days, day, day_key)) != ERR_NONE)
        return e;
    day_key_tag(day_key, (uint16_t)index, reveal, tag);
    day_key_mask(day_key, mask_key);
    secret_wipe(day_key, sizeof day_key);
    if (!secret_is_equal(tag, b.nonce, TAG_LEN)) {
        e = ERR_AUTH;
        goto out;
    }
    body_unmask(&b, mask_key, &inner);
    if ((e = ratchet_receive(&s->ratchet, &s->skipped, &inner, false, s->own_day, &step)) != ERR_NONE)
        goto out;
    if ((e = body_open_payload(&b, step.key, 0, payload, &len)) != ERR_NONE) {
        ratchet_abandon(&step);
        goto out;
    }
    message_id_of(step.key, message_id);
    if ((e = ratchet_accept(&s->ratchet, &s->skipped, &step)) != ERR_NONE)
        goto out;

    day_window_seen(&s->receive_days, day, index);
    s->day = session_day(s, day);
    s->is_established = true;
    secret_wipe(&s->first, sizeof s->first);
    memcpy(out->message_id, message_id, sizeof message_id);
    memcpy(out->reveal, reveal, sizeof reveal);
    out->has_reveal = true;
    out->payload_len = len;
out:
    secret_wipe(mask_key, sizeof mask_key);
    secret_wipe(reveal, sizeof reveal);
    return e;
}

bool session_note_own_day(struct session *s, uint32_t day)
{
    bool has_stamped = false;

    if (day <= s->own_day)
        return false;
    if (s->own_day == 0) {
        for (size_t i = 0; i < s->skipped.count; i++)
            s->skipped.at[i].day = day;
        has_stamped = s->skipped.count > 0;
    }
    s->own_day = day;
    return has_stamped;
}

/* Skipped keys age by our own clock: the days of bundles are the other's, who may live years from here. */
bool session_tend(struct session *s, uint32_t day)
{
    bool has_changed = session_note_own_day(s, day);

    if (s->own_day > SESSION_SKIPPED_DAYS && skipped_expire(&s->skipped, s->own_day - SESSION_SKIPPED_DAYS))
        has_changed = true;
    return has_changed;
}
