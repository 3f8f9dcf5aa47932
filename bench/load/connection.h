/* One connection: it is made, carries out its steps, and then lives on. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "script.h"

enum state { CONNECTING, UPGRADING, STEPPING, LIVE };

/* Requests that wait for an answer, by id. */
struct requests {
    uint64_t *sent; /* nanoseconds, at id modulo REQUEST_ROOM; 0: answered */
    uint64_t oldest, next;
    unsigned unanswered;
};

struct connection {
    int descriptor;
    enum state state;
    unsigned number; /* in its group */
    const struct group *group;
    unsigned step, iteration, loop;
    uint64_t began; /* nanoseconds */
    struct bytes input, output, message;
    bool is_dirty; /* waits for `connection_flush_all` */
    uint64_t *last; /* sequence number that it saw last, of each of its documents */
    struct requests requests;
    unsigned turn; /* which of its documents it writes next */
};

/* From the oldest request that is not answered to the newest, at most. */
#define REQUEST_ROOM 8192

/* What becomes of connections; the functions are called by them. */
struct observer {
    void (*on_live)(struct connection *connection);
    void (*on_message)(struct connection *connection, const char *payload, size_t size);
    void (*on_reply)(struct connection *connection, bool refused);
};

extern struct observer observer;

/* Source addresses are 127.0.0.2 plus this and later ones, so that processes need not share ports. */
extern unsigned first_address;

/* Begin to connect. `ordinal`: number among all connections. */
void connection_open(struct connection *connection, int poll, unsigned ordinal);

/* `events`: of epoll. */
void connection_on_ready(struct connection *connection, uint32_t events);

/* The number of its document with this index, which is below `each` of its group. */
unsigned connection_document(const struct connection *connection, unsigned index);

/* Fill in what the connection itself is in a template's values. */
struct values connection_values(const struct connection *connection);

/* Send an event, a request, at the end of this turn of the loop. */
void connection_publish(struct connection *connection, const struct values *values);

/* Send the rendered text as one message. */
void connection_send(struct connection *connection, const struct template *text,
                     const struct values *values);

/* Write what was sent in this turn of the loop. */
void connection_flush_all(void);

_Noreturn void connection_fail(const struct connection *connection, const char *why,
                               const char *shown, size_t size);

#endif
