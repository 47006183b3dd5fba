/* apps/daemon/api_media.c - photos, voice notes and files over the local API (docs/api.md). */
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/api_call.h"
#include "apps/daemon/workshop.h"
#include "apps/messenger/media.h"
#include "apps/profile/units.h"

void api_content_free(struct api_content *content)
{
    if (content == NULL)
        return;
    free(content->bytes);
    free(content);
}

/* ---- Uploads ---- */

static bool upload_number(struct api_call *c, uint32_t *number)
{
    uint64_t v;

    if (units_number(&v, c->args[0], UINT32_MAX) == ERR_NONE) {
        *number = (uint32_t)v;
        return true;
    }
    api_refuse(c, 404, "not-found", "there is no such upload");
    return false;
}

static void answer_upload(struct api_call *c, int status, uint32_t number)
{
    uint64_t size, have;

    if (messenger_upload_info(c->parts->messenger, number, &size, &have) != ERR_NONE)
        api_refuse(c, 404, "not-found", "there is no such upload; it may have been forgotten after an hour: begin anew");
    else
        api_answer(c, status, json_pack("{s:i, s:I, s:I}", "upload", (int)number, "size", (json_int_t)size, "have", (json_int_t)have));
}

void api_upload_begin(struct api_call *c)
{
    uint64_t size = 0;
    const struct api_field fields[] = { { "size", API_COUNT, true, 1, INT64_MAX, &size } };
    uint32_t number;

    if (!api_fields(c, fields, 1) || !api_needs_person(c))
        return;
    enum err e = messenger_upload_begin(c->parts->messenger, size, &number);
    if (e == ERR_TOO_LARGE)
        api_refuse(c, 413, "too-large", "%llu bytes are more than the %d MiB that can be sent", (unsigned long long)size, MEDIA_SIZE_MAX >> 20);
    else if (e == ERR_FULL)
        api_refuse(c, 503, "busy", "%d uploads are under way already; try again when one is done", UPLOADS_MAX);
    else if (e != ERR_NONE)
        api_fail(c, e, "the upload");
    else
        answer_upload(c, 201, number);
}

void api_upload_data(struct api_call *c)
{
    uint64_t at = 0, have = 0;
    const struct api_field query[] = { { "at", API_COUNT, true, 0, MEDIA_SIZE_MAX, &at } };
    uint32_t number;

    if (!api_query(c, query, 1) || !api_needs_person(c) || !upload_number(c, &number))
        return;
    /* Nothing of it is in the database, so nothing has to wait for a commit. */
    c->reply->is_after_turn = false;
    if (c->raw.len > API_PIECE_MAX) {
        api_refuse(c, 413, "too-large", "a piece has at most %d bytes", API_PIECE_MAX);
        return;
    }
    enum err e = messenger_upload_write(c->parts->messenger, number, at, c->raw, &have);
    if (e == ERR_STATE)
        api_refuse(c, 409, "state", "%llu bytes are here: go on from there", (unsigned long long)have);
    else if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "there is no such upload; it may have been forgotten after an hour: begin anew");
    else if (e == ERR_TOO_LARGE)
        api_refuse(c, 413, "too-large", "that is more than was said at its beginning");
    else if (e != ERR_NONE)
        api_fail(c, e, "the upload");
    else
        answer_upload(c, 200, number);
}

void api_upload_show(struct api_call *c)
{
    uint32_t number;

    if (api_fields(c, NULL, 0) && api_needs_person(c) && upload_number(c, &number))
        answer_upload(c, 200, number);
}

void api_upload_drop(struct api_call *c)
{
    uint32_t number;

    if (!api_fields(c, NULL, 0) || !api_needs_person(c) || !upload_number(c, &number))
        return;
    if (messenger_upload_drop(c->parts->messenger, number) != ERR_NONE)
        api_refuse(c, 404, "not-found", "there is no such upload");
    else
        api_answer(c, 200, json_pack("{s:i}", "dropped", (int)number));
}

/* ---- Sending ---- */

/* The usual endings; the type is a claim for the receiver's program, never a reason to run anything here. */
static const char *type_of_name(struct bytes name)
{
    static const struct { const char *ending, *type; } rows[] = {
        { ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" }, { ".png", "image/png" }, { ".webp", "image/webp" },
        { ".wav", "audio/wav" }, { ".flac", "audio/flac" }, { ".ogg", "audio/ogg" }, { ".opus", "audio/ogg" }, { ".mp3", "audio/mpeg" },
        { ".m4a", "audio/mp4" }, { ".mp4", "video/mp4" }, { ".webm", "video/webm" }, { ".mkv", "video/x-matroska" },
        { ".pdf", "application/pdf" }, { ".txt", "text/plain" }, { ".csv", "text/csv" }, { ".zip", "application/zip" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].ending);
        bool is_it = name.len > len;

        for (size_t k = 0; is_it && k < len; k++) {
            uint8_t ch = name.at[name.len - len + k];

            is_it = (ch >= 'A' && ch <= 'Z' ? ch + 32 : ch) == rows[i].ending[k];
        }
        if (is_it)
            return rows[i].type;
    }
    return "application/octet-stream";
}

static bool kind_of(struct api_call *c, struct bytes word, struct bytes type, enum media_kind *out)
{
    static const char *const words[MEDIA_KIND_COUNT] = { "file", "photo", "voice", "video" };

    for (int k = 0; k < MEDIA_KIND_COUNT; k++) {
        if (word.len > 0 ? bytes_are_equal(word, bytes_of_text(words[k])) : k != MEDIA_FILE && media_type_fits(type, (enum media_kind)k)) {
            *out = (enum media_kind)k;
            if (media_type_fits(type, *out))
                return true;
            api_refuse(c, 400, "malformed", "%.*s cannot be sent as a %s; send it as a file", (int)type.len, (const char *)type.at, words[k]);
            return false;
        }
    }
    *out = MEDIA_FILE;
    if (word.len == 0)
        return true;
    api_refuse(c, 400, "malformed", "\"kind\" is one of file, photo, voice, video");
    return false;
}

void api_media_send(struct api_call *c)
{
    struct media_offer o = { .is_now = false };
    struct bytes kind = bytes_of(NULL, 0);
    uint64_t upload = 0, life_s = 0;
    const struct api_field fields[] = {
        { "upload", API_COUNT, true, 1, UINT32_MAX, &upload }, { "name", API_TEXT, true, 1, MEDIA_NAME_MAX, &o.name },
        { "type", API_TEXT, false, 3, MEDIA_TYPE_MAX, &o.type }, { "kind", API_TEXT, false, 1, 16, &kind },
        { "caption", API_TEXT, false, 0, MEDIA_CAPTION_MAX, &o.caption }, { "now", API_BOOL, false, 0, 0, &o.is_now },
        { "life_s", API_COUNT, false, 0, 14 * 86400, &life_s },
    };
    char id[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t number;

    if (!api_fields(c, fields, sizeof fields / sizeof fields[0]) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    if (!media_name_is_sound(o.name)) {
        api_refuse(c, 400, "bad-name", "a file's name has no slash, control or direction characters, no dot first, no dot or space last; "
                                       "give another name");
        return;
    }
    if (o.type.len == 0)
        o.type = bytes_of_text(type_of_name(o.name));
    if (!media_type_is_sound(o.type)) {
        api_refuse(c, 400, "malformed", "\"type\" has to look like image/jpeg, in lower case");
        return;
    }
    if (!kind_of(c, kind, o.type, &o.kind))
        return;
    o.life_s = (uint32_t)life_s;
    o.is_preparing = c->parts->workshop != NULL && (o.kind == MEDIA_PHOTO || o.kind == MEDIA_VOICE);
    enum err e = messenger_send_media(c->parts->messenger, number, (uint32_t)upload, &o, c->wall_unix_s, c->now_ms, id);
    if (e == ERR_STATE) {
        api_refuse(c, 409, "state", "the upload is not whole, or %d messages to this friend wait for an answer", MESSAGES_WAITING_MAX);
    } else if (e == ERR_NOT_FOUND) {
        api_refuse(c, 404, "not-found", "there is no such upload; it may have been forgotten after an hour: begin anew");
    } else if (e == ERR_REFUSED) {
        api_refuse(c, 403, "refused", "you have blocked this person: `staffetta unblock` first");
    } else if (e != ERR_NONE) {
        api_fail(c, e, "the content");
    } else {
        if (o.is_preparing)
            workshop_start(c->parts->workshop, id, o.kind);
        api_answer_message(c, 201, id);
    }
}

/* ---- Looking ---- */

static void name_of_friend(struct api_call *c, uint32_t number, char to[API_ARG_LEN_MAX + 1])
{
    struct friend_info f;

    if (messenger_friend_info(c->parts->messenger, number, &f) != ERR_NONE || strlen(f.name) > API_ARG_LEN_MAX)
        strcpy(to, "unknown");
    else
        strcpy(to, f.name);
}

static bool find_media(struct api_call *c, char id[MESSAGE_ID_TEXT_LEN + 1], struct media_info *out)
{
    if (!api_needs_person(c) || !api_find_message(c, c->args[0], id))
        return false;
    if (messenger_media(c->parts->messenger, bytes_of_text(id), out) == ERR_NONE)
        return true;
    api_refuse(c, 404, "not-found", "the message %s has no photo, voice note or file with it", id);
    return false;
}

static void answer_media(struct api_call *c, const char *id)
{
    char name[API_ARG_LEN_MAX + 1];
    struct media_info info;
    enum err e = messenger_media(c->parts->messenger, bytes_of_text(id), &info);

    if (e == ERR_NONE) {
        name_of_friend(c, info.friend_number, name);
        e = messenger_media(c->parts->messenger, bytes_of_text(id), &info);
    }
    if (e != ERR_NONE)
        api_fail(c, e, "the content");
    else
        api_answer(c, 200, api_media_json(&info, name));
}

void api_media_show(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;

    if (api_fields(c, NULL, 0) && find_media(c, id, &info))
        answer_media(c, id);
}

struct listing { json_t *list, *names; };

static bool add_friend(void *ctx, const struct friend_info *f)
{
    char key[16];

    snprintf(key, sizeof key, "%u", (unsigned)f->number);
    return json_object_set_new(ctx, key, json_string(f->name)) == 0;
}

static bool add_media(void *ctx, const struct media_info *i)
{
    struct listing *l = ctx;
    char key[16];

    snprintf(key, sizeof key, "%u", (unsigned)i->friend_number);
    const char *name = json_string_value(json_object_get(l->names, key));
    return json_array_append_new(l->list, api_media_json(i, name != NULL ? name : "unknown")) == 0 &&
           json_array_size(l->list) < API_PAGE_MAX;
}

void api_media_list(struct api_call *c)
{
    if (!api_fields(c, NULL, 0) || !api_needs_person(c))
        return;
    struct listing l = { json_array(), json_object() };
    enum err e = messenger_friends(c->parts->messenger, add_friend, l.names);
    if (e == ERR_NONE)
        e = messenger_media_list(c->parts->messenger, add_media, &l);
    json_decref(l.names);
    if (e != ERR_NONE) {
        json_decref(l.list);
        api_fail(c, e, "the contents");
        return;
    }
    api_answer(c, 200, json_pack("{s:o}", "media", l.list));
}

/* ---- Bytes ---- */

/* "bytes=A-B", "bytes=A-", "bytes=-LAST". False: not one of these, or outside; RFC 9110 lets any other range be ignored. */
static bool read_range(const char *text, uint64_t total, uint64_t *from, uint64_t *len)
{
    char first[24], last[24];
    uint64_t a, b;

    if (strncmp(text, "bytes=", 6) != 0)
        return false;
    text += 6;
    size_t dash = strspn(text, "0123456789");
    if (text[dash] != '-' || dash >= sizeof first || strlen(text + dash + 1) >= sizeof last)
        return false;
    memcpy(first, text, dash);
    first[dash] = '\0';
    strcpy(last, text + dash + 1);
    if (first[0] == '\0') {
        if (units_number(&b, last, INT64_MAX) != ERR_NONE || b == 0)
            return false;
        *len = b < total ? b : total;
        *from = total - *len;
        return true;
    }
    if (units_number(&a, first, INT64_MAX) != ERR_NONE || a >= total)
        return false;
    b = total - 1;
    if (last[0] != '\0' && (units_number(&b, last, INT64_MAX) != ERR_NONE || b < a))
        return false;
    *from = a;
    *len = (b < total ? b : total - 1) - a + 1;
    return true;
}

static void answer_content(struct api_call *c, struct api_content *content)
{
    content->from = 0;
    content->len = content->total;
    if (c->range != NULL)
        content->is_range = read_range(c->range, content->total, &content->from, &content->len);
    json_decref(c->reply->body);
    c->reply->body = NULL;
    c->reply->status = content->is_range ? 206 : 200;
    c->reply->content = content;
}

static void send_part(struct api_call *c, enum media_part part)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;

    if (!api_fields(c, NULL, 0) || !find_media(c, id, &info))
        return;
    uint64_t total = part == PART_ORIGINAL ? info.size : info.light_size;
    if (total == 0) {
        api_refuse(c, 404, "not-found", "there is no lighter version of this one");
    } else if (!(part == PART_ORIGINAL ? info.is_here : info.is_light_here)) {
        api_refuse(c, 409, "state", "it is not here yet: %u of %u chunks%s%s", info.have, info.needed, info.reason[0] != '\0' ? "; " : "",
                   info.reason);
    } else {
        struct api_content *content = calloc(1, sizeof *content);

        if (content == NULL) {
            api_fail(c, ERR_NO_MEMORY, "the content");
            return;
        }
        memcpy(content->id, id, sizeof content->id);
        content->part = part;
        content->total = total;
        snprintf(content->name, sizeof content->name, "%s%s", info.name, part == PART_LIGHT ? ".opus" : "");
        answer_content(c, content);
    }
}

void api_media_data(struct api_call *c) { send_part(c, PART_ORIGINAL); }
void api_media_light(struct api_call *c) { send_part(c, PART_LIGHT); }

void api_media_preview(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;
    size_t len = 0;

    if (!api_fields(c, NULL, 0) || !find_media(c, id, &info))
        return;
    struct api_content *content = calloc(1, sizeof *content);
    if (content == NULL || (content->bytes = malloc(MEDIA_PREVIEW_MAX)) == NULL) {
        api_content_free(content);
        api_fail(c, ERR_NO_MEMORY, "the preview");
    } else if (messenger_media_preview(c->parts->messenger, bytes_of_text(id), content->bytes, &len) != ERR_NONE) {
        api_content_free(content);
        api_refuse(c, 404, "not-found", "it has no preview");
    } else {
        content->total = len;
        snprintf(content->name, sizeof content->name, "preview-%s.jpg", id);
        answer_content(c, content);
    }
}

/* ---- Wishes and space ---- */

void api_media_want(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;
    bool want = true;
    const struct api_field fields[] = { { "want", API_BOOL, true, 0, 0, &want } };

    if (!api_fields(c, fields, 1) || !find_media(c, id, &info))
        return;
    enum err e = messenger_media_want(c->parts->messenger, bytes_of_text(id), want, c->wall_unix_s, c->now_ms);
    if (e == ERR_STATE)
        api_refuse(c, 409, "state", info.is_incoming ? "it is here already, or was broken" : "it is one of your own");
    else if (e == ERR_REFUSED)
        api_refuse(c, 403, "refused", "accept the person first: `staffetta accept NAME`");
    else if (e != ERR_NONE)
        api_fail(c, e, "the content");
    else
        answer_media(c, id);
}

void api_media_keep(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;
    bool keep = true;
    const struct api_field fields[] = { { "keep", API_BOOL, true, 0, 0, &keep } };

    if (!api_fields(c, fields, 1) || !find_media(c, id, &info))
        return;
    enum err e = messenger_media_keep(c->parts->messenger, bytes_of_text(id), keep);
    if (e != ERR_NONE)
        api_fail(c, e, "the content");
    else
        answer_media(c, id);
}

void api_media_free(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_info info;
    uint64_t freed;

    if (!api_fields(c, NULL, 0) || !find_media(c, id, &info))
        return;
    enum err e = messenger_media_free(c->parts->messenger, bytes_of_text(id), &freed);
    if (e == ERR_STATE)
        api_refuse(c, 409, "state", info.is_kept ? "it is kept; `staffetta keep --no ID` lets it go" : "nothing of it is here");
    else if (e != ERR_NONE)
        api_fail(c, e, "the content");
    else
        answer_media(c, id);
}

void api_free_up(struct api_call *c)
{
    uint64_t older_s = FREE_UP_AGE_S, bytes = 0, freed;
    const struct api_field fields[] = {
        { "older_s", API_COUNT, false, 0, UINT32_MAX, &older_s }, { "bytes", API_COUNT, false, 0, INT64_MAX, &bytes },
    };
    uint32_t count;

    if (!api_fields(c, fields, 2) || !api_needs_person(c))
        return;
    enum err e = messenger_free_up(c->parts->messenger, older_s, bytes, &freed, &count);
    if (e != ERR_NONE)
        api_fail(c, e, "the contents");
    else
        api_answer(c, 200, json_pack("{s:I, s:i}", "freed", (json_int_t)freed, "items", (int)count));
}

/* What takes space, with its limit and what happens at it. Words for people stand here, so that all programs say the same. */
static const struct { const char *name; enum quota_class which; const char *rule; } shares[] = {
    { "sos", QUOTA_SOS, "calls for help: the oldest of whoever brought most goes first" },
    { "own", QUOTA_OWN, "your messages under way: never removed for others; they go when delivered or expired" },
    { "friends", QUOTA_CONTACT, "carried for friends, and what came for you: removed for others only past this share" },
    { "strangers", QUOTA_STRANGER, "carried for strangers: first removed is what one neighbour brought most of, then the lowest proof of work, then what expires first" },
    { "public", QUOTA_PUBLIC, "public messages: as strangers', and within hours" },
};

void api_storage(struct api_call *c)
{
    struct media_usage media;
    struct store_usage u;

    if (!api_fields(c, NULL, 0) || !api_needs_node(c))
        return;
    json_t *list = json_array();
    store_usage(c->parts->store, &u);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:i, s:I, s:s}", "name", shares[i].name, "bytes",
                                              (json_int_t)u.class_bytes[shares[i].which], "items", (int)u.class_count[shares[i].which],
                                              "limit", (json_int_t)u.class_share[shares[i].which], "rule", shares[i].rule));
    json_t *answer = json_pack("{s:o, s:I, s:I, s:i, s:b, s:I}", "carried", list, "bytes", (json_int_t)u.bytes, "capacity",
                               (json_int_t)u.capacity_bytes, "fill_percent", (int)u.fill_percent, "disk_has_room",
                               db_has_room(c->parts->db), "database_bytes", (json_int_t)db_used_bytes(c->parts->db));
    if (c->parts->messenger != NULL && messenger_media_usage(c->parts->messenger, &media) == ERR_NONE) {
        json_object_set_new(answer, "media", json_pack(
            "{s:I, s:I, s:I, s:I, s:n, s:s, s:I, s:I}", "bytes", (json_int_t)media.bytes, "items", (json_int_t)media.items,
            "kept_bytes", (json_int_t)media.kept_bytes, "free_up_bytes", (json_int_t)media.free_bytes, "limit", "rule",
            "photos, voice notes and files of your conversations: never removed by themselves; `staffetta free-up` removes originals that are complete, "
            "older than 30 days and not kept",
            "gateway_today_bytes", (json_int_t)media.gateway_today_bytes, "gateway_budget_bytes", (json_int_t)media.gateway_budget_bytes));
    } else {
        json_object_set_new(answer, "media", json_null());
    }
    json_object_set_new(answer, "messages_rule", json_string("your messages have no limit but the disk; they go when you delete them or they disappear"));
    api_answer(c, 200, answer);
}
