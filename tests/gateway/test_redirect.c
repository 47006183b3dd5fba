/* tests/gateway/test_redirect.c - what may be asked of port 80, and what is refused. */
#include "apps/gateway/redirect.h"

#include <string.h>

#include "tests/support/check.h"

static const struct { const char *name, *head; enum err want; const char *target; } heads[] = {
    { "a browser", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ERR_NONE, "/" },
    { "head with a query", "HEAD /a?b=c HTTP/1.0\r\n\r\n", ERR_NONE, "/a?b=c" },
    { "two slashes", "GET //x/ HTTP/1.1\r\n\r\n", ERR_NONE, "//x/" },
    { "nothing", "", ERR_MALFORMED, NULL },
    { "a method alone", "GET ", ERR_MALFORMED, NULL },
    { "another method", "POST / HTTP/1.1\r\n\r\n", ERR_UNSUPPORTED, NULL },
    { "small letters", "get / HTTP/1.1\r\n\r\n", ERR_UNSUPPORTED, NULL },
    { "no target", "GET  HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "an absolute target", "GET http://x/ HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "no version", "GET /\r\n\r\n", ERR_MALFORMED, NULL },
    { "another version", "GET / HTTP/2.0\r\n\r\n", ERR_MALFORMED, NULL },
    { "a line end in the target", "GET /a\r\nX: y HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "a bare line end", "GET /a\nb HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "a tab", "GET /a\tb HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "not ASCII", "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", ERR_MALFORMED, NULL },
    { "cut short", "GET / HTTP/1.", ERR_MALFORMED, NULL },
};

static const struct { const char *name, *target, *token; } challenges[] = {
    { "a token", "/.well-known/acme-challenge/aZ09-_", "aZ09-_" },
    { "no token", "/.well-known/acme-challenge/", NULL },
    { "up", "/.well-known/acme-challenge/..", NULL },
    { "deeper", "/.well-known/acme-challenge/a/b", NULL },
    { "a query", "/.well-known/acme-challenge/a?b", NULL },
    { "an escape", "/.well-known/acme-challenge/%2e", NULL },
    { "another folder", "/.well-known/other-challenge/aaaa", NULL },
    { "short", "/", NULL },
};

int main(void)
{
    char token[CHALLENGE_TOKEN_MAX + 1], text[REDIRECT_TARGET_MAX + 32];
    struct bytes target;

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        target = bytes_of(NULL, 0);
        CHECK_ERR(heads[i].name, redirect_target(bytes_of_text(heads[i].head), &target), heads[i].want);
        if (heads[i].target != NULL)
            CHECK_CASE(heads[i].name, bytes_are_equal(target, bytes_of_text(heads[i].target)));
    }
    for (size_t i = 0; i < sizeof challenges / sizeof challenges[0]; i++) {
        bool is_one = redirect_challenge(bytes_of_text(challenges[i].target), token);

        CHECK_CASE(challenges[i].name, is_one == (challenges[i].token != NULL) && (!is_one || strcmp(token, challenges[i].token) == 0));
    }
    for (size_t over = 0; over < 2; over++) {
        size_t len = REDIRECT_TARGET_MAX + over;

        memset(text, '/', sizeof text);
        memcpy(text, "GET ", 4);
        memcpy(text + 4 + len, " HTTP/1.1\r\n", 11);
        CHECK_ERR("the longest", redirect_target(bytes_of(text, 4 + len + 11), &target), over == 0 ? ERR_NONE : ERR_MALFORMED);
    }
    return check_report("redirect");
}
