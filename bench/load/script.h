/* What connections do, as a file says it; see ../README.md. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <netinet/in.h>
#include <stdbool.h>

#include "template.h"
#include "websocket.h"

enum protocol { WEBSOCKET, HTTP, RESP };

enum step_kind { SEND, EXPECT, FOR_EACH, DONE };

struct step {
    enum step_kind kind;
    struct template text; /* of SEND and EXPECT */
};

/* How a message is matched that is answered whenever it comes. */
enum match { BEGINS, EQUALS, HOLDS, HOLDS_EACH };

struct echo {
    char *question;
    enum match match; /* HOLDS: anywhere in a message, which is taken as it is all the same;
                         HOLDS_EACH: the same, wherever the message has it */
    struct template answer;
    struct echo *next;
};

struct group {
    char *name;
    unsigned count; /* of connections */
    enum protocol protocol;
    struct sockaddr_in address;
    enum opcode opcode; /* of what it sends */
    char *verb;
    struct template path, headers;
    unsigned documents, each;
    struct step *steps;
    unsigned step_count;
    struct echo *echoes;
    char *fatal, *refused; /* NULL: nothing is */
    bool publishes;
    struct template event, ack; /* `ack` without parts: there is none */
    bool ack_has_id;
    struct group *next;
};

/* The groups of a file in their order. Fails, with the line, where one cannot be meant. */
struct group *script_read(const char *path);

#endif
