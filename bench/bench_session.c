/* bench/bench_session.c - what sessions cost: sealing, opening, expecting. CPU time, one thread.
 *
 *     bench_session
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/session.h"

enum { DAY = 690, ROUNDS = 4000, CONTACTS = 200, DAYS = 16, EXPIRY_H = (DAY + 14) * 24 };

static uint8_t bundles[ROUNDS][512], plain[BUNDLE_LEN_MAX];

static void need(enum err e)
{
    if (e == ERR_NONE)
        return;
    fprintf(stderr, "bench_session: %s\n", err_text(e));
    exit(1);
}

static double cpu_us(void)
{
    return (double)clock() * 1e6 / CLOCKS_PER_SEC;
}

static void line(const char *what, double us, double count, const char *goal)
{
    printf("%-52s %9.2f us  %s\n", what, us / count, goal);
}

int main(int argc, char **argv)
{
    struct rng g = rng_system();
    struct identity *ana, *ben;
    struct session *a, *b;
    struct card peer;
    struct sealed sealed;
    struct opened opened;
    struct inbox_view inbox;
    double from;

    if (argc > 1 || (argc > 1 && argv[1][0] == '-')) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_session\nWhat sessions cost, in CPU of one thread: sealing, opening, expecting.\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    need(crypto_start());
    need(identity_new(&ana, bytes_of_text("Ana"), DAY, &g));
    need(identity_new(&ben, bytes_of_text("Ben"), DAY, &g));
    identity_inbox(ben, 0, &inbox);
    struct seal_request q = { .my_card = identity_card(ana), .day = DAY, .expiry_h = EXPIRY_H, .size_code = 1,
                              .payload = bytes_of(plain, 109) };

    from = cpu_us();
    for (int i = 0; i < 200; i++) {
        need(session_start(&a, FORM_F1, ana, identity_card(ben), DAY, &g));
        need(session_seal(a, &q, &g, bundles[0], &sealed));
        if (i < 199)
            session_free(a);
    }
    line("first message to a stranger: start and seal", cpu_us() - from, 200, "");
    from = cpu_us();
    for (int i = 0; i < 200; i++) {
        need(session_accept_f1(&b, ben, inbox.inbox_id, DAY, bytes_of(bundles[0], 512), &peer, plain, &opened));
        if (i < 199)
            session_free(b);
    }
    line("first message from a stranger: accept", cpu_us() - from, 200, "");

    /* A chain without a DH step; bundles of 256 bytes. */
    q.size_code = 0;
    need(session_seal(b, &q, &g, bundles[0], &sealed));
    need(session_open(a, DAY, 0, bytes_of(bundles[0], 256), plain, &opened));
    from = cpu_us();
    for (int i = 0; i < ROUNDS; i++)
        need(session_seal(a, &q, &g, bundles[i], &sealed));
    line("seal 256 bytes, no DH step", cpu_us() - from, ROUNDS, "(<= 150)");
    from = cpu_us();
    for (int i = 0; i < ROUNDS; i++)
        need(session_open(b, DAY, (uint32_t)i, bytes_of(bundles[i], 256), plain, &opened));
    line("open 256 bytes, no DH step", cpu_us() - from, ROUNDS, "(<= 150)");

    /* Ping-pong: every seal and every open has a DH step. */
    double sealing = 0, opening = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        from = cpu_us();
        need(session_seal(b, &q, &g, bundles[0], &sealed));
        sealing += cpu_us() - from;
        from = cpu_us();
        need(session_open(a, DAY, i + 1, bytes_of(bundles[0], 256), plain, &opened));
        opening += cpu_us() - from;
        need(session_seal(a, &q, &g, bundles[0], &sealed));
        need(session_open(b, DAY, ROUNDS + i, bytes_of(bundles[0], 256), plain, &opened));
    }
    line("seal 256 bytes with a DH step", sealing, 1000, "(<= 150)");
    line("open 256 bytes with a DH step", opening, 1000, "(<= 150)");

    static uint8_t tags[SESSION_LOOKAHEAD][TAG_LEN];
    from = cpu_us();
    for (int i = 0; i < CONTACTS; i++) {
        for (uint32_t day = DAY; day < DAY + DAYS; day++)
            need(session_expect(a, day, session_expect_from(a, day), SESSION_LOOKAHEAD, tags));
    }
    double spent = cpu_us() - from;
    line("expect 32 tags of one day", spent, CONTACTS * DAYS, "");
    printf("%-52s %9.1f ms  (~100)\n", "expect all tags of 200 contacts, 16 days (102400)", spent / 1000);
    from = cpu_us();
    need(session_expect(a, DAY + 7300, 0, SESSION_LOOKAHEAD, tags));
    line("expect 32 tags of a day 20 years on", cpu_us() - from, 1, "");

    session_free(a);
    session_free(b);
    identity_free(ana);
    identity_free(ben);
    return 0;
}
