/* Frames of RFC 6455, as a client writes and reads them. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>

#include "bytes.h"

enum opcode { CONTINUATION = 0, TEXT_FRAME = 1, BINARY_FRAME = 2, CLOSE = 8, PING = 9, PONG = 10 };

struct frame {
    int opcode;
    bool final;
    const char *payload;
    size_t size;
};

/* Bytes that the frame at `at` takes; 0 while it is incomplete. Fails on a masked one. */
size_t frame_read(const char *at, size_t size, struct frame *frame);

/* Begin a masked frame at the end of `to`; the payload is added behind, in the clear. */
size_t frame_begin(struct bytes *to);

/* End what `frame_begin` at this offset began: write its head and mask its payload. */
void frame_end(struct bytes *to, size_t begin, enum opcode opcode);

#endif
