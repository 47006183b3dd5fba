/* crypto/card.c - layout, signature and link of a card (protocol section 2). */
#include "crypto/card_internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum {
    CARD_VERSION_SUITE = 0x11,       /* version 1, suite 1 */
    CARD_FLAGS_KNOWN = CARD_ONE_TIME | CARD_PUBLIC,
    CARD_NAME_LEN_AT = 135,
    CARD_LEN_NAMELESS = 200,
    SIGNED_LEN_MAX = CARD_LEN_MAX - 64,
    FINGERPRINT_GROUPS = 6,
};

static const char SIGN_PREFIX[] = "mesh1.card";
static const char LINK_PREFIX[] = "staffetta:#";

bool card_name_is_valid(struct bytes name)
{
    if (name.len == 0 || name.len > CARD_NAME_MAX || !text_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] < 0x20 || name.at[i] == 0x7f)
            return false;
        /* U+0080 to U+009F; the name is well-formed, so an octet follows. */
        if (name.at[i] == 0xc2 && name.at[i + 1] < 0xa0)
            return false;
    }
    return true;
}

/* The signature's input: its prefix and every field before the signature. Returns its length. */
static size_t signed_text(const struct card *c, uint8_t to[sizeof SIGN_PREFIX - 1 + SIGNED_LEN_MAX])
{
    struct writer w = writer_of(to, sizeof SIGN_PREFIX - 1 + SIGNED_LEN_MAX);

    writer_copy(&w, bytes_of_text(SIGN_PREFIX));
    writer_u8(&w, CARD_VERSION_SUITE);
    writer_u8(&w, c->flags);
    writer_copy(&w, bytes_of(c->sign_key, sizeof c->sign_key));
    writer_copy(&w, bytes_of(c->dh_key, sizeof c->dh_key));
    writer_copy(&w, bytes_of(c->prekey, sizeof c->prekey));
    writer_u16(&w, c->prekey_id);
    writer_u16(&w, c->valid_until_day);
    writer_copy(&w, bytes_of(c->inbox_secret, sizeof c->inbox_secret));
    writer_u8(&w, c->mailbox_bits);
    writer_u8(&w, c->name_len);
    writer_copy(&w, bytes_of(c->name, c->name_len));
    assert(!w.failed);
    return writer_len(&w);
}

void card_sign(struct card *c, const uint8_t sign_secret[64])
{
    uint8_t text[sizeof SIGN_PREFIX - 1 + SIGNED_LEN_MAX];
    size_t len = signed_text(c, text);

    crypto_sign_detached(c->signature, NULL, text, len, sign_secret);
    secret_wipe(text, sizeof text);
}

static bool is_signed(const struct card *c)
{
    uint8_t text[sizeof SIGN_PREFIX - 1 + SIGNED_LEN_MAX];
    size_t len = signed_text(c, text);
    bool is_good = crypto_sign_verify_detached(c->signature, text, len, c->sign_key) == 0;

    secret_wipe(text, sizeof text);
    return is_good;
}

enum err card_decode(struct card *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct card c;

    memset(&c, 0, sizeof c);
    uint8_t version_suite = reader_u8(&r);
    c.flags = reader_u8(&r);
    reader_copy(&r, c.sign_key, sizeof c.sign_key);
    reader_copy(&r, c.dh_key, sizeof c.dh_key);
    reader_copy(&r, c.prekey, sizeof c.prekey);
    c.prekey_id = reader_u16(&r);
    c.valid_until_day = reader_u16(&r);
    reader_copy(&r, c.inbox_secret, sizeof c.inbox_secret);
    c.mailbox_bits = reader_u8(&r);
    c.name_len = reader_u8(&r);
    struct bytes name = reader_take(&r, c.name_len);
    reader_copy(&r, c.signature, sizeof c.signature);
    /* A newer version may have another layout: said before its length is judged. */
    if (in.len > 0 && version_suite != CARD_VERSION_SUITE)
        return ERR_VERSION;
    if (!reader_is_done(&r) || (c.flags & ~CARD_FLAGS_KNOWN) != 0 || c.mailbox_bits > MAILBOX_BITS_MAX ||
        !card_name_is_valid(name))
        return ERR_MALFORMED;
    memcpy(c.name, name.at, name.len);
    if (!is_signed(&c))
        return ERR_AUTH;
    *out = c;
    return ERR_NONE;
}

enum err card_decode_padded(struct card *out, const uint8_t padded[CARD_LEN_MAX])
{
    struct reader r = reader_of(bytes_of(padded, CARD_LEN_MAX));
    struct reader head = reader_sub(&r, CARD_NAME_LEN_AT);
    size_t len = CARD_LEN_NAMELESS + (size_t)reader_u8(&r);
    uint8_t rest = 0;

    (void)head;
    if (len > CARD_LEN_MAX)
        return ERR_MALFORMED;
    for (size_t i = len; i < CARD_LEN_MAX; i++)
        rest |= padded[i];
    if (rest != 0)
        return ERR_MALFORMED;
    return card_decode(out, bytes_of(padded, len));
}

size_t card_encode(const struct card *c, uint8_t *to)
{
    uint8_t text[sizeof SIGN_PREFIX - 1 + SIGNED_LEN_MAX];
    size_t len = signed_text(c, text) - (sizeof SIGN_PREFIX - 1);

    memcpy(to, text + sizeof SIGN_PREFIX - 1, len);
    memcpy(to + len, c->signature, sizeof c->signature);
    secret_wipe(text, sizeof text);
    return len + sizeof c->signature;
}

void card_link(const struct card *c, char to[CARD_LINK_MAX])
{
    uint8_t octets[CARD_LEN_MAX];
    size_t len = card_encode(c, octets);

    assert(sizeof LINK_PREFIX + text_base64_len(len) <= CARD_LINK_MAX);
    memcpy(to, LINK_PREFIX, sizeof LINK_PREFIX - 1);
    text_base64(to + sizeof LINK_PREFIX - 1, bytes_of(octets, len));
    secret_wipe(octets, sizeof octets);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What stands before the '#' is "scheme:" or an address "https://host/path"; its words mean nothing to us,
 * but a text that merely holds a '#' is not a link. */
static bool is_link_prefix(struct bytes prefix)
{
    size_t scheme = 0;

    while (scheme < prefix.len && (is_letter(prefix.at[scheme]) || (prefix.at[scheme] >= '0' && prefix.at[scheme] <= '9') ||
                                   prefix.at[scheme] == '+' || prefix.at[scheme] == '-' || prefix.at[scheme] == '.'))
        scheme++;
    if (scheme == 0 || !is_letter(prefix.at[0]) || scheme == prefix.len || prefix.at[scheme] != ':')
        return false;
    for (size_t i = scheme + 1; i < prefix.len; i++) {
        if (prefix.at[i] <= ' ' || prefix.at[i] >= 0x7f)
            return false;
    }
    return scheme + 1 == prefix.len || (prefix.len - scheme > 3 && memcmp(prefix.at + scheme, "://", 3) == 0);
}

enum err card_from_link(struct card *out, struct bytes text)
{
    uint8_t octets[CARD_LEN_MAX];
    size_t start = 0, end = text.len, len;
    enum err e;

    while (start < end && is_space(text.at[start]))
        start++;
    while (end > start && is_space(text.at[end - 1]))
        end--;
    for (size_t i = start; i < end; i++) {
        if (text.at[i] != '#')
            continue;
        if (!is_link_prefix(bytes_of(text.at + start, i - start)))
            return ERR_MALFORMED;
        start = i + 1;
        break;
    }
    if (text_base64_decode(octets, sizeof octets, &len, bytes_of(start < end ? text.at + start : NULL, end - start)) !=
        ERR_NONE)
        return ERR_MALFORMED;
    e = card_decode(out, bytes_of(octets, len));
    secret_wipe(octets, sizeof octets);
    return e;
}

void card_hash(const struct card *c, uint8_t out[32])
{
    uint8_t octets[CARD_LEN_MAX];
    size_t len = card_encode(c, octets);

    hash_derive_one(out, 32, bytes_of(NULL, 0), "cardh", bytes_of(octets, len));
    secret_wipe(octets, sizeof octets);
}

static void fingerprint(const struct card *c, uint8_t out[32])
{
    const struct bytes keys[] = { bytes_of(c->sign_key, sizeof c->sign_key), bytes_of(c->dh_key, sizeof c->dh_key) };

    hash_derive(out, 32, bytes_of(NULL, 0), "fp", keys, 2);
}

/* Thirty digits: five octets, big-endian, modulo 100000, six times. The bias is below 10^-7. */
static char *write_digits(char *to, const uint8_t print[32])
{
    for (int group = 0; group < FINGERPRINT_GROUPS; group++) {
        uint64_t v = 0;

        for (int i = 0; i < 5; i++)
            v = v << 8 | print[group * 5 + i];
        v %= 100000;
        for (uint64_t place = 10000; place > 0; place /= 10)
            *to++ = (char)('0' + v / place % 10);
    }
    return to;
}

void safety_number(const struct card *a, const struct card *b, char out[SAFETY_NUMBER_LEN + 1])
{
    uint8_t of_a[32], of_b[32];

    fingerprint(a, of_a);
    fingerprint(b, of_b);
    bool is_a_first = memcmp(of_a, of_b, sizeof of_a) <= 0;
    char *at = write_digits(out, is_a_first ? of_a : of_b);
    at = write_digits(at, is_a_first ? of_b : of_a);
    *at = '\0';
}

bool card_is_same_person(const struct card *a, const struct card *b)
{
    return memcmp(a->sign_key, b->sign_key, sizeof a->sign_key) == 0 &&
           memcmp(a->dh_key, b->dh_key, sizeof a->dh_key) == 0;
}
