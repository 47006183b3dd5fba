/* apps/gateway/invites.c - see invites.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/invites.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apps/profile/profile.h"
#include "apps/profile/units.h"
#include "crypto/hash.h"
#include "crypto/text.h"
#include "crypto/vault_file.h"

enum { ID_TEXT_LEN = 2 * GATEWAY_ID_LEN, DAY_S = 86400, CONTRIBUTOR_LEAST = 2, FRESH_S = 2 };

struct invites {
    char folder[PROFILE_PATH_MAX], usage[PROFILE_PATH_MAX];
    struct timespec changed;
    bool is_read;
    struct invite **list;       /* in place while they live: links point at them by contributor only */
    size_t count;
};

/* ---- One file ---- */

static uint32_t contributor_of(const uint8_t id[GATEWAY_ID_LEN])
{
    uint8_t hash[16];

    hash_derive_one(hash, sizeof hash, bytes_of(NULL, 0), "gw.contributor", bytes_of(id, GATEWAY_ID_LEN));
    uint32_t v = (uint32_t)hash[0] | (uint32_t)hash[1] << 8 | (uint32_t)hash[2] << 16 | (uint32_t)hash[3] << 24;
    return v >= CONTRIBUTOR_LEAST ? v : v + CONTRIBUTOR_LEAST;
}

static bool label_is_valid(const char *label)
{
    if (label[0] == '\0' || strlen(label) > INVITE_LABEL_MAX || !text_is_utf8(bytes_of_text(label)))
        return false;
    for (const char *at = label; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return true;
}

static enum err set(struct invite *v, const char *name, const char *value)
{
    size_t len;

    if (strcmp(name, "id") == 0)
        return text_hex_decode(v->id, sizeof v->id, &len, bytes_of_text(value)) == ERR_NONE && len == sizeof v->id
                   ? ERR_NONE : ERR_MALFORMED;
    if (strcmp(name, "secret") == 0)
        return text_hex_decode(v->secret, sizeof v->secret, &len, bytes_of_text(value)) == ERR_NONE && len == sizeof v->secret
                   ? ERR_NONE : ERR_MALFORMED;
    if (strcmp(name, "label") == 0) {
        if (!label_is_valid(value))
            return ERR_MALFORMED;
        memcpy(v->label, value, strlen(value) + 1);
        return ERR_NONE;
    }
    if (strcmp(name, "quota") == 0)
        return units_number(&v->quota_bytes_per_day, value, UINT64_MAX);
    if (strcmp(name, "expires") == 0)
        return units_number(&v->expires_unix_s, value, UINT64_MAX);
    if (strcmp(name, "made") == 0)
        return units_number(&v->made_unix_s, value, UINT64_MAX);
    if (strcmp(name, "kind") == 0) {
        v->is_peer = strcmp(value, "peer") == 0;
        return v->is_peer || strcmp(value, "users") == 0 ? ERR_NONE : ERR_MALFORMED;
    }
    return ERR_NONE;   /* of a newer version */
}

enum err invite_read(struct invite *out, const char *text, size_t len)
{
    struct invite v;
    char line[INVITE_FILE_MAX];
    unsigned seen = 0;
    enum err e = ERR_NONE;

    memset(&v, 0, sizeof v);
    while (len > 0 && e == ERR_NONE) {
        const char *end = memchr(text, '\n', len);
        size_t n = end != NULL ? (size_t)(end - text) : len;

        if (n >= sizeof line || memchr(text, '\0', n) != NULL) {
            e = ERR_MALFORMED;
            break;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        len -= n + (end != NULL);
        text += n + (end != NULL);
        char *equals = strstr(line, " = ");
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (equals == NULL) {
            e = ERR_MALFORMED;
            break;
        }
        *equals = '\0';
        e = set(&v, line, equals + 3);
        seen |= strcmp(line, "id") == 0 ? 1u : strcmp(line, "secret") == 0 ? 2u : strcmp(line, "label") == 0 ? 4u : 0u;
    }
    if (e == ERR_NONE && seen != 7)
        e = ERR_MALFORMED;
    v.contributor = contributor_of(v.id);
    if (e == ERR_NONE)
        *out = v;
    secret_wipe(&v, sizeof v);
    secret_wipe(line, sizeof line);
    return e;
}

static void path_of(const struct invites *s, const uint8_t id[GATEWAY_ID_LEN], char to[PROFILE_PATH_MAX + 32])
{
    char text[ID_TEXT_LEN + 1];

    text_hex(text, bytes_of(id, GATEWAY_ID_LEN));
    snprintf(to, PROFILE_PATH_MAX + 32, "%s/%s", s->folder, text);
}

enum err invites_add(struct invites *s, const struct invite *v)
{
    char text[INVITE_FILE_MAX], id[ID_TEXT_LEN + 1], secret[2 * GATEWAY_SECRET_LEN + 1], path[PROFILE_PATH_MAX + 32];

    if (!label_is_valid(v->label))
        return ERR_MALFORMED;
    if (s->count >= INVITES_MAX)
        return ERR_FULL;
    text_hex(id, bytes_of(v->id, sizeof v->id));
    text_hex(secret, bytes_of(v->secret, sizeof v->secret));
    int n = snprintf(text, sizeof text, "label = %s\nid = %s\nsecret = %s\nkind = %s\nquota = %llu\nexpires = %llu\nmade = %llu\n", v->label,
                     id, secret, v->is_peer ? "peer" : "users", (unsigned long long)v->quota_bytes_per_day, (unsigned long long)v->expires_unix_s,
                     (unsigned long long)v->made_unix_s);
    path_of(s, v->id, path);
    enum err e = vault_file_replace(path, bytes_of(text, (size_t)n));
    secret_wipe(text, sizeof text);
    secret_wipe(secret, sizeof secret);
    return e;
}

/* ---- The folder ---- */

static bool is_invite_name(const char *name)
{
    return strlen(name) == ID_TEXT_LEN && strspn(name, "0123456789abcdef") == ID_TEXT_LEN;
}

static struct invite *by_id(const struct invites *s, const uint8_t id[GATEWAY_ID_LEN])
{
    struct invite *found = NULL;

    for (size_t i = 0; i < s->count; i++)
        if (secret_is_equal(s->list[i]->id, id, GATEWAY_ID_LEN))
            found = s->list[i];
    return found;
}

static enum err read_one(struct invites *s, const char *name)
{
    char text[INVITE_FILE_MAX], path[PROFILE_PATH_MAX + 32];
    struct invite v;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        close(fd);
    if (len <= 0 || invite_read(&v, text, (size_t)len) != ERR_NONE)
        return ERR_MALFORMED;
    struct invite *known = by_id(s, v.id);
    if (known != NULL) {
        v.used_day = known->used_day;
        v.used_bytes = known->used_bytes;
        v.total_bytes = known->total_bytes;
        *known = v;
        return ERR_NONE;
    }
    struct invite *fresh = s->count < INVITES_MAX ? malloc(sizeof *fresh) : NULL;
    if (fresh == NULL)
        return ERR_FULL;
    *fresh = v;
    s->list[s->count++] = fresh;
    return ERR_NONE;
}

bool invites_refresh(struct invites *s)
{
    struct stat st;

    if (stat(s->folder, &st) != 0)
        return false;
    bool is_changed = !s->is_read || st.st_mtim.tv_sec != s->changed.tv_sec || st.st_mtim.tv_nsec != s->changed.tv_nsec;
    /* Two changes within one tick of the file system's clock look like one, so a fresh folder is read once more. */
    time_t age_s = time(NULL) - st.st_mtim.tv_sec;
    if (!is_changed && (age_s < 0 || age_s > FRESH_S))
        return false;
    DIR *d = opendir(s->folder);
    if (d == NULL)
        return false;
    s->changed = st.st_mtim;
    s->is_read = true;
    for (size_t i = 0; i < s->count; i++)
        s->list[i]->is_gone = true;
    for (struct dirent *at; (at = readdir(d)) != NULL;)
        if (is_invite_name(at->d_name))
            (void)read_one(s, at->d_name);
    closedir(d);
    return is_changed;
}

enum err invites_open(struct invites **out, const char *data_folder)
{
    struct invites *s = calloc(1, sizeof *s);

    if (s == NULL || (s->list = calloc(INVITES_MAX, sizeof *s->list)) == NULL) {
        free(s);
        return ERR_NO_MEMORY;
    }
    int n = snprintf(s->folder, sizeof s->folder, "%s/invites", data_folder);
    snprintf(s->usage, sizeof s->usage, "%s/usage", data_folder);
    if (n < 0 || (size_t)n >= sizeof s->folder || (mkdir(s->folder, 0700) != 0 && errno != EEXIST)) {
        invites_close(s);
        return ERR_IO;
    }
    invites_refresh(s);
    *out = s;
    return ERR_NONE;
}

void invites_close(struct invites *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        secret_wipe(s->list[i], sizeof *s->list[i]);
        free(s->list[i]);
    }
    free(s->list);
    free(s);
}

size_t invites_count(const struct invites *s) { return s->count; }
struct invite *invites_at(const struct invites *s, size_t i) { return s->list[i]; }

struct invite *invites_find(const struct invites *s, const uint8_t id[GATEWAY_ID_LEN])
{
    struct invite *v = by_id(s, id);

    return v != NULL && !v->is_gone ? v : NULL;
}

struct invite *invites_by_contributor(const struct invites *s, uint32_t contributor)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->contributor == contributor)
            return s->list[i];
    return NULL;
}

enum err invites_revoke(struct invites *s, const char *which, size_t *count)
{
    char id[ID_TEXT_LEN + 1], path[PROFILE_PATH_MAX + 32];

    *count = 0;
    for (size_t i = 0; i < s->count; i++) {
        text_hex(id, bytes_of(s->list[i]->id, GATEWAY_ID_LEN));
        if (s->list[i]->is_gone || (strcmp(s->list[i]->label, which) != 0 && strcmp(id, which) != 0))
            continue;
        path_of(s, s->list[i]->id, path);
        enum err e = vault_file_destroy(path);
        if (e != ERR_NONE)
            return e;
        ++*count;
    }
    return *count > 0 ? ERR_NONE : ERR_NOT_FOUND;
}

/* ---- Use ---- */

bool invite_is_expired(const struct invite *v, uint64_t now_unix_s)
{
    return v->expires_unix_s != 0 && now_unix_s != 0 && now_unix_s >= v->expires_unix_s;
}

uint64_t invite_allowance(const struct invite *v, uint64_t now_unix_s)
{
    uint64_t used = v->used_day == now_unix_s / DAY_S ? v->used_bytes : 0;

    if (v->quota_bytes_per_day == 0)
        return UINT64_MAX;
    return used < v->quota_bytes_per_day ? v->quota_bytes_per_day - used : 0;
}

void invite_count_use(struct invite *v, uint64_t bytes, uint64_t now_unix_s)
{
    if (v->used_day != now_unix_s / DAY_S) {
        v->used_day = now_unix_s / DAY_S;
        v->used_bytes = 0;
    }
    v->used_bytes += bytes;
    v->total_bytes += bytes;
}

/* One line an invite: id, day, bytes of that day, bytes of all days. */
void invites_load_usage(struct invites *s)
{
    FILE *f = fopen(s->usage, "re");
    char line[128], id_text[ID_TEXT_LEN + 1];
    unsigned long long day, used, total;
    uint8_t id[GATEWAY_ID_LEN];
    size_t len;

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%16s %llu %llu %llu", id_text, &day, &used, &total) != 4 ||
            text_hex_decode(id, sizeof id, &len, bytes_of_text(id_text)) != ERR_NONE || len != sizeof id)
            continue;
        struct invite *v = by_id(s, id);
        if (v != NULL) {
            v->used_day = day;
            v->used_bytes = used;
            v->total_bytes = total;
        }
    }
    fclose(f);
}

enum err invites_save_usage(const struct invites *s)
{
    char *text = NULL, id[ID_TEXT_LEN + 1];
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    if (f == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < s->count; i++) {
        const struct invite *v = s->list[i];

        text_hex(id, bytes_of(v->id, sizeof v->id));
        if (!v->is_gone && v->total_bytes > 0)
            fprintf(f, "%s %llu %llu %llu\n", id, (unsigned long long)v->used_day, (unsigned long long)v->used_bytes,
                    (unsigned long long)v->total_bytes);
    }
    enum err e = fclose(f) == 0 ? vault_file_replace(s->usage, bytes_of(text, len)) : ERR_NO_MEMORY;
    free(text);
    return e;
}
