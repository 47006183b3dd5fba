/* apps/simulator/report.c - charts as SVG, no script, readable in the dark. */
#include "apps/simulator/report.h"

enum { WIDTH = 640, HEIGHT = 300, LEFT = 56, BOTTOM = 36, TOP = 14, RIGHT = 12 };

static const char *const colours[] = { "#0b6e4f", "#c1440e", "#2155cd", "#8f2d8c", "#a67c00", "#4a4a4a", "#00838f", "#ad1457" };

static const char *colour_of(size_t i)
{
    return colours[i % (sizeof colours / sizeof *colours)];
}

static void put_escaped(FILE *to, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc(*text, to);
        }
}

/* ---- One chart ---- */

struct chart {
    FILE *to;
    double x_most, y_most;
};

static double chart_x(const struct chart *c, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (c->x_most > 0 ? x / c->x_most : 0);
}

static double chart_y(const struct chart *c, double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (c->y_most > 0 ? y / c->y_most : 0);
}

static void chart_open(const struct chart *c, const char *title, const char *x_name, double x_unit, bool is_percent)
{
    fprintf(c->to, "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", title, WIDTH, HEIGHT, title);
    for (int i = 0; i <= 4; i++) {
        double y = c->y_most * i / 4, x = c->x_most * i / 4;

        fprintf(c->to, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, chart_y(c, y), chart_y(c, y));
        if (is_percent)
            fprintf(c->to, "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.0f %%</text>", LEFT - 6, chart_y(c, y) + 4, y * 100);
        else
            fprintf(c->to, "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.4g</text>", LEFT - 6, chart_y(c, y) + 4, y);
        fprintf(c->to, "<text class=\"x\" x=\"%.1f\" y=\"%d\">%.3g</text>\n", chart_x(c, x), HEIGHT - BOTTOM + 16, x / x_unit);
    }
    fprintf(c->to, "<text class=\"x\" x=\"%d\" y=\"%d\">%s</text>\n", (LEFT + WIDTH) / 2, HEIGHT - 4, x_name);
}

static void chart_close(const struct chart *c)
{
    fputs("</svg></figure>\n", c->to);
}

static void line_open(const struct chart *c, size_t run)
{
    fprintf(c->to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour_of(run));
}

static void line_point(const struct chart *c, double x, double y)
{
    fprintf(c->to, "%.1f,%.1f ", chart_x(c, x), chart_y(c, y));
}

static void line_close(const struct chart *c)
{
    fputs("\"/>\n", c->to);
}

/* ---- The charts ---- */

static double hours_end(const struct series *runs)
{
    return runs[0].samples[runs[0].sample_count - 1].time_s;
}

static void chart_delivery(FILE *to, const struct series *runs, size_t count)
{
    struct chart c = { to, hours_end(runs), 1 };

    chart_open(&c, "Delivered so far, of all messages created so far", "hours", 3600, true);
    for (size_t i = 0; i < count; i++) {
        line_open(&c, i);
        for (size_t j = 0; j < runs[i].sample_count; j++)
            if (runs[i].samples[j].created > 0)
                line_point(&c, runs[i].samples[j].time_s, (double)runs[i].samples[j].delivered / (double)runs[i].samples[j].created);
        line_close(&c);
    }
    chart_close(&c);
}

static void chart_latency(FILE *to, const struct series *runs, size_t count)
{
    double most = 1;

    for (size_t i = 0; i < count; i++)
        if (runs[i].latency_count > 0) {
            double late = runs[i].latency_s[runs[i].latency_count * 98 / 100];

            most = late > most ? late : most;
        }

    struct chart c = { to, most, 1 };

    chart_open(&c, "Delivered within, of all messages created", "minutes", 60, true);
    for (size_t i = 0; i < count; i++) {
        line_open(&c, i);
        line_point(&c, 0, 0);
        for (size_t step = 1; step <= 100 && runs[i].latency_count > 0; step++) {
            size_t at = (runs[i].latency_count - 1) * step / 100;

            if (runs[i].latency_s[at] <= most)
                line_point(&c, runs[i].latency_s[at], (double)(at + 1) / (double)runs[i].figures.created);
        }
        line_close(&c);
    }
    chart_close(&c);
}

static void chart_fill(FILE *to, const struct series *runs, size_t count)
{
    struct chart c = { to, hours_end(runs), 1 };

    chart_open(&c, "Stores in use", "hours", 3600, true);
    for (size_t i = 0; i < count; i++) {
        line_open(&c, i);
        for (size_t j = 0; j < runs[i].sample_count; j++)
            line_point(&c, runs[i].samples[j].time_s, runs[i].samples[j].fill < 1 ? runs[i].samples[j].fill : 1);
        line_close(&c);
    }
    chart_close(&c);
}

static void chart_overhead(FILE *to, const struct series *runs, size_t count)
{
    double most = 1;

    for (size_t i = 0; i < count; i++)
        most = runs[i].figures.overhead > most ? runs[i].figures.overhead : most;

    struct chart c = { to, (double)count, most };
    double wide = (double)(WIDTH - LEFT - RIGHT) / (double)count;

    fprintf(to, "<figure><figcaption>Transfers beyond the one that delivered, for each delivered message</figcaption>"
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"overhead\">\n", WIDTH, HEIGHT);
    for (size_t i = 0; i < count; i++) {
        double y = chart_y(&c, runs[i].figures.overhead);

        fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/><text class=\"x\" x=\"%.1f\" y=\"%.1f\">%.1f</text>"
                    "<text class=\"x\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                LEFT + wide * (double)i + wide * 0.15, y, wide * 0.7, HEIGHT - BOTTOM - y, colour_of(i), LEFT + wide * ((double)i + 0.5), y - 4,
                runs[i].figures.overhead, LEFT + wide * ((double)i + 0.5), HEIGHT - BOTTOM + 16, runs[i].policy);
    }
    chart_close(&c);
}

static void table(FILE *to, const struct series *runs, size_t count)
{
    fputs("<table><tr><th>policy<th>seed<th>delivered<th>of<th>share<th>overhead<th>median s<th>mean s<th>hops<th>transfers"
          "<th>aborted<th>dropped<th>CPU s</tr>\n", to);
    for (size_t i = 0; i < count; i++) {
        const struct world_figures *f = &runs[i].figures;

        fprintf(to, "<tr><td style=\"color:%s\">&#9632; %s<td>%llu<td>%llu<td>%llu<td>%.4f<td>%.1f<td>%.0f<td>%.0f<td>%.2f<td>%llu<td>%llu<td>%llu<td>%.1f</tr>\n",
                colour_of(i), runs[i].policy, (unsigned long long)runs[i].seed, (unsigned long long)f->delivered, (unsigned long long)f->created,
                f->delivery, f->overhead, f->median_s, f->mean_s, f->hops, (unsigned long long)f->relayed, (unsigned long long)f->aborted,
                (unsigned long long)f->dropped, runs[i].cpu_s);
    }
    fputs("</table>\n", to);
}

void report_html(FILE *to, const char *scenario, const char *command, const struct series *runs, size_t count)
{
    fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>", to);
    put_escaped(to, scenario);
    fputs("</title><style>body{font:15px/1.4 system-ui,sans-serif;max-width:70em;margin:1em auto;padding:0 1em;background:#fff;color:#222}"
          "figure{display:inline-block;width:min(100%,33em);margin:.5em}svg{width:100%;height:auto}text{font-size:11px;fill:currentColor}"
          ".y{text-anchor:end}.x{text-anchor:middle}.grid{stroke:#8886}table{border-collapse:collapse;margin:1em 0}"
          "td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #8886}td:first-child,th:first-child{text-align:left}"
          "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}</style><h1>", to);
    put_escaped(to, scenario);
    fputs("</h1><p>Reference rules. Made by <code>", to);
    put_escaped(to, command);
    fputs("</code></p>\n", to);
    table(to, runs, count);
    chart_delivery(to, runs, count);
    chart_latency(to, runs, count);
    chart_overhead(to, runs, count);
    chart_fill(to, runs, count);
    fputs("</html>\n", to);
}

void report_csv(FILE *to, const struct series *runs, size_t count)
{
    fputs("policy,seed,time_s,created,delivered,transfers,fill\n", to);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < runs[i].sample_count; j++) {
            const struct sample *s = &runs[i].samples[j];

            fprintf(to, "%s,%llu,%.1f,%llu,%llu,%llu,%.4f\n", runs[i].policy, (unsigned long long)runs[i].seed, s->time_s,
                    (unsigned long long)s->created, (unsigned long long)s->delivered, (unsigned long long)s->relayed, s->fill);
        }
}

void report_text(FILE *to, const struct series *runs, size_t count)
{
    fprintf(to, "%-10s %6s %11s %9s %9s %9s %9s %6s %10s %9s %9s %6s\n", "policy", "seed", "delivered", "share", "overhead", "median s",
            "mean s", "hops", "transfers", "aborted", "dropped", "CPU s");
    for (size_t i = 0; i < count; i++) {
        const struct world_figures *f = &runs[i].figures;

        fprintf(to, "%-10s %6llu %5llu/%-5llu %9.4f %9.1f %9.0f %9.0f %6.2f %10llu %9llu %9llu %6.1f\n", runs[i].policy,
                (unsigned long long)runs[i].seed, (unsigned long long)f->delivered, (unsigned long long)f->created, f->delivery, f->overhead,
                f->median_s, f->mean_s, f->hops, (unsigned long long)f->relayed, (unsigned long long)f->aborted,
                (unsigned long long)f->dropped, runs[i].cpu_s);
    }
}
