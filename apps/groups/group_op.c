/* apps/groups/group_op.c - one operation on a group's membership, as bytes. */
#include "apps/groups/group_op.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"

static const char OP_LABEL[] = "group op";

/* C0, DEL, C1, line and paragraph separators, what turns the direction of writing, the byte order mark. */
static bool is_bad_sequence(const uint8_t *at, size_t left)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return true;
    if (left >= 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return true;
    if (left >= 3 && at[0] == 0xe2 && at[1] == 0x80)
        return (at[2] >= 0x8e && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae);
    if (left >= 3 && at[0] == 0xe2 && at[1] == 0x81)
        return at[2] >= 0xa6 && at[2] <= 0xa9;
    return left >= 3 && at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf;
}

bool group_name_is_sound(struct bytes name)
{
    if (name.len == 0 || name.len > GROUP_NAME_MAX || !text_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (is_bad_sequence(name.at + i, name.len - i))
            return false;
    }
    return true;
}

static bool has_subject(enum group_op_kind k) { return k == GROUP_ADD || k == GROUP_REMOVE || k == GROUP_ADMIN; }
static bool has_name(enum group_op_kind k) { return k == GROUP_CREATE || k == GROUP_RENAME; }
static bool has_card(enum group_op_kind k) { return k == GROUP_CREATE || k == GROUP_ADD; }

static bool card_is_sound(struct bytes in)
{
    struct card card;

    return card_decode(&card, in) == ERR_NONE && !(card.flags & CARD_ONE_TIME);
}

static bool is_sound(const struct group_op *op)
{
    if ((op->kind == GROUP_CREATE) != (op->parent_count == 0) || op->parent_count > GROUP_PARENTS_MAX ||
        (op->kind == GROUP_CREATE && op->sequence != 0))
        return false;
    for (unsigned i = 1; i < op->parent_count; i++) {
        if (memcmp(op->parents[i - 1], op->parents[i], GROUP_HASH_LEN) >= 0)
            return false;
    }
    if (has_name(op->kind) && !group_name_is_sound(op->name))
        return false;
    return !has_card(op->kind) || card_is_sound(op->card);
}

static void hash_op(uint8_t out[GROUP_HASH_LEN], struct bytes unsigned_part)
{
    hash_derive_one(out, GROUP_HASH_LEN, bytes_of(NULL, 0), "group op", unsigned_part);
}

static void write_named(struct writer *w, struct bytes b)
{
    writer_u8(w, (uint8_t)b.len);
    writer_copy(w, b);
}

enum err group_op_seal(struct group_op *op, const uint8_t seed[SIGNATURE_SEED_LEN], struct writer *w)
{
    static const uint8_t none[GROUP_ID_LEN];
    uint8_t *start = w->at, signature[SIGNATURE_LEN], hash[GROUP_HASH_LEN];

    if (op->kind >= GROUP_OP_KIND_COUNT || op->name.len > GROUP_NAME_MAX || op->card.len > CARD_LEN_MAX || !is_sound(op))
        return ERR_MALFORMED;
    writer_u8(w, GROUP_OP_VERSION);
    writer_u8(w, (uint8_t)op->kind);
    writer_copy(w, bytes_of(op->kind == GROUP_CREATE ? none : op->group, GROUP_ID_LEN));
    writer_copy(w, bytes_of(op->author, GROUP_KEY_LEN));
    writer_u32(w, op->sequence);
    writer_u8(w, op->parent_count);
    writer_copy(w, bytes_of(op->parents, (size_t)op->parent_count * GROUP_HASH_LEN));
    if (op->kind == GROUP_CREATE)
        writer_copy(w, bytes_of(op->salt, sizeof op->salt));
    if (has_subject(op->kind))
        writer_copy(w, bytes_of(op->subject, GROUP_KEY_LEN));
    if (has_name(op->kind))
        write_named(w, op->name);
    if (has_card(op->kind))
        write_named(w, op->card);
    if (op->kind == GROUP_ADMIN)
        writer_u8(w, op->is_admin);
    if (w->failed)
        return ERR_TOO_LARGE;
    struct bytes part = bytes_of(start, (size_t)(w->at - start));
    signature_make(signature, seed, OP_LABEL, &part, 1);
    writer_copy(w, bytes_of(signature, sizeof signature));
    if (w->failed)
        return ERR_TOO_LARGE;
    if (op->kind == GROUP_CREATE) {
        hash_op(hash, part);
        memcpy(op->group, hash, GROUP_ID_LEN);
    }
    return ERR_NONE;
}

static struct bytes read_named(struct reader *r)
{
    size_t len = reader_u8(r);

    return reader_take(r, len);
}

enum err group_op_decode(struct group_op *out, uint8_t hash[GROUP_HASH_LEN], struct bytes in)
{
    static const uint8_t none[GROUP_ID_LEN];
    struct reader r = reader_of(in);
    struct group_op op;
    uint8_t signature[SIGNATURE_LEN], name[GROUP_HASH_LEN], flag = 0;
    enum err e;

    memset(&op, 0, sizeof op);
    uint8_t version = reader_u8(&r), kind = reader_u8(&r);
    if (r.failed)
        return ERR_MALFORMED;
    if (version != GROUP_OP_VERSION || kind >= GROUP_OP_KIND_COUNT)
        return ERR_VERSION;
    op.kind = (enum group_op_kind)kind;
    reader_copy(&r, op.group, sizeof op.group);
    reader_copy(&r, op.author, sizeof op.author);
    op.sequence = reader_u32(&r);
    op.parent_count = reader_u8(&r);
    if (op.parent_count > GROUP_PARENTS_MAX)
        return ERR_MALFORMED;
    reader_copy(&r, op.parents, (size_t)op.parent_count * GROUP_HASH_LEN);
    if (op.kind == GROUP_CREATE)
        reader_copy(&r, op.salt, sizeof op.salt);
    if (has_subject(op.kind))
        reader_copy(&r, op.subject, sizeof op.subject);
    if (has_name(op.kind))
        op.name = read_named(&r);
    if (has_card(op.kind))
        op.card = read_named(&r);
    if (op.kind == GROUP_ADMIN)
        flag = reader_u8(&r);
    struct bytes part = bytes_of(in.at, in.len - reader_left(&r));
    reader_copy(&r, signature, sizeof signature);
    if (!reader_is_done(&r) || flag > 1)
        return ERR_MALFORMED;
    op.is_admin = flag == 1;
    if (!is_sound(&op) || (op.kind == GROUP_CREATE && memcmp(op.group, none, sizeof none) != 0))
        return ERR_MALFORMED;
    if ((e = signature_check(signature, op.author, OP_LABEL, &part, 1)) != ERR_NONE)
        return e;
    hash_op(name, part);
    if (op.kind == GROUP_CREATE)
        memcpy(op.group, name, sizeof op.group);
    memcpy(hash, name, sizeof name);
    *out = op;
    return ERR_NONE;
}
