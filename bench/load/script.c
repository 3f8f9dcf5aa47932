#include "script.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

struct reader {
    struct group *first, *group;
    struct list *lists;
    struct bytes headers; /* of the group, as text */
    unsigned line;
};

typedef void directive(struct reader *reader, char *rest);

static char *word(struct reader *reader, char **rest) {
    char *found = strsep(rest, " ");
    if (found == NULL || *found == '\0')
        fail("line %u: a word is missing", reader->line);
    return found;
}

static unsigned number(struct reader *reader, char **rest) {
    char *text = word(reader, rest), *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > 1000000)
        fail("line %u: '%s' must be a number from 1 to 1000000", reader->line, text);
    return (unsigned)value;
}

static void end_group(struct reader *reader) {
    if (reader->group == NULL)
        return;
    bytes_add(&reader->headers, "", 1);
    reader->group->headers = template_parse(reader->headers.at, reader->lists);
    bytes_clear(&reader->headers);
}

static void read_group(struct reader *reader, char *rest) {
    end_group(reader);
    struct group *group = calloc(1, sizeof *group);
    group->name = strdup(word(reader, &rest));
    group->count = number(reader, &rest);
    group->opcode = TEXT_FRAME;
    group->documents = group->each = 1;
    group->verb = "GET";
    group->path = template_parse("/", NULL);
    if (reader->group == NULL)
        reader->first = group;
    else
        reader->group->next = group;
    reader->group = group;
}

static void read_to(struct reader *reader, char *rest) {
    char *host = strsep(&rest, ":");
    struct sockaddr_in *address = &reader->group->address;
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)number(reader, &rest));
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
        fail("line %u: %s is no IPv4 address", reader->line, host);
}

static void read_speak(struct reader *reader, char *rest) {
    static const char *const names[] = {
        [WEBSOCKET] = "websocket", [HTTP] = "http", [RESP] = "resp"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(rest, names[i]) == 0) {
            reader->group->protocol = (enum protocol)i;
            return;
        }
    fail("line %u: there is no protocol '%s'", reader->line, rest);
}

static void read_path(struct reader *reader, char *rest) {
    reader->group->path = template_parse(rest, reader->lists);
}

static void read_verb(struct reader *reader, char *rest) {
    reader->group->verb = strdup(rest);
}

static void read_header(struct reader *reader, char *rest) {
    bytes_add(&reader->headers, rest, strlen(rest));
    bytes_add(&reader->headers, "\\r\\n", 4);
}

static void read_frame(struct reader *reader, char *rest) {
    reader->group->opcode = strcmp(rest, "binary") == 0 ? BINARY_FRAME : TEXT_FRAME;
}

static void read_documents(struct reader *reader, char *rest) {
    reader->group->documents = number(reader, &rest);
}

static void read_each(struct reader *reader, char *rest) {
    reader->group->each = number(reader, &rest);
}

static void add_step(struct reader *reader, enum step_kind kind, const char *text) {
    struct group *group = reader->group;
    group->steps = realloc(group->steps, (group->step_count + 1) * sizeof *group->steps);
    group->steps[group->step_count++] =
        (struct step){kind, template_parse(text, reader->lists)};
}

static void read_send(struct reader *reader, char *rest) {
    add_step(reader, SEND, rest);
}

static void read_expect(struct reader *reader, char *rest) {
    add_step(reader, EXPECT, rest);
}

static void read_for_each(struct reader *reader, char *rest) {
    add_step(reader, FOR_EACH, rest);
}

static void read_done(struct reader *reader, char *rest) {
    add_step(reader, DONE, rest);
}

static struct echo *add_echo(struct reader *reader, char *rest) {
    static const char arrow[] = " -> ";
    char *answer = strstr(rest, arrow);
    if (answer == NULL)
        fail("line %u: '%s' is missing", reader->line, arrow);
    *answer = '\0';
    struct echo *echo = calloc(1, sizeof *echo);
    echo->question = strdup(rest);
    echo->answer = template_parse(answer + strlen(arrow), reader->lists);
    echo->next = reader->group->echoes;
    return reader->group->echoes = echo;
}

static void read_reply(struct reader *reader, char *rest) {
    add_echo(reader, rest);
}

static void read_reply_exact(struct reader *reader, char *rest) {
    add_echo(reader, rest)->match = EQUALS;
}

static void read_confirm(struct reader *reader, char *rest) {
    add_echo(reader, rest)->match = HOLDS;
}

static void read_confirm_each(struct reader *reader, char *rest) {
    add_echo(reader, rest)->match = HOLDS_EACH;
}

static void read_fatal(struct reader *reader, char *rest) {
    reader->group->fatal = strdup(rest);
}

static void read_refused(struct reader *reader, char *rest) {
    reader->group->refused = strdup(rest);
}

static void read_publish(struct reader *reader, char *rest) {
    reader->group->publishes = true;
    reader->group->event = template_parse(rest, reader->lists);
}

static void read_ack(struct reader *reader, char *rest) {
    reader->group->ack = template_parse(rest, reader->lists);
}

static void read_ack_id(struct reader *reader, char *rest) {
    reader->group->ack_has_id = true;
    read_ack(reader, rest);
}

static void read_list(struct reader *reader, char *rest) {
    struct list *list = calloc(1, sizeof *list);
    list->name = strdup(word(reader, &rest));
    const char *index = word(reader, &rest);
    list->index = *index == 'd' ? BY_DOCUMENT : *index == 'n' ? BY_CONNECTION : BY_ITERATION;
    for (char *value; (value = strsep(&rest, " ")) != NULL;) {
        list->values = realloc(list->values, (list->count + 1) * sizeof *list->values);
        list->values[list->count++] = strdup(value);
    }
    if (list->count == 0)
        fail("line %u: the list is empty", reader->line);
    list->next = reader->lists;
    reader->lists = list;
}

static const struct {
    const char *name;
    directive *read;
} DIRECTIVES[] = {
    {"group", read_group},
    {"to", read_to},
    {"speak", read_speak},
    {"path", read_path},
    {"verb", read_verb},
    {"header", read_header},
    {"frame", read_frame},
    {"documents", read_documents},
    {"each", read_each},
    {"send", read_send},
    {"expect", read_expect},
    {"for-each", read_for_each},
    {"done", read_done},
    {"reply", read_reply},
    {"reply-exact", read_reply_exact},
    {"confirm", read_confirm},
    {"confirm-each", read_confirm_each},
    {"fatal", read_fatal},
    {"refused", read_refused},
    {"publish", read_publish},
    {"ack", read_ack},
    {"ack-id", read_ack_id},
    {"list", read_list},
};

static void read_line(struct reader *reader, char *line) {
    line[strcspn(line, "\n")] = '\0';
    line += strspn(line, " ");
    if (*line == '\0' || *line == '#')
        return;
    char *rest = strchrnul(line, ' ');
    size_t size = (size_t)(rest - line);
    rest += *rest == ' ';
    for (size_t i = 0; i < sizeof DIRECTIVES / sizeof *DIRECTIVES; i++) {
        if (strlen(DIRECTIVES[i].name) != size || memcmp(DIRECTIVES[i].name, line, size) != 0)
            continue;
        if (reader->group == NULL && DIRECTIVES[i].read != read_group)
            fail("line %u: a group must come first", reader->line);
        DIRECTIVES[i].read(reader, rest);
        return;
    }
    fail("line %u: '%.*s' is not known", reader->line, (int)size, line);
}

struct group *script_read(const char *path) {
    struct reader reader = {0};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail("%s: %m", path);
    char *line = NULL;
    for (size_t room = 0; getline(&line, &room, file) >= 0;) {
        reader.line++;
        read_line(&reader, line);
    }
    end_group(&reader);
    if (reader.first == NULL)
        fail("%s: there is no group", path);
    free(line);
    fclose(file);
    return reader.first;
}
