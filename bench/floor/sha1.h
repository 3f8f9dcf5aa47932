/* SHA-1, for the handshake of RFC 6455 and nothing else. */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20

/* `size`: fewer than 2^29. */
void sha1(const void *data, size_t size, uint8_t digest[SHA1_SIZE]);

#endif
