#include "handshake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sha1.h"

enum { KEY_SIZE = 24, ACCEPT_SIZE = 28 };

static void encode_base64(const uint8_t *bytes, size_t size, char *to) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3, to += 4) {
        size_t left = size - at;
        uint32_t three = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) |
                         (left > 2 ? bytes[at + 2] : 0);
        for (int i = 0; i < 4; i++)
            to[i] = (size_t)i > left ? '=' : digits[three >> (18 - 6 * i) & 63];
    }
}

size_t handshake_answer(const char *request, size_t size, char answer[HANDSHAKE_ROOM]) {
    static const char name[] = "Sec-WebSocket-Key: ";
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = memmem(request, size, name, sizeof name - 1);
    if (key == NULL)
        return 0;
    char text[KEY_SIZE + sizeof magic], accept[ACCEPT_SIZE + 1] = {0};
    uint8_t digest[SHA1_SIZE];
    memcpy(text, key + sizeof name - 1, KEY_SIZE);
    memcpy(text + KEY_SIZE, magic, sizeof magic);
    sha1(text, KEY_SIZE + sizeof magic - 1, digest);
    encode_base64(digest, SHA1_SIZE, accept);
    return (size_t)snprintf(answer, HANDSHAKE_ROOM,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
}
