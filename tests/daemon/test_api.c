/* tests/daemon/test_api.c - the local API as a function: every route's good answer, and a table of bad requests. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/daemon/api_fixture.h"
#include "tests/support/check.h"

#define LONG_33 "abcdefghijklmnopqrstuvwxyzabcdefg"

/* Calls, checks the status, and gives the body. */
static json_t *call(struct api_fixture *f, enum api_method method, const char *target, const char *body, int want)
{
    int status;
    json_t *o = api_fixture_call(f, method, target, body, &status);

    if (!CHECK_CASE(target, status == want && json_is_object(o))) {
        char *text = json_dumps(o, 0);

        fprintf(stderr, "    got %d %s\n", status, text != NULL ? text : "nothing");
        free(text);
    }
    return o;
}

static void expect(struct api_fixture *f, enum api_method method, const char *target, const char *body, int want, const char *code)
{
    json_t *o = call(f, method, target, body, want);
    const char *error = json_string_value(json_object_get(o, "error"));

    if (code == NULL)
        CHECK_CASE(target, error == NULL);
    else
        CHECK_CASE(target, error != NULL && strcmp(error, code) == 0 && json_is_string(json_object_get(o, "message")));
    json_decref(o);
}

/* A text out of an answer, to be freed. */
static char *ask(struct api_fixture *f, enum api_method method, const char *target, const char *body, int want, const char *key)
{
    json_t *o = call(f, method, target, body, want);
    const char *text = json_string_value(json_object_get(o, key));

    REQUIRE(text != NULL);
    char *copy = strdup(text);
    json_decref(o);
    return copy;
}

/* Judged before anything else: the same with and without a person. */
static const struct { const char *name; enum api_method method; const char *target, *body; int status; const char *code; } bad[] = {
    { "nothing there", API_GET, "/", NULL, 404, "no-route" },
    { "another version", API_GET, "/v2/status", NULL, 404, "no-route" },
    { "prefix only", API_GET, "/v1/stat", NULL, 404, "no-route" },
    { "longer than a route", API_GET, "/v1/status/", NULL, 404, "no-route" },
    { "empty target", API_GET, "", NULL, 404, "no-route" },
    { "absolute form", API_GET, "http://x/v1/status", NULL, 404, "no-route" },
    { "wrong method", API_POST, "/v1/status", NULL, 405, "malformed" },
    { "wrong method with a name", API_DELETE, "/v1/inbox", NULL, 405, "malformed" },
    { "empty name", API_GET, "/v1/friends/", NULL, 404, "no-route" },
    { "name with a zero", API_GET, "/v1/friends/a%00b", NULL, 400, "malformed" },
    { "name with half an escape", API_GET, "/v1/friends/a%4", NULL, 400, "malformed" },
    { "name with a bad escape", API_GET, "/v1/friends/a%zz", NULL, 400, "malformed" },
    { "name that is no UTF-8", API_GET, "/v1/friends/%ff", NULL, 400, "malformed" },
    { "no JSON", API_POST, "/v1/init", "hello", 400, "malformed" },
    { "JSON cut short", API_POST, "/v1/init", "{\"name\":", 400, "malformed" },
    { "JSON and more", API_POST, "/v1/init", "{} {}", 400, "malformed" },
    { "no object", API_POST, "/v1/init", "[]", 400, "malformed" },
    { "key twice", API_POST, "/v1/init", "{\"name\":\"a\",\"name\":\"b\"}", 400, "malformed" },
    { "key missing", API_POST, "/v1/init", "{}", 400, "malformed" },
    { "unknown key", API_POST, "/v1/init", "{\"name\":\"a\",\"colour\":1}", 400, "malformed" },
    { "number for a text", API_POST, "/v1/init", "{\"name\":1}", 400, "malformed" },
    { "null for a text", API_POST, "/v1/init", "{\"name\":null}", 400, "malformed" },
    { "empty text", API_POST, "/v1/init", "{\"name\":\"\"}", 400, "malformed" },
    { "zero in a text", API_POST, "/v1/init", "{\"name\":\"a\\u0000b\"}", 400, "malformed" },
    { "long name", API_POST, "/v1/init", "{\"name\":\"" LONG_33 "\"}", 413, "too-large" },
    { "empty passphrase", API_POST, "/v1/init", "{\"name\":\"a\",\"passphrase\":\"\"}", 400, "malformed" },
    { "text for a switch", API_POST, "/v1/settings", "{\"read_marks\":\"yes\"}", 400, "malformed" },
    { "number for a switch", API_POST, "/v1/settings", "{\"read_marks\":1}", 400, "malformed" },
    { "negative number", API_POST, "/v1/friends/a/disappear", "{\"seconds\":-1}", 400, "malformed" },
    { "number too large", API_POST, "/v1/friends/a/disappear", "{\"seconds\":99999999999}", 400, "malformed" },
    { "number past 64 bits", API_POST, "/v1/friends/a/disappear", "{\"seconds\":99999999999999999999999}", 400, "malformed" },
    { "fraction", API_POST, "/v1/friends/a/disappear", "{\"seconds\":1.5}", 400, "malformed" },
    { "body where none belongs", API_GET, "/v1/status", "{\"a\":1}", 400, "malformed" },
    { "query where none counts", API_GET, "/v1/friends/a/messages?colour=1", NULL, 400, "malformed" },
    { "query without a value", API_GET, "/v1/friends/a/messages?from", NULL, 400, "malformed" },
    { "query with words", API_GET, "/v1/friends/a/messages?from=x", NULL, 400, "malformed" },
    { "query twice", API_GET, "/v1/friends/a/messages?from=1&from=2", NULL, 400, "malformed" },
    { "query too large", API_GET, "/v1/friends/a/messages?limit=100000", NULL, 400, "malformed" },
    { "query with a sign", API_GET, "/v1/friends/a/messages?from=-1", NULL, 400, "malformed" },
    { "panic without the word", API_POST, "/v1/panic", "{\"confirm\":\"yes\"}", 400, "malformed" },
    { "gateway", API_POST, "/v1/gateways", "{\"link\":\"x\"}", 422, "bad-link" },
    { "relative path", API_POST, "/v1/export", "{\"path\":\"here\"}", 400, "malformed" },
    { "no such file", API_POST, "/v1/import", "{\"path\":\"/nonexistent/file\"}", 404, "not-found" },
};

static void check_bad(struct api_fixture *f)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(f, bad[i].method, bad[i].target, bad[i].body, bad[i].status, bad[i].code);
    /* Longer than anything may be. */
    char *path = malloc(API_PATH_MAX + 2), *body = malloc(API_BODY_MAX + 2);
    REQUIRE(path != NULL && body != NULL);
    memset(path, 'a', API_PATH_MAX + 1);
    path[0] = '/';
    path[API_PATH_MAX + 1] = '\0';
    expect(f, API_GET, path, NULL, 414, "too-large");
    memset(body, ' ', API_BODY_MAX + 1);
    body[API_BODY_MAX + 1] = '\0';
    expect(f, API_POST, "/v1/init", body, 413, "too-large");
    /* Nested deeper than a parser's stack should follow. */
    memset(body, '[', API_BODY_MAX);
    body[API_BODY_MAX] = '\0';
    expect(f, API_POST, "/v1/init", body, 400, "malformed");
    free(path);
    free(body);
}

static void check_without_person(struct api_fixture *f)
{
    json_t *o = call(f, API_GET, "/v1/status", NULL, 200);
    CHECK(strcmp(json_string_value(json_object_get(o, "identity")), "none") == 0);
    CHECK(json_is_null(json_object_get(o, "name")));
    CHECK(json_integer_value(json_object_get(json_object_get(o, "store"), "bundles")) == 0);
    json_decref(o);
    expect(f, API_GET, "/v1/card", NULL, 409, "no-identity");
    expect(f, API_GET, "/v1/inbox", NULL, 409, "no-identity");
    expect(f, API_POST, "/v1/unlock", "{\"passphrase\":\"x\"}", 409, "state");
    o = call(f, API_GET, "/v1/calls", NULL, 200);
    bool is_listed = false;
    for (size_t i = 0; i < json_array_size(json_object_get(o, "calls")); i++)
        is_listed = is_listed || strcmp(json_string_value(json_array_get(json_object_get(o, "calls"), i)), "DELETE /v1/friends/{}") == 0;
    CHECK(is_listed);
    json_decref(o);
    expect(f, API_GET, "/v1/conversations", NULL, 409, "no-identity");
    expect(f, API_GET, "/v1/neighbours", NULL, 200, NULL);
    expect(f, API_GET, "/v1/doctor", NULL, 200, NULL);
    expect(f, API_GET, "/v1/gateways", NULL, 200, NULL);
    expect(f, API_POST, "/v1/init", "{\"name\":\"a\\nb\"}", 400, "bad-name");
}

static void format(char to[600], const char *form, const char *value)
{
    snprintf(to, 600, "%s%s%s", form, value, strchr(form, '{') != NULL ? "\"}" : "");
}

static void check_friends(struct api_fixture *ana, struct api_fixture *ben)
{
    char body[600], *link = ask(ben, API_GET, "/v1/card", NULL, 200, "link"), *own = ask(ana, API_GET, "/v1/card", NULL, 200, "link");

    format(body, "{\"as\":\"ben\",\"link\":\"", link);
    expect(ana, API_POST, "/v1/friends", body, 201, NULL);
    expect(ana, API_POST, "/v1/friends", body, 200, NULL);
    format(body, "{\"link\":\"", own);
    expect(ana, API_POST, "/v1/friends", body, 403, "refused");
    link[strlen(link) - 5] = link[strlen(link) - 5] == 'A' ? 'B' : 'A';
    format(body, "{\"link\":\"", link);
    expect(ana, API_POST, "/v1/friends", body, 422, "bad-link");
    expect(ana, API_POST, "/v1/friends", "{\"link\":\"https://example.org/\"}", 422, "bad-link");
    json_t *o = call(ana, API_GET, "/v1/friends", NULL, 200);
    CHECK(json_array_size(json_object_get(o, "friends")) == 1);
    json_decref(o);
    expect(ana, API_GET, "/v1/friends/ben", NULL, 200, NULL);
    expect(ana, API_GET, "/v1/friends/BEN", NULL, 200, NULL);
    expect(ana, API_GET, "/v1/friends/caro", NULL, 404, "not-found");
    char *digits = ask(ana, API_GET, "/v1/friends/ben/safety-number", NULL, 200, "safety_number");
    CHECK(strlen(digits) == SAFETY_NUMBER_LEN);
    expect(ana, API_POST, "/v1/friends/ben/verify", "{\"verified\":true}", 200, NULL);
    char *state = ask(ana, API_GET, "/v1/friends/ben", NULL, 200, "state");
    CHECK(strcmp(state, "verified") == 0);
    expect(ana, API_POST, "/v1/friends/ben/rename", "{\"name\":\"ben b/ü\"}", 200, NULL);
    expect(ana, API_GET, "/v1/friends/ben%20b%2f%c3%bc", NULL, 200, NULL);
    expect(ana, API_POST, "/v1/friends/ben%20b%2f%c3%bc/rename", "{\"name\":\"ben\"}", 200, NULL);
    expect(ana, API_POST, "/v1/friends/ben/rename", "{\"name\":\"\\u001b[2J\"}", 400, "bad-name");
    expect(ana, API_POST, "/v1/friends/ben/disappear", "{\"seconds\":3600}", 200, NULL);
    expect(ana, API_POST, "/v1/friends/ben/disappear", "{\"seconds\":0}", 200, NULL);
    expect(ana, API_POST, "/v1/friends/ben/accept", NULL, 200, NULL);
    char *invite = ask(ana, API_POST, "/v1/invite", NULL, 201, "link");
    CHECK(strcmp(invite, own) != 0);
    free(invite);
    free(state);
    free(digits);
    free(own);
    free(link);
}

/* There are two messages: the newest alone, what is older, and the list of conversations. */
static void check_backwards(struct api_fixture *ana)
{
    char target[64];
    json_t *o = call(ana, API_GET, "/v1/friends/ben/messages?before=0&limit=1", NULL, 200);
    json_t *newest = json_incref(json_array_get(json_object_get(o, "messages"), 0));
    json_int_t next = json_integer_value(json_object_get(o, "next"));

    CHECK(json_array_size(json_object_get(o, "messages")) == 1 && next == json_integer_value(json_object_get(newest, "number")));
    json_decref(o);
    snprintf(target, sizeof target, "/v1/friends/ben/messages?before=%d", (int)next);
    o = call(ana, API_GET, target, NULL, 200);
    json_t *list = json_object_get(o, "messages");
    CHECK(json_array_size(list) == 1 && json_is_null(json_object_get(o, "next")));
    CHECK(json_integer_value(json_object_get(json_array_get(list, 0), "number")) < next);
    json_decref(o);
    o = call(ana, API_GET, "/v1/friends/ben/messages?before=0", NULL, 200);
    list = json_object_get(o, "messages");
    CHECK(json_array_size(list) == 2 && json_equal(json_array_get(list, 1), newest));
    json_decref(o);
    expect(ana, API_GET, "/v1/friends/ben/messages?before=0&from=1", NULL, 400, "malformed");
    o = call(ana, API_GET, "/v1/conversations", NULL, 200);
    list = json_object_get(o, "conversations");
    CHECK(json_array_size(list) == 1 && json_equal(json_object_get(json_array_get(list, 0), "last"), newest));
    json_decref(o);
    json_decref(newest);
}

/* Of two friends of which none has answered, there is nobody to introduce. */
static void check_introduce(struct api_fixture *f)
{
    expect(f, API_POST, "/v1/friends", "{}", 400, "malformed");
    expect(f, API_POST, "/v1/friends", "{\"link\":\"x\",\"message\":\"00\"}", 400, "malformed");
    expect(f, API_POST, "/v1/friends", "{\"message\":\"0123456789abcdef\"}", 404, "not-found");
    expect(f, API_POST, "/v1/friends/ben/introduce", "{}", 400, "malformed");
    expect(f, API_POST, "/v1/friends/ben/introduce", "{\"to\":\"nobody\"}", 404, "not-found");
    expect(f, API_POST, "/v1/friends/ben/introduce", "{\"to\":\"ben\"}", 403, "refused");
    char *id = ask(f, API_POST, "/v1/friends/ben/messages", "{\"text\":\"no introduction\"}", 201, "id"), body[64];
    snprintf(body, sizeof body, "{\"message\":\"%s\"}", id);
    expect(f, API_POST, "/v1/friends", body, 422, "bad-link");
    snprintf(body, sizeof body, "/v1/messages/%s", id);
    expect(f, API_DELETE, body, NULL, 200, NULL);
    free(id);
}

static void check_messages(struct api_fixture *ana)
{
    char target[64], *id = ask(ana, API_POST, "/v1/friends/ben/messages", "{\"text\":\"one\\u0007 line\\nü\"}", 201, "id");

    CHECK(strlen(id) == MESSAGE_ID_TEXT_LEN);
    snprintf(target, sizeof target, "/v1/messages/%s", id);
    json_t *o = call(ana, API_GET, target, NULL, 200);
    static const char *const keys[] = { "id", "friend", "direction", "text", "time", "state", "copies" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        CHECK_CASE(keys[i], json_object_get(o, keys[i]) != NULL);
    CHECK(strcmp(json_string_value(json_object_get(o, "friend")), "ben") == 0);
    CHECK(strcmp(json_string_value(json_object_get(o, "direction")), "out") == 0);
    CHECK(strcmp(json_string_value(json_object_get(o, "state")), "queued") == 0);
    CHECK(json_integer_value(json_object_get(o, "copies")) == 0);
    json_decref(o);
    snprintf(target, sizeof target, "/v1/messages/%.4s", id);
    expect(ana, API_GET, target, NULL, 200, NULL);
    snprintf(target, sizeof target, "/v1/messages/%.3s", id);
    expect(ana, API_GET, target, NULL, 404, "not-found");
    expect(ana, API_GET, "/v1/messages/zzzz", NULL, 404, "not-found");
    expect(ana, API_GET, "/v1/messages/0123456789abcdef0", NULL, 404, "not-found");
    expect(ana, API_GET, "/v1/messages/0123456789abcdef", NULL, 404, "not-found");
    expect(ana, API_POST, "/v1/friends/caro/messages", "{\"text\":\"x\"}", 404, "not-found");
    expect(ana, API_POST, "/v1/friends/ben/messages", "{\"text\":\"\"}", 400, "malformed");
    expect(ana, API_POST, "/v1/friends/ben/messages", "{\"text\":\"x\",\"life_s\":9999999}", 400, "malformed");

    char *text = malloc(TEXT_LEN_MAX + 32);
    REQUIRE(text != NULL);
    int n = sprintf(text, "{\"text\":\"");
    memset(text + n, 'x', TEXT_LEN_MAX);
    strcpy(text + n + TEXT_LEN_MAX, "\"}");
    expect(ana, API_POST, "/v1/friends/ben/messages", text, 201, NULL);
    strcpy(text + n + TEXT_LEN_MAX, "x\"}");
    expect(ana, API_POST, "/v1/friends/ben/messages", text, 413, "too-large");
    free(text);

    o = call(ana, API_GET, "/v1/friends/ben/messages?limit=1", NULL, 200);
    CHECK(json_array_size(json_object_get(o, "messages")) == 1);
    json_int_t next = json_integer_value(json_object_get(o, "next"));
    json_decref(o);
    snprintf(target, sizeof target, "/v1/friends/ben/messages?from=%d&limit=5", (int)next);
    o = call(ana, API_GET, target, NULL, 200);
    CHECK(json_array_size(json_object_get(o, "messages")) == 1 && json_is_null(json_object_get(o, "next")));
    json_decref(o);
    check_backwards(ana);
    expect(ana, API_GET, "/v1/inbox", NULL, 200, NULL);
    expect(ana, API_POST, "/v1/friends/ben/read", NULL, 200, NULL);
    expect(ana, API_POST, "/v1/settings", "{\"read_marks\":false}", 200, NULL);
    snprintf(target, sizeof target, "/v1/messages/%s", id);
    expect(ana, API_DELETE, target, NULL, 200, NULL);
    expect(ana, API_DELETE, target, NULL, 404, "not-found");
    free(id);
}

/* What Ana wrote reaches Ben by a stick. */
static void check_stick(struct api_fixture *ana, struct api_fixture *ben, const char *folder)
{
    char body[600], path[500];

    free(ask(ana, API_POST, "/v1/friends/ben/messages", "{\"text\":\"by stick\"}", 201, "id"));
    snprintf(path, sizeof path, "%s/stick", folder);
    format(body, "{\"path\":\"", path);
    expect(ana, API_POST, "/v1/export", body, 200, NULL);
    json_t *o = call(ben, API_POST, "/v1/import", body, 200);
    CHECK(json_integer_value(json_object_get(o, "bundles")) > 0);
    json_decref(o);
    o = call(ben, API_GET, "/v1/inbox", NULL, 200);
    json_t *list = json_object_get(o, "messages");
    bool is_there = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *m = json_array_get(list, i);

        is_there = is_there || strcmp(json_string_value(json_object_get(m, "text")), "by stick") == 0;
        CHECK(strcmp(json_string_value(json_object_get(m, "direction")), "in") == 0);
        CHECK(strcmp(json_string_value(json_object_get(m, "state")), "delivered") == 0);
    }
    CHECK(is_there);
    json_decref(o);
    o = call(ben, API_GET, "/v1/friends", NULL, 200);
    json_t *friend_json = json_array_get(json_object_get(o, "friends"), 0);
    CHECK(json_is_true(json_object_get(friend_json, "request")));
    char target[128];
    snprintf(target, sizeof target, "/v1/friends/%s", json_string_value(json_object_get(friend_json, "name")));
    json_decref(o);
    expect(ben, API_DELETE, target, NULL, 200, NULL);
    expect(ben, API_GET, target, NULL, 404, "not-found");
    FILE *f = fopen(path, "wb");
    REQUIRE(f != NULL && fputs("no spool file at all", f) >= 0 && fclose(f) == 0);
    expect(ben, API_POST, "/v1/import", body, 400, "malformed");
}

static void check_storage_gone(struct api_fixture *f)
{
    struct parts whole = f->parts;

    f->parts.needs_reopen = true;
    snprintf(f->parts.trouble, sizeof f->parts.trouble, "storage: the disk is full");
    json_t *o = call(f, API_GET, "/v1/status", NULL, 200);
    CHECK(strncmp(json_string_value(json_object_get(o, "state")), "storage: ", 9) == 0);
    json_decref(o);
    expect(f, API_GET, "/v1/card", NULL, 503, "storage");
    expect(f, API_POST, "/v1/friends/ben/messages", "{\"text\":\"x\"}", 503, "storage");
    expect(f, API_GET, "/v1/doctor", NULL, 200, NULL);
    f->parts = whole;
}

/* Away from one folder, back in another, by words, by passphrase and from paper. */
static void check_backup(struct api_fixture *ana, const char *folder)
{
    char body[1200], path[400], fresh[400];

    expect(ana, API_POST, "/v1/backup", "{}", 400, "malformed");
    expect(ana, API_POST, "/v1/backup", "{\"path\":\"here\"}", 400, "malformed");
    expect(ana, API_POST, "/v1/backup", "{\"path\":\"/nonexistent/x\"}", 404, "not-found");
    expect(ana, API_POST, "/v1/backup", "{\"path\":\"/x\",\"paper\":true}", 400, "malformed");
    snprintf(path, sizeof path, "%s/ana.backup", folder);
    snprintf(body, sizeof body, "{\"path\":\"%s\"}", path);
    char *words = ask(ana, API_POST, "/v1/backup", body, 201, "words");
    expect(ana, API_POST, "/v1/backup", body, 409, "exists");
    snprintf(body, sizeof body, "{\"path\":\"%s\",\"words\":\"%s\"}", path, words);
    expect(ana, API_POST, "/v1/restore", body, 409, "exists");

    snprintf(fresh, sizeof fresh, "%s/again", folder);
    struct api_fixture *again = api_fixture_new(fresh);
    static const struct { const char *name, *tail; int status; const char *code; } rows[] = {
        { "no key", "", 400, "malformed" },
        { "two keys", ",\"words\":\"x\",\"passphrase\":\"x\"", 400, "malformed" },
        { "no words", ",\"words\":\"lusab\"", 403, "auth" },
        { "a passphrase for words", ",\"passphrase\":\"x\"", 403, "auth" },
        { "other words", ",\"words\":\"babab babab babab babab babab babab babab babab babab\"", 403, "auth" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char wrong[1200];

        snprintf(wrong, sizeof wrong, "{\"path\":\"%s\"%s}", path, rows[i].tail);
        expect(again, API_POST, "/v1/restore", wrong, rows[i].status, rows[i].code);
    }
    char missing[1200];
    snprintf(missing, sizeof missing, "{\"path\":\"/nonexistent/x\",\"words\":\"%s\"}", words);
    expect(again, API_POST, "/v1/restore", missing, 404, "not-found");
    CHECK(again->parts.person == PERSON_NONE);
    expect(again, API_POST, "/v1/restore", body, 201, NULL);
    char *card = ask(ana, API_GET, "/v1/card", NULL, 200, "name"), *other = ask(again, API_GET, "/v1/card", NULL, 200, "name");
    CHECK(strcmp(card, other) == 0);
    free(card);
    free(other);
    api_fixture_free(again);
    again = api_fixture_new(fresh);
    CHECK(again->parts.person == PERSON_OPEN);
    api_fixture_free(again);

    /* On paper, a part a line; once with a line lost. */
    json_t *o = call(ana, API_POST, "/v1/backup", "{\"paper\":true,\"passphrase\":\"correct horse\"}", 201), *parts = json_object_get(o, "parts");
    CHECK(json_is_null(json_object_get(o, "words")) && json_is_null(json_object_get(o, "path")) && json_array_size(parts) > 1);
    snprintf(fresh, sizeof fresh, "%s/paper", folder);
    again = api_fixture_new(fresh);
    snprintf(path, sizeof path, "%s/scanned.txt", folder);
    for (size_t from = 2; from-- > 0;) {
        FILE *f = fopen(path, "wb");

        REQUIRE(f != NULL);
        for (size_t i = json_array_size(parts); i-- > from;)
            REQUIRE(fprintf(f, "%s\n", json_string_value(json_array_get(parts, i))) > 0);
        REQUIRE(fclose(f) == 0);
        snprintf(body, sizeof body, "{\"path\":\"%s\",\"passphrase\":\"correct horse\"}", path);
        expect(again, API_POST, "/v1/restore", body, from == 1 ? 422 : 201, from == 1 ? "incomplete" : NULL);
    }
    api_fixture_free(again);
    json_decref(o);
    free(words);
}

static void check_passphrase(const char *folder)
{
    struct api_fixture *f = api_fixture_new(folder);

    expect(f, API_POST, "/v1/init", "{\"name\":\"Dora\",\"passphrase\":\"correct horse\"}", 201, NULL);
    api_fixture_free(f);
    f = api_fixture_new(folder);
    CHECK(f->parts.person == PERSON_LOCKED);
    expect(f, API_GET, "/v1/card", NULL, 423, "locked");
    expect(f, API_POST, "/v1/init", "{\"name\":\"Dora\"}", 423, "locked");
    expect(f, API_POST, "/v1/unlock", "{\"passphrase\":\"wrong horse\"}", 403, "auth");
    expect(f, API_POST, "/v1/unlock", "{\"passphrase\":\"correct horse\"}", 200, NULL);
    expect(f, API_POST, "/v1/unlock", "{\"passphrase\":\"correct horse\"}", 409, "state");
    expect(f, API_GET, "/v1/card", NULL, 200, NULL);
    expect(f, API_POST, "/v1/passphrase", "{\"passphrase\":null}", 200, NULL);
    api_fixture_free(f);
    f = api_fixture_new(folder);
    CHECK(f->parts.person == PERSON_OPEN && !f->parts.has_been_restored);
    expect(f, API_POST, "/v1/panic", "{\"confirm\":\"panic\"}", 200, NULL);
    CHECK(f->parts.is_panicking && f->parts.messenger == NULL);
    api_fixture_free(f);
    f = api_fixture_new(folder);
    CHECK(f->parts.person == PERSON_NONE);
    api_fixture_free(f);
}

int main(void)
{
    char a[400], b[400], d[400];

    snprintf(a, sizeof a, "%s/ana", check_folder());
    snprintf(b, sizeof b, "%s/ben", check_folder());
    snprintf(d, sizeof d, "%s/dora", check_folder());
    struct api_fixture *ana = api_fixture_new(a), *ben = api_fixture_new(b);
    check_bad(ana);
    check_without_person(ana);
    expect(ana, API_POST, "/v1/init", "{\"name\":\"Ana\"}", 201, NULL);
    expect(ana, API_POST, "/v1/init", "{\"name\":\"Ana\"}", 409, "exists");
    expect(ben, API_POST, "/v1/init", "{\"name\":\"Ben\",\"passphrase\":null}", 201, NULL);
    check_bad(ana);
    check_friends(ana, ben);
    check_introduce(ana);
    check_messages(ana);
    check_stick(ana, ben, check_folder());
    check_backup(ana, check_folder());
    check_storage_gone(ana);
    api_fixture_free(ana);
    api_fixture_free(ben);
    check_passphrase(d);
    return check_report("api");
}
