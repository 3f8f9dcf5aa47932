/* The writers: when each of them sends the next event, and what is answered. */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include "connection.h"

enum pace {
    WINDOW,    /* at most so many events that not every subscriber has got */
    IN_FLIGHT, /* so many unanswered ones of each writer */
    RATE,      /* so many a second of all writers together */
};

void publisher_add(struct connection *writer);

/* Publish for so long, or so many events if those are fewer. Fails where this pace cannot be kept,
   such as a window without subscribers. */
void publisher_start(enum pace pace, unsigned amount, double seconds, uint64_t events);

void publisher_on_message(struct connection *writer, const char *payload, size_t size);
void publisher_on_reply(struct connection *writer, bool refused);

/* Send what is due. Returns nanoseconds until there may be more to do; 0 at the end of the run,
   when all has come, or nothing comes any more. */
uint64_t publisher_turn(void);

uint64_t publisher_unanswered(void);

#endif
