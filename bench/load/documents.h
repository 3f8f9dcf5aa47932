/* Which events there were, who has not got them yet, and what came of them to subscribers. */
#ifndef DOCUMENTS_H
#define DOCUMENTS_H

#include "connection.h"

/* Events that may be on their way at once while a window is kept, at most. */
#define WINDOW_ROOM 1024

struct documents {
    uint64_t pending;     /* deliveries to come */
    uint64_t outstanding; /* events that somebody has not got; kept while there is a window */
};

extern struct documents documents;

void documents_make(unsigned count);

/* Count a subscriber in. */
void documents_subscribe(struct connection *connection);

/* A new event: its sequence number in its document. */
uint64_t documents_add_event(unsigned document);

/* Take what a subscriber was sent. */
void documents_on_message(struct connection *connection, const char *payload, size_t size);

/* Forget the window. What is missing stays `pending` until its subscriber sees a later one. */
void documents_end_window(void);

#endif
