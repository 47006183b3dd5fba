/* apps/cli/words.c - times, custody and texts as people read them. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/cli/cli.h"
#include "apps/profile/units.h"

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

uint64_t json_count(const json_t *object, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(object, key));

    return v > 0 ? (uint64_t)v : 0;
}

bool json_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

void words_print_json(const json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

/* ---- Texts ---- */

/* One UTF-8 character, which the daemon has checked to be well-formed. */
static unsigned long next_char(const unsigned char **at)
{
    unsigned long ch = *(*at)++;
    int more = ch >= 0xf0 ? 3 : ch >= 0xe0 ? 2 : ch >= 0xc0 ? 1 : 0;

    ch &= more == 3 ? 0x07UL : more == 2 ? 0x0fUL : more == 1 ? 0x1fUL : 0x7fUL;
    for (; more > 0 && (**at & 0xc0) == 0x80; more--)
        ch = ch << 6 | (*(*at)++ & 0x3fUL);
    return ch;
}

/* What a terminal would obey rather than show: controls, and the marks that turn the direction of writing and so
 * can make a text read as another. */
static bool is_harmful(unsigned long ch)
{
    return (ch < 0x20 && ch != '\t') || (ch >= 0x7f && ch < 0xa0) || ch == 0x061c || (ch >= 0x200e && ch <= 0x200f) ||
           (ch >= 0x202a && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069) || ch == 0x2028 || ch == 0x2029;
}

void words_print_text(FILE *to, const char *text, unsigned indent)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        const unsigned char *start = at;
        unsigned long ch = next_char(&at);

        if (ch == '\n')
            fprintf(to, "\n%*s", (int)indent, "");
        else if (is_harmful(ch))
            fputs("\xef\xbf\xbd", to);
        else
            fwrite(start, 1, (size_t)(at - start), to);
    }
}

/* ---- Times ---- */

void words_time(char to[WORDS_TIME_MAX], const json_t *rfc3339, uint64_t now_unix_s)
{
    uint64_t unix_s;
    struct tm then, now;

    if (!json_is_string(rfc3339) || units_rfc3339_decode(&unix_s, json_string_value(rfc3339)) != ERR_NONE) {
        snprintf(to, WORDS_TIME_MAX, "never");
        return;
    }
    time_t t = (time_t)unix_s, n = (time_t)now_unix_s;
    localtime_r(&t, &then);
    localtime_r(&n, &now);
    uint64_t apart = unix_s > now_unix_s ? unix_s - now_unix_s : now_unix_s - unix_s;
    const char *format = then.tm_year == now.tm_year && then.tm_yday == now.tm_yday ? "%H:%M"
                         : apart < UINT64_C(6) * 86400                             ? "%A %H:%M"
                                                                                   : "%Y-%m-%d %H:%M";
    if (strcmp(format, "%H:%M") == 0)
        strftime(to, WORDS_TIME_MAX, "%H:%M", &then);
    else if (strcmp(format, "%A %H:%M") == 0)
        strftime(to, WORDS_TIME_MAX, "%A %H:%M", &then);
    else
        strftime(to, WORDS_TIME_MAX, "%Y-%m-%d %H:%M", &then);
}

static bool is_set(const json_t *message, const char *key)
{
    return json_is_string(json_object_get(message, key));
}

void words_custody(char to[WORDS_CUSTODY_MAX], const json_t *message, uint64_t now_unix_s)
{
    const char *state = json_text(message, "state"), *reason = json_text(message, "reason");
    char time[WORDS_TIME_MAX], expires[WORDS_TIME_MAX], read[WORDS_TIME_MAX];
    unsigned long long copies = json_count(message, "copies");

    words_time(expires, json_object_get(message, "expires"), now_unix_s);
    if (strcmp(json_text(message, "direction"), "in") == 0) {
        words_time(time, json_object_get(message, "arrived"), now_unix_s);
        snprintf(to, WORDS_CUSTODY_MAX, "received %s%s", time, is_set(message, "read") ? "" : ", not read yet");
    } else if (strcmp(state, "queued") == 0) {
        snprintf(to, WORDS_CUSTODY_MAX, "queued here, %s%s%s", reason[0] != '\0' ? reason : "nobody has come by yet",
                 is_set(message, "expires") ? " · expires " : "", is_set(message, "expires") ? expires : "");
    } else if (strcmp(state, "carried") == 0) {
        snprintf(to, WORDS_CUSTODY_MAX, "carried by %llu%s%s%s%s", copies, is_set(message, "expires") ? " · expires " : "",
                 is_set(message, "expires") ? expires : "", reason[0] != '\0' ? " · " : "", reason);
    } else if (strcmp(state, "gateway") == 0) {
        words_time(time, json_object_get(message, "gateway"), now_unix_s);
        snprintf(to, WORDS_CUSTODY_MAX, "taken by a gateway %s, not delivered yet · expires %s", time, expires);
    } else if (strcmp(state, "delivered") == 0) {
        words_time(time, json_object_get(message, "delivered"), now_unix_s);
        snprintf(to, WORDS_CUSTODY_MAX, "delivered %s", time);
    } else if (strcmp(state, "read") == 0) {
        words_time(time, json_object_get(message, "delivered"), now_unix_s);
        words_time(read, json_object_get(message, "read"), now_unix_s);
        snprintf(to, WORDS_CUSTODY_MAX, "delivered %s, read %s", time, read);
    } else if (strcmp(state, "expired") == 0) {
        snprintf(to, WORDS_CUSTODY_MAX, "expired %s: %s", expires,
                 reason[0] != '\0' ? reason : "no acknowledgement came back; it may or may not have arrived");
    } else {
        snprintf(to, WORDS_CUSTODY_MAX, "%s", state);
    }
}

/* In place of a link that tells nobody anything. */
static void print_gateways(FILE *to, const json_t *message, bool is_out)
{
    const json_t *list = json_object_get(message, "gateways"), *at;
    size_t i;

    fputs("[a gateway: ", to);
    json_array_foreach(list, i, at) {
        fputs(i > 0 ? ", " : "", to);
        words_print_text(to, json_is_string(at) ? json_string_value(at) : "", 0);
    }
    if (is_out)
        fputc(']', to);
    else
        fprintf(to, "; `staffetta gateway add %.8s` uses it]", json_text(message, "id"));
}

static void print_introduction(FILE *to, const json_t *message, bool is_out)
{
    const json_t *who = json_object_get(message, "introduces");
    const char *known = json_text(who, "known");

    fputs("[introduces ", to);
    if (json_flag(who, "me"))
        fputs("you", to);
    else
        words_print_text(to, json_text(who, "name"), 0);
    if (known[0] != '\0') {
        fputs(", whom you know as ", to);
        words_print_text(to, known, 0);
    }
    if (is_out || known[0] != '\0' || json_flag(who, "me"))
        fputc(']', to);
    else
        fprintf(to, "; `staffetta add %.8s` takes it up]", json_text(message, "id"));
}

void words_print_message(FILE *to, const json_t *message)
{
    char at[WORDS_TIME_MAX], custody[WORDS_CUSTODY_MAX];
    bool is_out = strcmp(json_text(message, "direction"), "out") == 0;
    uint64_t now = (uint64_t)time(NULL);

    /* What came in is placed by our clock: the sender's may be years off. */
    words_time(at, json_object_get(message, is_out ? "time" : "arrived"), now);
    fprintf(to, "%s  ", at);
    words_print_text(to, is_out ? "you" : json_text(message, "friend"), 0);
    fputs(": ", to);
    if (json_flag(message, "unreadable"))
        fputs("[a kind of message that this version does not know; update staffetta]", to);
    else if (json_object_get(message, "gateways") != NULL)
        print_gateways(to, message, is_out);
    else if (json_is_object(json_object_get(message, "introduces")))
        print_introduction(to, message, is_out);
    else
        words_print_text(to, json_text(message, "text"), 4);
    if (is_out) {
        words_custody(custody, message, now);
        fputs("\n    (", to);
        words_print_text(to, custody, 4);
        fprintf(to, ") %.8s", json_text(message, "id"));
    }
    fputc('\n', to);
    fflush(to);
}
