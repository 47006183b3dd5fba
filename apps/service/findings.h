/* apps/service/findings.h - what a doctor found: a list of checks, each with what to do about it. */
#ifndef STA_SERVICE_FINDINGS_H
#define STA_SERVICE_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `list` is an array of {"check", "verdict", "text", "remedy"}, the caller's to free. */
struct findings { json_t *list; bool is_bad; };

/* `verdict` is "good", "note" (works, but) or "bad"; `remedy` a command or a sentence, empty where there is nothing to do. */
void findings_add(struct findings *f, const char *check, const char *verdict, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Whether the clock can be believed. */
void findings_add_clock(struct findings *f);

/* As people read them, a line or two each; or as JSON, a line each. */
void findings_print(const struct findings *f, FILE *to, bool is_json);

#endif
