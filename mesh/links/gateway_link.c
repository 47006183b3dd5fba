/* mesh/links/gateway_link.c - see gateway_link.h */
#include "mesh/links/gateway_link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { LINK_VERSION = 1, FLAG_PIN = 1, FLAG_PLAIN = 16 /* of the first address; the bits above it of the others */ };

static const char PREFIX[] = "staffetta-gw:#";

bool gateway_host_is_valid(struct bytes host)
{
    if (host.len == 0 || host.len > GATEWAY_HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':'))
            return false;
    }
    return true;
}

static void read_address(struct reader *r, struct gateway *g, size_t i)
{
    struct bytes host = reader_take(r, reader_u8(r));

    g->addresses[i].port = reader_u16(r);
    if (r->failed || !gateway_host_is_valid(host) || g->addresses[i].port == 0) {
        r->failed = true;
        return;
    }
    memcpy(g->addresses[i].host, host.at, host.len);
}

static void read_gateway(struct reader *r, struct gateway *g)
{
    memset(g, 0, sizeof *g);
    uint8_t flags = reader_u8(r);
    reader_copy(r, g->key, sizeof g->key);
    reader_copy(r, g->id, sizeof g->id);
    reader_copy(r, g->secret, sizeof g->secret);
    g->is_pinned = (flags & FLAG_PIN) != 0;
    if (g->is_pinned)
        reader_copy(r, g->pin, sizeof g->pin);
    uint8_t count = reader_u8(r);
    if (count == 0 || count > GATEWAY_ADDRESSES_MAX || (flags & ~FLAG_PIN & (FLAG_PLAIN - 1)) != 0 || flags >= FLAG_PLAIN << count)
        r->failed = true;
    for (size_t i = 0; !r->failed && i < count; i++) {
        read_address(r, g, i);
        g->addresses[i].is_plain = (flags & FLAG_PLAIN << i) != 0;
    }
    g->address_count = r->failed ? 0 : count;
}

static void write_gateway(struct writer *w, const struct gateway *g)
{
    uint8_t flags = g->is_pinned ? FLAG_PIN : 0;

    for (size_t i = 0; i < g->address_count; i++)
        if (g->addresses[i].is_plain)
            flags = (uint8_t)(flags | FLAG_PLAIN << i);
    writer_u8(w, flags);
    writer_copy(w, bytes_of(g->key, sizeof g->key));
    writer_copy(w, bytes_of(g->id, sizeof g->id));
    writer_copy(w, bytes_of(g->secret, sizeof g->secret));
    if (g->is_pinned)
        writer_copy(w, bytes_of(g->pin, sizeof g->pin));
    writer_u8(w, g->address_count);
    for (size_t i = 0; i < g->address_count; i++) {
        struct bytes host = bytes_of_text(g->addresses[i].host);

        writer_u8(w, (uint8_t)host.len);
        writer_copy(w, host);
        writer_u16(w, g->addresses[i].port);
    }
}

enum err gateway_decode(struct gateway *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct gateway g;

    read_gateway(&r, &g);
    if (reader_is_done(&r))
        *out = g;
    secret_wipe(&g, sizeof g);
    return reader_is_done(&r) ? ERR_NONE : ERR_MALFORMED;
}

size_t gateway_encode(const struct gateway *g, uint8_t to[GATEWAY_BYTES_MAX])
{
    struct writer w = writer_of(to, GATEWAY_BYTES_MAX);

    write_gateway(&w, g);
    assert(!w.failed);
    return writer_len(&w);
}

static enum err read_bytes(struct gateway_link *out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t version = reader_u8(&r), count = reader_u8(&r);

    if (!r.failed && version != LINK_VERSION)
        return ERR_VERSION;
    if (r.failed || count == 0 || count > GATEWAYS_PER_LINK_MAX)
        return ERR_MALFORMED;
    out->count = count;
    for (size_t i = 0; i < count; i++)
        read_gateway(&r, &out->gateways[i]);
    return reader_is_done(&r) ? ERR_NONE : ERR_MALFORMED;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum err gateway_link_read(struct gateway_link *out, struct bytes text)
{
    uint8_t bytes[GATEWAY_LINK_BYTES_MAX];
    struct gateway_link *l;
    size_t len;
    enum err e;

    while (text.len > 0 && is_space(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.at[text.len - 1]))
        text.len--;
    const uint8_t *hash = text.len > 0 ? memchr(text.at, '#', text.len) : NULL;
    if (hash != NULL)
        text = bytes_of(hash + 1, text.len - (size_t)(hash + 1 - text.at));
    if (text_base64_decode(bytes, sizeof bytes, &len, text) != ERR_NONE)
        return ERR_MALFORMED;
    if ((l = calloc(1, sizeof *l)) == NULL)
        return ERR_NO_MEMORY;
    if ((e = read_bytes(l, bytes_of(bytes, len))) == ERR_NONE)
        *out = *l;
    secret_wipe(l, sizeof *l);
    secret_wipe(bytes, sizeof bytes);
    free(l);
    return e;
}

void gateway_link_write(const struct gateway_link *l, char to[GATEWAY_LINK_TEXT_MAX])
{
    uint8_t bytes[GATEWAY_LINK_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);

    writer_u8(&w, LINK_VERSION);
    writer_u8(&w, l->count);
    for (size_t i = 0; i < l->count; i++)
        write_gateway(&w, &l->gateways[i]);
    assert(!w.failed && sizeof PREFIX + text_base64_len(writer_len(&w)) <= GATEWAY_LINK_TEXT_MAX);
    memcpy(to, PREFIX, sizeof PREFIX - 1);
    text_base64(to + sizeof PREFIX - 1, writer_bytes(&w));
    secret_wipe(bytes, sizeof bytes);
}

bool gateway_link_is_text(struct bytes text, struct gateway_link *out)
{
    return text.len >= sizeof PREFIX - 1 && memcmp(text.at, PREFIX, sizeof PREFIX - 1) == 0 &&
           gateway_link_read(out, text) == ERR_NONE;
}
