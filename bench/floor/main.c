/* The least that fanning out can cost: one send() for each frame and subscriber, and nothing else.

       floor PORT

   A message `sub DDDDD` subscribes its connection to a document and is answered `ok`; one that
   begins with `pub DDDDD ` is sent on, without those words, to every subscriber of that document.
   Nothing is stored, checked or kept for readers who are slow: the bench's never are for long. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"

enum {
    DOCUMENTS = 100000,
    ROOM = 1 << 16,
    EVENTS = 512,
    BACKLOG = 4096,
    HEAD_ROOM = 4,
    WORD_SIZE = 4,                 /* "sub " and "pub " */
    SUBSCRIBE_SIZE = WORD_SIZE + 5, /* with the number */
    PUBLISH_SIZE = SUBSCRIBE_SIZE + 1,
};

struct client {
    int descriptor;
    bool is_open; /* past the handshake */
    unsigned char *input;
    size_t size;
};

struct audience {
    int *descriptors;
    unsigned count;
};

static struct audience audiences[DOCUMENTS];
static int poll_descriptor;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void send_whole(int descriptor, const unsigned char *at, size_t size) {
    while (size > 0) {
        ssize_t sent = send(descriptor, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        if (sent < 0) {
            struct pollfd wanted = {descriptor, POLLOUT, 0};
            poll(&wanted, 1, -1);
            continue;
        }
        at += sent;
        size -= (size_t)sent;
    }
}

/* A frame around what is at HEAD_ROOM of `buffer`; where it begins. */
static unsigned char *put_head(unsigned char *buffer, size_t size, size_t *whole) {
    unsigned char *head = buffer + HEAD_ROOM - (size < 126 ? 2 : 4);
    head[0] = 0x81;
    head[1] = (unsigned char)(size < 126 ? size : 126);
    if (size >= 126) {
        head[2] = (unsigned char)(size >> 8);
        head[3] = (unsigned char)size;
    }
    *whole = size + (size_t)(buffer + HEAD_ROOM - head);
    return head;
}

static void subscribe(struct client *client, struct audience *audience) {
    static const unsigned char ok[] = {0x81, 2, 'o', 'k'};
    audience->descriptors =
        realloc(audience->descriptors, (audience->count + 1) * sizeof *audience->descriptors);
    audience->descriptors[audience->count++] = client->descriptor;
    send_whole(client->descriptor, ok, sizeof ok);
}

static void publish(const struct audience *audience, const unsigned char *payload, size_t size) {
    static unsigned char buffer[HEAD_ROOM + ROOM];
    size_t whole;
    memcpy(buffer + HEAD_ROOM, payload, size);
    unsigned char *frame = put_head(buffer, size, &whole);
    for (unsigned i = 0; i < audience->count; i++)
        send_whole(audience->descriptors[i], frame, whole);
}

static void take_message(struct client *client, const unsigned char *text, size_t size) {
    if (size < SUBSCRIBE_SIZE)
        return;
    struct audience *audience = &audiences[strtoul((const char *)text + WORD_SIZE, NULL, 10)];
    if (text[0] == 's')
        subscribe(client, audience);
    else
        publish(audience, text + PUBLISH_SIZE, size - PUBLISH_SIZE);
}

/* Bytes that the first frame takes; 0 while it is incomplete. */
static size_t take_frame(struct client *client, unsigned char *at, size_t size) {
    if (size < 6)
        return 0;
    size_t length = at[1] & 0x7f, begin = 2;
    if (length == 126) {
        length = (size_t)at[2] << 8 | at[3];
        begin = 4;
    }
    const unsigned char *mask = at + begin;
    unsigned char *payload = at + begin + 4;
    if (size < begin + 4 + length)
        return 0;
    for (size_t i = 0; i < length; i++)
        payload[i] ^= mask[i & 3];
    if ((at[0] & 0x0f) == 1)
        take_message(client, payload, length);
    return begin + 4 + length;
}

static size_t take_handshake(struct client *client, const unsigned char *at, size_t size) {
    char answer[HANDSHAKE_ROOM];
    const char *end = memmem(at, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t used = handshake_answer((const char *)at, size, answer);
    send_whole(client->descriptor, (unsigned char *)answer, used);
    client->is_open = true;
    return (size_t)(end - (const char *)at) + 4;
}

static void receive(struct client *client) {
    ssize_t size = recv(client->descriptor, client->input + client->size, ROOM - client->size, 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN)
            epoll_ctl(poll_descriptor, EPOLL_CTL_DEL, client->descriptor, NULL);
        return;
    }
    client->size += (size_t)size;
    size_t used = 0;
    for (size_t one; used < client->size; used += one) {
        unsigned char *at = client->input + used;
        one = client->is_open ? take_frame(client, at, client->size - used)
                              : take_handshake(client, at, client->size - used);
        if (one == 0)
            break;
    }
    client->size -= used;
    memmove(client->input, client->input + used, client->size);
}

static void accept_client(int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (descriptor < 0)
        return;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct client *client = calloc(1, sizeof *client);
    client->descriptor = descriptor;
    client->input = malloc(ROOM);
    struct epoll_event event = {EPOLLIN, {.ptr = client}};
    epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, descriptor, &event);
}

static int listen_on(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0)
        fail("listen");
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, listener, &event);
    return listener;
}

int main(int count, char **words) {
    struct rlimit limit;
    if (count != 2) {
        fputs("usage: floor PORT\n", stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    poll_descriptor = epoll_create1(0);
    int listener = listen_on(words[1]);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_descriptor, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                accept_client(listener);
            else
                receive(events[i].data.ptr);
        }
    }
}
