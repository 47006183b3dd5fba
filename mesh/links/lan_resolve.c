/* mesh/links/lan_resolve.c - see lan_resolve.h */
#define _GNU_SOURCE
#include "mesh/links/lan_resolve.h"

#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_LEN = 256 * 1024 };

/* Shared by the loop and the thread; whoever lets go last frees it. The thread fills the list and then writes a byte, so
 * that no lock is needed. */
struct job {
    atomic_int owners;
    struct lan_place place;
    struct lan_address list[LAN_RESOLVE_MAX];
    size_t count;
    int ends[2];  /* the loop's, the thread's */
};

struct lan_resolve {
    struct job *job;
    struct event *answer;
    lan_resolved *done;
    void *ctx;
};

static void job_release(struct job *j, int end)
{
    close(j->ends[end]);
    if (atomic_fetch_sub(&j->owners, 1) == 1)
        free(j);
}

static void *work(void *arg)
{
    struct job *j = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;

    if (getaddrinfo(j->place.host, NULL, &hints, &found) == 0) {
        for (const struct addrinfo *a = found; a != NULL && j->count < LAN_RESOLVE_MAX; a = a->ai_next) {
            struct sockaddr_storage system;

            memset(&system, 0, sizeof system);
            if (a->ai_addrlen > sizeof system)
                continue;
            memcpy(&system, a->ai_addr, a->ai_addrlen);
            if (lan_address_of_system(&j->list[j->count], &system))
                j->list[j->count++].port = j->place.port;
        }
        freeaddrinfo(found);
    }
    (void)send(j->ends[1], "", 1, MSG_NOSIGNAL);
    job_release(j, 1);
    return NULL;
}

static void on_answer(evutil_socket_t fd, short what, void *ctx)
{
    struct lan_resolve *r = ctx;
    struct lan_address list[LAN_RESOLVE_MAX];
    size_t count = r->job->count;
    lan_resolved *done = r->done;
    void *done_ctx = r->ctx;
    uint8_t byte;

    (void)what;
    if (recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
        count = 0;
    memcpy(list, r->job->list, sizeof list);
    lan_resolve_cancel(r);
    done(done_ctx, list, count);
}

static bool thread_start(struct job *j)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool ok;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_LEN);
    ok = pthread_create(&thread, &attributes, work, j) == 0;
    pthread_attr_destroy(&attributes);
    return ok;
}

enum err lan_resolve_start(struct lan_resolve **out, struct event_base *base, const struct lan_place *place,
                           lan_resolved *done, void *ctx)
{
    struct lan_resolve *r = calloc(1, sizeof *r);
    struct job *j = calloc(1, sizeof *j);

    if (r == NULL || j == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, j->ends) != 0) {
        free(r);
        free(j);
        return ERR_NO_MEMORY;
    }
    j->place = *place;
    atomic_init(&j->owners, 2);
    *r = (struct lan_resolve){ .job = j, .done = done, .ctx = ctx };
    r->answer = event_new(base, j->ends[0], EV_READ, on_answer, r);
    if (r->answer == NULL || event_add(r->answer, NULL) != 0 || !thread_start(j)) {
        job_release(j, 1);
        lan_resolve_cancel(r);
        return ERR_NO_MEMORY;
    }
    *out = r;
    return ERR_NONE;
}

void lan_resolve_cancel(struct lan_resolve *r)
{
    if (r == NULL)
        return;
    if (r->answer != NULL)
        event_free(r->answer);
    job_release(r->job, 0);
    free(r);
}
