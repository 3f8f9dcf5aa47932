/* The server's side of the handshake of RFC 6455. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include <stddef.h>

#define HANDSHAKE_ROOM 256

/* Write the answer to a request whose head has ended; its size, or 0 if it is no handshake. */
size_t handshake_answer(const char *request, size_t size, char answer[HANDSHAKE_ROOM]);

#endif
