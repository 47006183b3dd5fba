/* Blocks a phone may write: the input is blocks of u8 length || bytes, all given to one session's boxes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mesh/base/reader.h"
#include "mesh/links/bluetooth_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frame_inbox inbox;
    struct frame_outbox outbox = { 0, 20 };
    struct reader r = reader_of(bytes_of(data, size));
    uint8_t again[FRAME_BLOCK_MAX];
    uint16_t number;

    frame_inbox_init(&inbox, 40);
    while (reader_left(&r) > 0 && !r.failed) {
        struct bytes block = reader_take(&r, reader_u8(&r)), body;
        struct frame_block b;

        if (frame_decode(&b, block) != ERR_NONE)
            continue;
        assert(frame_encode(&b, again) == block.len);
        if (b.kind == FRAME_DATA && frame_inbox_put(&inbox, b.number, b.body) == ERR_NONE)
            while (frame_inbox_next(&inbox, &body))
                assert(body.len > 0 && body.len <= FRAME_BODY_MAX);
        (void)frame_inbox_grant(&inbox, &number);
        assert((uint16_t)(inbox.granted - inbox.next) <= inbox.window);
        if (b.kind == FRAME_GRANT)
            (void)frame_outbox_grant(&outbox, b.number);
        if (frame_outbox_may_send(&outbox))
            outbox.next++;
        assert((uint16_t)(outbox.limit - outbox.next) <= FRAME_WINDOW_MAX);
    }
    return 0;
}
