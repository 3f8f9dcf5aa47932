#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "replies.h"

enum {
    INPUT_ROOM = 1 << 18,
    PORTS_PER_ADDRESS = 20000, /* fewer than ip_local_port_range has by default */
    SHOWN = 300,
};

struct observer observer;
unsigned first_address;

static const char *const STATES[] = {
    [CONNECTING] = "connecting",
    [UPGRADING] = "in the handshake",
    [STEPPING] = "carrying out its steps",
    [LIVE] = "all was done",
};
static char input[INPUT_ROOM + 1];
static struct connection **dirty;
static size_t dirty_count, dirty_room;

void connection_fail(const struct connection *connection, const char *why, const char *shown,
                     size_t size) {
    fail("%s %u: %s: %.*s", connection->group->name, connection->number, why,
         (int)(size < SHOWN ? size : SHOWN), shown);
}

unsigned connection_document(const struct connection *connection, unsigned index) {
    const struct group *group = connection->group;
    return (connection->number * group->each + index) % group->documents;
}

struct values connection_values(const struct connection *connection) {
    return (struct values){
        .connection = connection->number,
        .document = connection_document(connection, connection->iteration),
        .iteration = connection->iteration,
    };
}

static void mark_dirty(struct connection *connection) {
    if (connection->is_dirty)
        return;
    connection->is_dirty = true;
    if (dirty_count == dirty_room) {
        dirty_room = dirty_room ? dirty_room * 2 : 64;
        dirty = realloc(dirty, dirty_room * sizeof *dirty);
    }
    dirty[dirty_count++] = connection;
}

static void flush(struct connection *connection) {
    struct bytes *output = &connection->output;
    connection->is_dirty = false;
    if (output->size == 0)
        return;
    ssize_t sent = send(connection->descriptor, output->at, output->size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        connection_fail(connection, "cannot send", strerror(errno), SHOWN);
    if (sent > 0)
        bytes_drop(output, (size_t)sent);
}

void connection_flush_all(void) {
    for (size_t i = 0; i < dirty_count; i++)
        flush(dirty[i]);
    dirty_count = 0;
}

void connection_open(struct connection *connection, int poll, unsigned ordinal) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    if (descriptor < 0)
        fail("socket %u: %m", ordinal);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* One address has not ports enough for all. */
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + first_address + ordinal / PORTS_PER_ADDRESS);
    if (bind(descriptor, (struct sockaddr *)&own, sizeof own) < 0)
        fail("bind: %m");
    const struct sockaddr_in *address = &connection->group->address;
    if (connect(descriptor, (const struct sockaddr *)address, sizeof *address) < 0 &&
        errno != EINPROGRESS)
        fail("connect: %m");
    connection->descriptor = descriptor;
    connection->state = CONNECTING;
    connection->began = clock_now();
    /* Edges, so that nothing has to be changed when there is nothing more to write. */
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = connection}};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) < 0)
        fail("epoll_ctl: %m");
}

static void upgrade(struct connection *connection) {
    static const char fixed[] = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Version: 13\r\n";
    struct values values = connection_values(connection);
    struct bytes *output = &connection->output;
    bytes_add(output, "GET ", 4);
    template_write(&connection->group->path, &values, output);
    bytes_add(output, " HTTP/1.1\r\n", 11);
    bytes_add(output, fixed, sizeof fixed - 1);
    template_write(&connection->group->headers, &values, output);
    bytes_add(output, "\r\n", 2);
    connection->state = UPGRADING;
    mark_dirty(connection);
}

void connection_send(struct connection *connection, const struct template *text,
                     const struct values *values) {
    struct bytes *output = &connection->output;
    size_t begin = frame_begin(output);
    template_write(text, values, output);
    frame_end(output, begin, connection->group->opcode);
    mark_dirty(connection);
}

static void send_control(struct connection *connection, enum opcode opcode, const char *payload,
                         size_t size) {
    size_t begin = frame_begin(&connection->output);
    bytes_add(&connection->output, payload, size);
    frame_end(&connection->output, begin, opcode);
    mark_dirty(connection);
}

static void send_http(struct connection *connection, const struct values *values) {
    static struct bytes body;
    const struct group *group = connection->group;
    struct bytes *output = &connection->output;
    char length[64];
    body.size = 0;
    template_write(&group->event, values, &body);
    bytes_add(output, group->verb, strlen(group->verb));
    bytes_add(output, " ", 1);
    template_write(&group->path, values, output);
    static const char head[] = " HTTP/1.1\r\nHost: localhost\r\n";
    bytes_add(output, head, sizeof head - 1);
    template_write(&group->headers, values, output);
    int size = snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", body.size);
    bytes_add(output, length, (size_t)size);
    bytes_add(output, body.at, body.size);
}

/* The words of the text, between single spaces, as a command; `""` is an empty one. */
static void send_resp(struct connection *connection, const struct values *values) {
    static struct bytes text;
    struct bytes *output = &connection->output;
    char head[32];
    text.size = 0;
    template_write(&connection->group->event, values, &text);
    bytes_add(&text, "", 1);
    unsigned words = 1;
    for (const char *at = text.at; *at; at++)
        words += *at == ' ';
    bytes_add(output, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", words));
    char *rest = text.at;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        size_t size = strcmp(word, "\"\"") == 0 ? 0 : strlen(word);
        bytes_add(output, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", size));
        bytes_add(output, word, size);
        bytes_add(output, "\r\n", 2);
    }
}

void connection_publish(struct connection *connection, const struct values *values) {
    switch (connection->group->protocol) {
    case WEBSOCKET:
        connection_send(connection, &connection->group->event, values);
        return;
    case HTTP:
        send_http(connection, values);
        break;
    case RESP:
        send_resp(connection, values);
        break;
    }
    mark_dirty(connection);
}

/* Carry out steps until one has to wait. */
static void advance(struct connection *connection) {
    const struct group *group = connection->group;
    while (connection->step < group->step_count) {
        const struct step *step = &group->steps[connection->step];
        struct values values = connection_values(connection);
        if (step->kind == EXPECT)
            return;
        if (step->kind == SEND)
            connection_send(connection, &step->text, &values);
        if (step->kind == FOR_EACH)
            connection->loop = connection->step;
        if (step->kind == DONE && ++connection->iteration < group->each)
            connection->step = connection->loop;
        else if (step->kind == DONE)
            connection->iteration = 0;
        connection->step++;
    }
    connection->state = LIVE;
    observer.on_live(connection);
}

static bool contains(const char *text, size_t size, const struct template *wanted,
                     const struct values *values) {
    static struct bytes rendered;
    rendered.size = 0;
    template_write(wanted, values, &rendered);
    return memmem(text, size, rendered.at, rendered.size) != NULL;
}

/* Where the text of an echo ends in a message that it matches; NULL in another. */
static const char *matched(const struct echo *echo, const char *payload, size_t size) {
    size_t length = strlen(echo->question);
    const char *found = payload;
    if (echo->match >= HOLDS)
        found = memmem(payload, size, echo->question, length);
    else if (size < length || (echo->match == EQUALS && size != length) ||
             memcmp(payload, echo->question, length) != 0)
        found = NULL;
    return found == NULL ? NULL : found + length;
}

static size_t word_size(const char *at, const char *end) {
    const char *from = at;
    while (at < end && *at != '"' && *at != ' ')
        at++;
    return at == end ? 0 : (size_t)(at - from);
}

/* True if a message was only there to be answered. */
static bool answer(struct connection *connection, const char *payload, size_t size) {
    for (const struct echo *echo = connection->group->echoes; echo != NULL; echo = echo->next) {
        /* What comes during the steps may be made otherwise than events. */
        if (echo->match >= HOLDS && connection->state != LIVE)
            continue;
        const char *all = payload + size, *end = matched(echo, payload, size);
        while (end != NULL) {
            struct values values = connection_values(connection);
            values.word = end;
            values.word_size = word_size(end, all);
            connection_send(connection, &echo->answer, &values);
            if (echo->match < HOLDS)
                return true;
            end = echo->match == HOLDS ? NULL : matched(echo, end, (size_t)(all - end));
        }
    }
    return false;
}

static void take_message(struct connection *connection, const char *payload, size_t size) {
    const char *fatal = connection->group->fatal;
    if (answer(connection, payload, size))
        return;
    if (fatal != NULL && memmem(payload, size, fatal, strlen(fatal)) != NULL)
        connection_fail(connection, "received", payload, size);
    if (connection->state == LIVE) {
        observer.on_message(connection, payload, size);
        return;
    }
    struct values values = connection_values(connection);
    if (contains(payload, size, &connection->group->steps[connection->step].text, &values)) {
        connection->step++;
        advance(connection);
    }
}

static void take_frame(struct connection *connection, const struct frame *frame) {
    struct bytes *message = &connection->message;
    if (frame->opcode == PING) {
        send_control(connection, PONG, frame->payload, frame->size);
    } else if (frame->opcode == CLOSE) {
        unsigned code = frame->size >= 2 ? (unsigned)((unsigned char)frame->payload[0] << 8 |
                                                      (unsigned char)frame->payload[1])
                                         : 0;
        fail("%s %u: closed with %u: %.*s", connection->group->name, connection->number, code,
             frame->size > 2 ? (int)frame->size - 2 : 0, frame->payload + 2);
    } else if (frame->opcode != PONG && frame->final && message->size == 0) {
        take_message(connection, frame->payload, frame->size);
    } else if (frame->opcode != PONG) {
        bytes_add(message, frame->payload, frame->size);
        if (frame->final) {
            take_message(connection, message->at, message->size);
            bytes_clear(message);
        }
    }
}

/* Bytes that what came first takes; 0 while it is incomplete. */
static size_t take_one(struct connection *connection, const char *at, size_t size) {
    struct frame frame;
    struct reply reply;
    size_t used;
    if (connection->state == UPGRADING) {
        used = http_read(at, size, &reply);
        if (used == 0)
            return 0;
        if (memcmp(at + 9, "101", 3) != 0)
            connection_fail(connection, "was refused", at, used);
        connection->state = STEPPING;
        advance(connection);
    } else if (connection->group->protocol == WEBSOCKET) {
        used = frame_read(at, size, &frame);
        if (used > 0)
            take_frame(connection, &frame);
    } else {
        bool is_http = connection->group->protocol == HTTP;
        used = (is_http ? http_read : resp_read)(at, size, &reply);
        if (used > 0)
            observer.on_reply(connection, reply.refused);
    }
    return used;
}

static void take(struct connection *connection, size_t size) {
    size_t used = 0;
    input[size] = '\0';
    for (size_t one; used < size; used += one) {
        one = take_one(connection, input + used, size - used);
        if (one == 0)
            break;
    }
    if (used < size)
        bytes_add(&connection->input, input + used, size - used);
}

static void receive(struct connection *connection) {
    for (;;) {
        /* What is incomplete comes first; else nothing is kept for a connection. */
        size_t kept = connection->input.size;
        if (kept == INPUT_ROOM)
            fail("a message is larger than %d bytes", INPUT_ROOM);
        if (kept > 0)
            memcpy(input, connection->input.at, kept);
        ssize_t size = recv(connection->descriptor, input + kept, INPUT_ROOM - kept, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0)
            connection_fail(connection, "cannot receive", strerror(errno), SHOWN);
        if (size == 0)
            connection_fail(connection, "was closed while", STATES[connection->state], SHOWN);
        if (kept > 0)
            bytes_clear(&connection->input);
        bool is_full = (size_t)size == INPUT_ROOM - kept;
        take(connection, kept + (size_t)size);
        /* An edge comes for what arrives after this; there is nothing more now. */
        if (!is_full)
            return;
    }
}

void connection_on_ready(struct connection *connection, uint32_t events) {
    if (connection->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            connection_fail(connection, "cannot connect", strerror(error), SHOWN);
        if (connection->group->protocol == WEBSOCKET) {
            upgrade(connection);
        } else {
            connection->state = LIVE;
            observer.on_live(connection);
        }
    }
    if (events & EPOLLIN)
        receive(connection);
    if (events & (EPOLLRDHUP | EPOLLHUP))
        receive(connection); /* the end comes after what was read */
    if (connection->output.size > 0)
        mark_dirty(connection);
}
