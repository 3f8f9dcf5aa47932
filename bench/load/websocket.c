#include "websocket.h"

#include <stdint.h>
#include <string.h>

#include "fail.h"

enum { HEAD_ROOM = 14 };

/* The same for all: what RFC 6455 wants of a mask protects proxies, of which there are none. */
static const unsigned char MASK[4] = {0x5a, 0xc3, 0x17, 0x9e};

size_t frame_read(const char *at, size_t size, struct frame *frame) {
    const unsigned char *head = (const unsigned char *)at;
    if (size < 2)
        return 0;
    if (head[1] & 0x80)
        fail("the server sent a masked frame");
    size_t length = head[1], begin = 2;
    if (length >= 126) {
        size_t digits = length == 126 ? 2 : 8;
        begin += digits;
        if (size < begin)
            return 0;
        length = 0;
        for (size_t i = 2; i < begin; i++)
            length = length << 8 | head[i];
    }
    if (size - begin < length)
        return 0;
    *frame = (struct frame){head[0] & 0x0f, head[0] >> 7, at + begin, length};
    return begin + length;
}

size_t frame_begin(struct bytes *to) {
    size_t begin = to->size;
    bytes_reserve(to, HEAD_ROOM);
    to->size += HEAD_ROOM;
    return begin;
}

static size_t write_head(unsigned char *head, size_t size, enum opcode opcode) {
    size_t used = 2;
    head[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        head[1] = (unsigned char)(0x80 | size);
    } else {
        size_t digits = size < 65536 ? 2 : 8;
        head[1] = digits == 2 ? 0x80 | 126 : 0x80 | 127;
        for (size_t i = 0; i < digits; i++)
            head[used++] = (unsigned char)(size >> 8 * (digits - 1 - i));
    }
    memcpy(head + used, MASK, sizeof MASK);
    return used + sizeof MASK;
}

void frame_end(struct bytes *to, size_t begin, enum opcode opcode) {
    unsigned char head[HEAD_ROOM];
    size_t size = to->size - begin - HEAD_ROOM;
    size_t used = write_head(head, size, opcode);
    char *payload = to->at + begin + used;
    memmove(payload, to->at + begin + HEAD_ROOM, size);
    memcpy(to->at + begin, head, used);
    for (size_t i = 0; i < size; i++)
        payload[i] = (char)(payload[i] ^ MASK[i & 3]);
    to->size = begin + used + size;
}
