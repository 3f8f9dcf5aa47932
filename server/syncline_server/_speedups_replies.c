/* Skips the confirmations that clients send for each event, and reads sockets for them.

   What is not skipped here is read by `realtime/websocket/frame_reader.py`, as everything is without
   this extension. */

#include "_speedups.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

/* A masked payload. */
typedef struct {
    const unsigned char *at;
    size_t size, read;
    unsigned char mask[4];
} Payload;

/* The next byte; -1 at the end. */
static int next_byte(Payload *payload) {
    if (payload->read == payload->size)
        return -1;
    size_t i = payload->read++;
    return payload->at[i] ^ payload->mask[i & 3];
}

static bool skip_text(Payload *payload, const char *text) {
    size_t begin = payload->read;
    for (; *text != '\0'; text++)
        if (next_byte(payload) != (unsigned char)*text) {
            payload->read = begin;
            return false;
        }
    return true;
}

/* As `twilsock.is_reply`:
   TWILSOCK V3\.0 \d+\r\n\{(?:"id":"[^"\\]*",)?"method":"reply"[,}] */
static bool is_reply(Payload payload) {
    if (!skip_text(&payload, "TWILSOCK V3.0 "))
        return false;
    int digits = 0, byte;
    while ((byte = next_byte(&payload)) >= '0' && byte <= '9')
        digits++;
    if (digits == 0 || byte != '\r' || !skip_text(&payload, "\n{"))
        return false;
    if (skip_text(&payload, "\"id\":\"")) {
        while ((byte = next_byte(&payload)) != '"')
            if (byte < 0 || byte == '\\')
                return false;
        if (!skip_text(&payload, ","))
            return false;
    }
    if (!skip_text(&payload, "\"method\":\"reply\""))
        return false;
    byte = next_byte(&payload);
    return byte == ',' || byte == '}';
}

/* Bytes of a whole, masked binary frame with a short reply; 0 if the bytes begin otherwise. */
static size_t reply_size(const unsigned char *at, size_t size) {
    enum { BINARY = 0x82, MASKED = 0x80, IN_TWO_BYTES = 126, MASK = 4, SHORT = 1024 };
    if (size < 2 + MASK || at[0] != BINARY || !(at[1] & MASKED))
        return 0;
    size_t length = at[1] & 0x7f, head = 2;
    if (length >= IN_TWO_BYTES) {
        /* A length that is not in its shortest form is a parser's to judge. */
        length = (size_t)at[2] << 8 | at[3];
        head = 4;
        if ((at[1] & 0x7f) != IN_TWO_BYTES || length < IN_TWO_BYTES || length > SHORT)
            return 0;
    }
    if (size < head + MASK + length)
        return 0;
    Payload payload = {.at = at + head + MASK, .size = length};
    for (int i = 0; i < MASK; i++)
        payload.mask[i] = at[head + (size_t)i];
    return is_reply(payload) ? head + MASK + length : 0;
}

/* Bytes of the replies at the beginning; adds their number to `count`. */
static size_t replies_size(const unsigned char *at, size_t size, long *count) {
    size_t used = 0, one;
    while ((one = reply_size(at + used, size - used)) > 0) {
        used += one;
        ++*count;
    }
    return used;
}

static PyObject *skip_replies(PyObject *Py_UNUSED(module), PyObject *data) {
    char *at;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &at, &size) < 0)
        return NULL;
    long count = 0;
    size_t used = replies_size((unsigned char *)at, (size_t)size, &count);
    PyObject *rest = used == 0 ? Py_NewRef(data)
                               : PyBytes_FromStringAndSize(at + used, size - (Py_ssize_t)used);
    return rest == NULL ? NULL : Py_BuildValue("lN", count, rest);
}

#ifdef __linux__

enum {
    EVENTS = 512,      /* sockets that are read in one call, at most */
    INPUT = 1 << 16,   /* bytes that are read from one of them, at most */
    NOWHERE = -1,
};

/* A socket that is read from. */
typedef struct {
    PyObject *socket; /* receives what is no reply; NULL while the place is free */
    Outlet *outlet;   /* not counted: it ends the reading before it is freed */
    int descriptor;
    int next_free;    /* the next free place, for a free one */
    uint32_t use;     /* so that an event for an earlier socket at this place is noticed */
    long allowance, count;
} Reading;

typedef struct {
    PyObject_HEAD
    Reading *readings;
    int room, first_free, poll;
} ReplyReader;

static struct {
    PyObject *end_replies; /* a name */
    PyTypeObject *type;
} state;

/* Frees a place. Returns the reference to its socket; the outlet's one to the reader is left. */
static PyObject *free_place(ReplyReader *self, Reading *reading) {
    struct epoll_event none = {0};
    PyObject *socket = reading->socket;
    /* Closing the duplicate would not do it, because the transport has the socket open too. */
    epoll_ctl(self->poll, EPOLL_CTL_DEL, reading->descriptor, &none);
    reading->outlet->reader = NULL;
    reading->socket = NULL;
    reading->use++;
    reading->next_free = self->first_free;
    self->first_free = (int)(reading - self->readings);
    return socket;
}

long stop_reading(Outlet *outlet) {
    ReplyReader *reader = (ReplyReader *)outlet->reader;
    if (reader == NULL)
        return 0;
    Reading *reading = &reader->readings[outlet->place];
    long count = reading->count;
    Py_DECREF(free_place(reader, reading));
    Py_DECREF((PyObject *)reader);
    return count;
}

static bool make_room(ReplyReader *self) {
    int room = self->room == 0 ? 64 : self->room * 2;
    Reading *readings = PyMem_Realloc(self->readings, (size_t)room * sizeof *readings);
    if (readings == NULL)
        return false;
    for (int i = self->room; i < room; i++)
        readings[i] = (Reading){.next_free = i + 1 < room ? i + 1 : NOWHERE};
    self->first_free = self->room;
    self->readings = readings;
    self->room = room;
    return true;
}

static PyObject *reader_begin(ReplyReader *self, PyObject *arguments) {
    PyObject *given, *socket;
    long allowance;
    if (!PyArg_ParseTuple(arguments, "OOl:begin", &given, &socket, &allowance))
        return NULL;
    Outlet *outlet = (Outlet *)given;
    if (!is_outlet(given) || outlet->duplicate < 0 || outlet->reader != NULL || allowance <= 0)
        Py_RETURN_FALSE;
    if (self->first_free == NOWHERE && !make_room(self))
        return PyErr_NoMemory();
    int place = self->first_free;
    Reading *reading = &self->readings[place];
    /* Edges: else the kernel would look at each socket again after it was read. */
    struct epoll_event event = {EPOLLIN | EPOLLRDHUP | EPOLLET,
                                {.u64 = (uint64_t)reading->use << 32 | (uint32_t)place}};
    if (epoll_ctl(self->poll, EPOLL_CTL_ADD, outlet->duplicate, &event) < 0)
        Py_RETURN_FALSE;
    self->first_free = reading->next_free;
    reading->socket = Py_NewRef(socket);
    reading->outlet = outlet;
    reading->descriptor = outlet->duplicate;
    reading->allowance = allowance;
    reading->count = 0;
    outlet->reader = Py_NewRef((PyObject *)self);
    outlet->place = (unsigned)place;
    Py_RETURN_TRUE;
}

static PyObject *reader_end(ReplyReader *Py_UNUSED(self), PyObject *outlet) {
    return PyLong_FromLong(is_outlet(outlet) ? stop_reading((Outlet *)outlet) : 0);
}

/* Reads once from a socket. What is no reply, and the end, is its owner's to read. No edge would
   come for an end that is there already, nor for what `input` has no room for. */
static void read_one(ReplyReader *self, Reading *reading, bool has_ended) {
    static unsigned char input[INPUT];
    ssize_t size = recv(reading->descriptor, input, sizeof input, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN && !has_ended)
        return;
    size_t used = size > 0 ? replies_size(input, (size_t)size, &reading->count) : 0;
    bool is_all = size > 0 && size < INPUT && !has_ended;
    if (is_all && used == (size_t)size && reading->count < reading->allowance)
        return;
    long count = reading->count;
    PyObject *socket = free_place(self, reading), *result = NULL;
    PyObject *rest = PyBytes_FromStringAndSize((char *)input + used,
                                               size > 0 ? size - (ssize_t)used : 0);
    PyObject *number = PyLong_FromLong(count);
    if (rest != NULL && number != NULL)
        result = PyObject_CallMethodObjArgs(socket, state.end_replies, number, rest, NULL);
    if (result == NULL)
        PyErr_WriteUnraisable(socket); /* one must not keep the others from being read */
    Py_XDECREF(result);
    Py_XDECREF(number);
    Py_XDECREF(rest);
    Py_DECREF(socket);
    Py_DECREF((PyObject *)self); /* the outlet's reference */
}

static PyObject *reader_read(ReplyReader *self, PyObject *Py_UNUSED(none)) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(self->poll, events, EVENTS, 0);
    Py_INCREF((PyObject *)self);
    for (int i = 0; i < count; i++) {
        /* A call for one socket may end the reading of others, and begin that of more. */
        Reading *reading = &self->readings[(uint32_t)events[i].data.u64];
        if (reading->socket != NULL && reading->use == events[i].data.u64 >> 32)
            read_one(self, reading, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
    Py_DECREF((PyObject *)self);
    Py_RETURN_NONE;
}

static PyObject *reader_fileno(ReplyReader *self, PyObject *Py_UNUSED(none)) {
    return PyLong_FromLong(self->poll);
}

static PyObject *reader_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    if (!PyArg_ParseTuple(arguments, ":ReplyReader") || (named != NULL && PyDict_Size(named) > 0))
        return NULL;
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ReplyReader *self = (ReplyReader *)allocate(type, 0);
    if (self == NULL) {
        close(poll);
        return NULL;
    }
    self->poll = poll;
    self->first_free = NOWHERE;
    return (PyObject *)self;
}

static int reader_traverse(ReplyReader *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    for (int i = 0; i < self->room; i++)
        Py_VISIT(self->readings[i].socket);
    return 0;
}

/* Each outlet that is read from has a reference to the reader, so only the collector can come here
   while there are some. */
static int reader_clear(ReplyReader *self) {
    for (int i = 0; i < self->room; i++)
        if (self->readings[i].socket != NULL)
            stop_reading(self->readings[i].outlet);
    return 0;
}

static void reader_dealloc(ReplyReader *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    close(self->poll);
    PyMem_Free(self->readings);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"begin", (PyCFunction)reader_begin, METH_VARARGS,
     "Read for a socket, until something else than replies comes."},
    {"end", (PyCFunction)reader_end, METH_O, "End the reading; returns the number of replies."},
    {"read", (PyCFunction)reader_read, METH_NOARGS, "Read what has come."},
    {"fileno", (PyCFunction)reader_fileno, METH_NOARGS,
     "A descriptor that is readable while `read` finds something."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_new, (void *)reader_new},
    {Py_tp_dealloc, (void *)reader_dealloc},
    {Py_tp_traverse, (void *)reader_traverse},
    {Py_tp_clear, (void *)reader_clear},
    {Py_tp_methods, reader_methods},
    {Py_tp_doc, "Reads sockets by their duplicates, and skips replies."},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "syncline_server._speedups.ReplyReader",
    .basicsize = sizeof(ReplyReader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = reader_slots,
};

static int add_reader(PyObject *module) {
    state.end_replies = PyUnicode_InternFromString("end_replies");
    state.type = (PyTypeObject *)PyType_FromSpec(&reader_spec);
    if (state.end_replies == NULL || state.type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "ReplyReader", (PyObject *)state.type);
}

#else /* The event loop reads everything. */

long stop_reading(Outlet *Py_UNUSED(outlet)) { return 0; }

static int add_reader(PyObject *Py_UNUSED(module)) { return 0; }

#endif

static PyMethodDef functions[] = {
    {"skip_replies", skip_replies, METH_O, "Count the replies of Twilsock that bytes begin with."},
    {NULL, NULL, 0, NULL},
};

int add_reply_reading(PyObject *module) {
    return PyModule_AddFunctions(module, functions) < 0 ? -1 : add_reader(module);
}
