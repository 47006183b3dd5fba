/* tests/fuzz/fuzz_records.c - any bytes as any record of the messenger; what decodes encodes to the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/early.h"
#include "apps/messenger/records.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct bytes in, enum err encoded, struct buffer *b)
{
    assert(encoded == ERR_NONE && bytes_are_equal(in, buffer_bytes(b)));
}

/* One of the version before is written anew in the present one. */
static void fuzz_message(struct bytes in, const struct message_record *message, struct buffer *b)
{
    struct message_record again;

    if (in.at[0] == 2) {
        check_again(in, message_encode(message, b), b);
        return;
    }
    assert(message_encode(message, b) == ERR_NONE && message_decode(&again, buffer_bytes(b)) == ERR_NONE);
    assert(again.flags == message->flags && bytes_are_equal(again.text, message->text));
}

static void fuzz_plain(unsigned kind, struct bytes in, struct buffer *b)
{
    static struct conversation_record conversation;
    struct settings_record settings;
    struct friend_record f;
    struct slot_record slot;
    struct message_record message;
    struct place place;

    if (kind == 0 && settings_decode(&settings, in) == ERR_NONE)
        check_again(in, settings_encode(&settings, b), b);
    else if (kind == 1 && friend_decode(&f, in) == ERR_NONE)
        check_again(in, friend_encode(&f, b), b);
    else if (kind == 2 && slot_decode(&slot, in) == ERR_NONE)
        check_again(in, slot_encode(&slot, b), b);
    else if (kind == 3 && conversation_decode(&conversation, in) == ERR_NONE)
        check_again(in, conversation_encode(&conversation, b), b);
    else if (kind == 4 && message_decode(&message, in) == ERR_NONE)
        fuzz_message(in, &message, b);
    else if (kind == 5 && place_decode(&place, in) == ERR_NONE)
        check_again(in, place_encode(&place, b), b);
}

static void fuzz_early(struct bytes in, struct buffer *b)
{
    static struct early_list early;

    if (early_decode(&early, in) == ERR_NONE)
        check_again(in, early_encode(&early, b), b);
    early_clear(&early);
}

static void fuzz_lists(unsigned kind, struct bytes in, struct buffer *b)
{
    struct due_list due = { NULL, 0, 0 };
    struct gone_list gone = { NULL, 0, 0 };
    struct used_list used = { NULL, 0, 0 };

    if (kind == 6 && due_list_decode(&due, in, MESSAGES_WAITING_MAX) == ERR_NONE)
        check_again(in, due_list_encode(&due, b), b);
    else if (kind == 7 && gone_list_decode(&gone, in) == ERR_NONE)
        check_again(in, gone_list_encode(&gone, b), b);
    else if (kind == 8 && used_list_decode(&used, in) == ERR_NONE)
        check_again(in, used_list_encode(&used, b), b);
    else if (kind == 9)
        fuzz_early(in, b);
    due_list_clear(&due);
    gone_list_clear(&gone);
    used_list_clear(&used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer b = buffer_of_limit(2 * RECORD_LEN_MAX);

    if (size == 0 || crypto_start() != ERR_NONE)
        return 0;
    fuzz_plain(data[0] % 10, bytes_of(data + 1, size - 1), &b);
    fuzz_lists(data[0] % 10, bytes_of(data + 1, size - 1), &b);
    buffer_clear(&b);
    return 0;
}
