/* apps/daemon/api_person.c - identity, passphrase, panic over the local API. */
#include <string.h>

#include "apps/daemon/api_call.h"
#include "apps/daemon/person.h"
#include "crypto/text.h"

void api_init(struct api_call *c)
{
    struct bytes name = bytes_of(NULL, 0), passphrase = bytes_of(NULL, 0);
    const struct api_field fields[] = {
        { "name", API_TEXT, true, 1, CARD_NAME_MAX, &name },
        { "passphrase", API_TEXT_OR_NULL, false, 1, PASSPHRASE_LEN_MAX, &passphrase },
    };

    if (!api_fields(c, fields, 2) || !api_needs_node(c))
        return;
    enum err e = person_init(c->parts, name, passphrase);
    switch (e) {
    case ERR_NONE:
        api_answer(c, 201, json_pack("{s:s, s:b}", "name", messenger_name(c->parts->messenger), "passphrase", passphrase.len > 0));
        break;
    case ERR_EXISTS:
        api_refuse(c, 409, "exists", "there is an identity here already; another one needs another --data folder");
        break;
    case ERR_MALFORMED:
        api_refuse(c, 400, "bad-name", "a name has 1 to %d bytes of text without control characters", CARD_NAME_MAX);
        break;
    case ERR_AUTH:
        api_refuse(c, 403, "auth", "there is a vault here already, and this passphrase does not open it");
        break;
    case ERR_REFUSED:
        api_refuse(c, 403, "refused", "this daemon is only a relay (key relay); start it without that first");
        break;
    default:
        api_fail(c, e, "the identity");
        break;
    }
}

void api_unlock(struct api_call *c)
{
    struct bytes passphrase = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "passphrase", API_TEXT, true, 1, PASSPHRASE_LEN_MAX, &passphrase } };

    if (!api_fields(c, fields, 1) || !api_needs_node(c))
        return;
    enum err e = person_unlock(c->parts, passphrase);
    if (e == ERR_STATE)
        api_refuse(c, 409, "state", "nothing is locked here");
    else if (e == ERR_AUTH)
        api_refuse(c, 403, "auth", "this passphrase does not open the vault");
    else if (e == ERR_NO_MEMORY)
        api_refuse(c, 503, "no-memory", "checking the passphrase needs more free memory than there is: close something and try again");
    else if (e != ERR_NONE)
        api_fail(c, e, "the vault");
    else
        api_answer(c, 200, json_pack("{s:s}", "identity", c->parts->messenger != NULL ? "open" : "none"));
}

void api_passphrase(struct api_call *c)
{
    struct bytes passphrase = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "passphrase", API_TEXT_OR_NULL, true, 1, PASSPHRASE_LEN_MAX, &passphrase } };

    if (!api_fields(c, fields, 1) || !api_needs_person(c))
        return;
    enum err e = person_change_passphrase(c->parts, passphrase);
    if (e != ERR_NONE)
        api_fail(c, e, "the vault");
    else
        api_answer(c, 200, json_pack("{s:b}", "passphrase", passphrase.len > 0));
}

void api_settings(struct api_call *c)
{
    bool read_marks = true;
    const struct api_field fields[] = { { "read_marks", API_BOOL, true, 0, 0, &read_marks } };

    if (!api_fields(c, fields, 1) || !api_needs_person(c))
        return;
    enum err e = messenger_set_read_marks(c->parts->messenger, read_marks);
    if (e != ERR_NONE)
        api_fail(c, e, "the setting");
    else
        api_answer(c, 200, json_pack("{s:b}", "read_marks", read_marks));
}

void api_panic(struct api_call *c)
{
    struct bytes word = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "confirm", API_TEXT, true, 1, 16, &word } };

    if (!api_fields(c, fields, 1))
        return;
    if (!bytes_are_equal(word, bytes_of_text("panic"))) {
        api_refuse(c, 400, "malformed", "\"confirm\" has to be \"panic\": all keys are destroyed, and nothing brings them back");
        return;
    }
    enum err e = person_panic(c->parts);
    /* No turn can follow: what it would commit is to be forgotten. */
    c->reply->is_after_turn = false;
    if (e != ERR_NONE)
        api_refuse(c, 500, "io", "the keys in memory are gone, but not all files could be overwritten: %s", err_text(e));
    else
        api_answer(c, 200, json_pack("{s:b}", "destroyed", true));
}
