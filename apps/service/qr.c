/* apps/service/qr.c - a link as a QR code, on the terminal and as an image. */
#define _DEFAULT_SOURCE
#include "apps/service/qr.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <qrencode.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


enum { QUIET = 4, SCALE = 8 };   /* modules of margin that the standard asks for; pixels a module */

static bool is_dark(const QRcode *q, int x, int y)
{
    return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1) != 0;
}

static QRcode *encode(const char *text)
{
    return QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
}

/* Two rows of modules a line of half blocks. On a terminal the colours are set, so that a dark theme
 * and a light one both show dark on light; elsewhere light modules are the full blocks. */
enum err qr_print(FILE *to, const char *text, bool is_terminal)
{
    static const char *const blocks[2][2] = { { "\xe2\x96\x88", "\xe2\x96\x80" }, { "\xe2\x96\x84", " " } };
    QRcode *q = encode(text);

    if (q == NULL)
        return ERR_TOO_LARGE;
    for (int y = -QUIET; y < q->width + QUIET; y += 2) {
        if (is_terminal)
            fputs("\033[97;40m", to);
        for (int x = -QUIET; x < q->width + QUIET; x++)
            fputs(blocks[is_dark(q, x, y)][is_dark(q, x, y + 1) || y + 1 >= q->width + QUIET], to);
        fputs(is_terminal ? "\033[0m\n" : "\n", to);
    }
    QRcode_free(q);
    return ERR_NONE;
}

static enum err write_png(const char *path, const png_image *image, const uint8_t *pixels)
{
    /* An invite is a secret until it is used. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    png_image copy = *image;

    if (f == NULL) {
        int why = errno;

        if (fd >= 0)
            close(fd);
        errno = why;
        return ERR_IO;
    }
    bool is_written = png_image_write_to_stdio(&copy, f, 0, pixels, 0, NULL) != 0;
    return fclose(f) == 0 && is_written ? ERR_NONE : ERR_IO;
}

enum err qr_write_png(const char *path, const char *text)
{
    QRcode *q = encode(text);
    size_t side = q != NULL ? (size_t)(q->width + 2 * QUIET) * SCALE : 0;
    uint8_t *pixels = q != NULL ? malloc(side * side) : NULL;
    enum err status;

    if (pixels == NULL) {
        status = ERR_TOO_LARGE;
    } else {
        png_image image = { .version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_GRAY,
                            .width = (png_uint_32)side, .height = (png_uint_32)side };

        for (size_t y = 0; y < side; y++)
            for (size_t x = 0; x < side; x++)
                pixels[y * side + x] = is_dark(q, (int)(x / SCALE) - QUIET, (int)(y / SCALE) - QUIET) ? 0 : 255;
        status = write_png(path, &image, pixels);
    }
    free(pixels);
    if (q != NULL)
        QRcode_free(q);
    return status;
}
