/* Many clients of one server in one process: it carries out a script, and then what stdin says.

       load [--connecting N] [--first-address A] SCRIPT

   Lines of JSON on stdout. ../README.md describes scripts, commands and results. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "documents.h"
#include "fail.h"
#include "publisher.h"
#include "tally.h"

enum { EVENTS = 512, COMMAND_SIZE = 256, CONNECTING_DEFAULT = 100 };

static int poll_descriptor;
static struct connection *connections;
static unsigned connection_count, opened, live, connecting_limit = CONNECTING_DEFAULT;
static struct histogram setup;
static uint64_t began;
static bool is_publishing;

static void open_more(void) {
    while (opened < connection_count && opened - live < connecting_limit) {
        connection_open(&connections[opened], poll_descriptor, opened);
        opened++;
    }
}

static void on_live(struct connection *connection) {
    uint64_t now = clock_now();
    histogram_add(&setup, now - connection->began);
    live++;
    if (live < connection_count)
        return;
    printf("{\"ready\":{\"connections\":%u,\"seconds\":%.6f,\"setup_us\":", connection_count,
           (double)(now - began) / 1e9);
    histogram_print(&setup, stdout);
    puts("}}");
    fflush(stdout);
    tally_reset();
}

static void on_message(struct connection *connection, const char *payload, size_t size) {
    if (connection->group->publishes)
        publisher_on_message(connection, payload, size);
    else
        documents_on_message(connection, payload, size);
}

static void make_connections(const struct group *groups) {
    unsigned documents = 1;
    for (const struct group *group = groups; group != NULL; group = group->next) {
        connection_count += group->count;
        if (group->documents > documents)
            documents = group->documents;
    }
    documents_make(documents);
    connections = calloc(connection_count, sizeof *connections);
    struct connection *next = connections;
    for (const struct group *group = groups; group != NULL; group = group->next)
        for (unsigned number = 0; number < group->count; number++, next++) {
            next->group = group;
            next->number = number;
            if (group->publishes)
                publisher_add(next);
            else
                documents_subscribe(next);
        }
}

static void report(void) {
    tally_print(documents.pending, publisher_unanswered());
    documents_end_window();
}

static void carry_out(const char *command) {
    static const char *const paces[] = {
        [WINDOW] = "window", [IN_FLIGHT] = "inflight", [RATE] = "rate"};
    char pace[16];
    unsigned amount;
    double seconds;
    unsigned long long events = UINT64_MAX;
    if (strcmp(command, "listen") == 0) {
        tally_reset();
        return;
    }
    if (strcmp(command, "report") == 0) {
        report();
        return;
    }
    int found = sscanf(command, "publish %15s %u seconds %lf events %llu", pace, &amount, &seconds,
                       &events);
    if (found >= 3 && amount > 0)
        for (unsigned i = 0; i < sizeof paces / sizeof *paces; i++)
            if (strcmp(pace, paces[i]) == 0) {
                publisher_start((enum pace)i, amount, seconds, events);
                is_publishing = true;
                return;
            }
    fail("'%s' is no command", command);
}

static void read_commands(void) {
    static char text[COMMAND_SIZE];
    static size_t kept;
    ssize_t size = read(STDIN_FILENO, text + kept, sizeof text - 1 - kept);
    if (size <= 0)
        exit(0);
    kept += (size_t)size;
    text[kept] = '\0';
    char *line = text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        carry_out(line);
    }
    kept = strlen(line);
    memmove(text, line, kept);
}

/* Nanoseconds to wait for something to happen. */
static uint64_t publish(void) {
    if (!is_publishing)
        return SECOND;
    uint64_t pause = publisher_turn();
    if (pause > 0)
        return pause;
    is_publishing = false;
    report();
    return SECOND;
}

static void turn(void) {
    struct epoll_event events[EVENTS];
    uint64_t pause = publish();
    connection_flush_all();
    struct timespec timeout = {(time_t)(pause / SECOND), (long)(pause % SECOND)};
    int count = epoll_pwait2(poll_descriptor, events, EVENTS, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        fail("epoll_pwait2: %m");
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            read_commands();
        else
            connection_on_ready(events[i].data.ptr, events[i].events);
    }
    open_more();
}

static void raise_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (connection_count + 16 > limit.rlim_max)
        fail("%u connections need as many open files; %llu are allowed", connection_count,
             (unsigned long long)limit.rlim_max);
}

int main(int count, char **words) {
    int next = 1;
    for (; next + 2 < count; next += 2) {
        unsigned value = (unsigned)atoi(words[next + 1]);
        if (strcmp(words[next], "--connecting") == 0)
            connecting_limit = value;
        else if (strcmp(words[next], "--first-address") == 0)
            first_address = value;
        else
            fail("'%s' is no option", words[next]);
    }
    if (count != next + 1 || connecting_limit == 0)
        fail("usage: load [--connecting N] [--first-address A] SCRIPT");
    make_connections(script_read(words[next]));
    raise_limit();
    observer = (struct observer){on_live, on_message, publisher_on_reply};
    poll_descriptor = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    if (epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        fail("stdin must be a pipe or a terminal");
    began = clock_now();
    open_more();
    for (;;)
        turn();
}
