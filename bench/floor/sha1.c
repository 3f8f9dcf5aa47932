#include "sha1.h"

#include <string.h>

enum { BLOCK = 64, ROUNDS = 80 };

static uint32_t rotate(uint32_t word, int bits) {
    return word << bits | word >> (32 - bits);
}

static void take_block(uint32_t state[5], const uint8_t *block) {
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t words[ROUNDS], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < ROUNDS; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < ROUNDS; i++) {
        int quarter = i / 20;
        uint32_t mixed = quarter == 0   ? (b & c) | (~b & d)
                         : quarter == 2 ? (b & c) | (b & d) | (c & d)
                                        : b ^ c ^ d;
        uint32_t next = rotate(a, 5) + mixed + e + constants[quarter] + words[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void sha1(const void *data, size_t size, uint8_t digest[SHA1_SIZE]) {
    uint32_t state[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t last[2 * BLOCK] = {0};
    size_t whole = size / BLOCK * BLOCK, rest = size - whole;
    for (size_t at = 0; at < whole; at += BLOCK)
        take_block(state, (const uint8_t *)data + at);
    memcpy(last, (const uint8_t *)data + whole, rest);
    last[rest] = 0x80;
    size_t padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    for (int i = 0; i < 4; i++)
        last[padded - 1 - i] = (uint8_t)(size * 8 >> 8 * i);
    for (size_t at = 0; at < padded; at += BLOCK)
        take_block(state, last + at);
    for (int i = 0; i < SHA1_SIZE; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}
