/* Sends frames to many sockets, without the event loop's transport and without a Python call each.
   `_speedups_replies.c` reads what clients reply.

   Optional: `pubsub/plain_outlets.py` does the same in Python, and says what the functions promise.
   `pubsub/outlets.py` chooses. Both run the same tests.

   The GIL is never released. A send does not block; and on the way back, the event loop would wait
   for other threads, up to the interpreter's switch interval for each event. */

#include "_speedups.h"

#include <structmember.h>

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE anyway. */
#endif

enum {
    FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL,
    FRAMES_LIMIT = 32, /* as in `cork` */
};

static struct {
    PyTypeObject *outlet_type, *last_type; /* the last sub-type that was seen */
    PyObject *write, *get_write_buffer_size; /* names */
} state;

bool is_outlet(PyObject *each) {
    PyTypeObject *type = Py_TYPE(each), *before = state.last_type;
    if (type == before)
        return true;
    if (!PyType_IsSubtype(type, state.outlet_type))
        return false;
    /* A reference of its own, so that no other type can get its address. */
    state.last_type = (PyTypeObject *)Py_NewRef((PyObject *)type);
    Py_XDECREF((PyObject *)before);
    return true;
}

static bool may_send(const Outlet *outlet) {
    return outlet->duplicate >= 0 && outlet->is_clear;
}

/* Bytes that the kernel took; 0 if it took none, for whatever reason: a write by the transport finds
   the reason again, and handles it. */
static size_t send_some(int descriptor, const char *data, size_t size) {
    ssize_t sent;
    do
        sent = send(descriptor, data, size, FLAGS);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? 0 : (size_t)sent;
}

static void release_duplicate(Outlet *self) {
    int descriptor = self->duplicate;
    self->duplicate = -1;
    self->is_clear = false;
    stop_reading(self);
    if (descriptor >= 0)
        close(descriptor);
}

/* Outlet.__init__(transport, duplicate) */
static int outlet_init(Outlet *self, PyObject *arguments, PyObject *named) {
    static char *names[] = {"transport", "duplicate", NULL};
    PyObject *transport;
    int duplicate = -1;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "O|i", names, &transport, &duplicate))
        return -1;
    PyObject *before = self->transport;
    self->transport = Py_NewRef(transport);
    Py_XDECREF(before);
    release_duplicate(self);
    self->duplicate = duplicate;
    return 0;
}

static PyObject *outlet_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Outlet *self = (Outlet *)allocate(type, 0);
    if (self != NULL)
        self->duplicate = -1;
    return (PyObject *)self;
}

static int outlet_traverse(Outlet *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->transport);
    Py_VISIT(self->corked);
    Py_VISIT(self->reader);
    return 0;
}

static int outlet_clear(Outlet *self) {
    Py_CLEAR(self->transport);
    Py_CLEAR(self->corked);
    return 0;
}

static void outlet_dealloc(Outlet *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    release_duplicate(self);
    outlet_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *write_by_transport(Outlet *self, PyObject *data) {
    self->is_clear = false;
    if (self->transport == NULL)
        Py_RETURN_NONE;
    PyObject *none = PyObject_CallMethodObjArgs(self->transport, state.write, data, NULL);
    if (none == NULL)
        return NULL;
    Py_DECREF(none);
    /* The transport may have called back, and the duplicate be released. */
    if (self->duplicate < 0)
        Py_RETURN_NONE;
    PyObject *waiting =
        PyObject_CallMethodObjArgs(self->transport, state.get_write_buffer_size, NULL);
    if (waiting == NULL)
        return NULL;
    long size = PyLong_AsLong(waiting);
    Py_DECREF(waiting);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    self->is_clear = size == 0;
    Py_RETURN_NONE;
}

static PyObject *outlet_write(Outlet *self, PyObject *data) {
    char *at;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &at, &size) < 0)
        return NULL;
    if (!may_send(self))
        return write_by_transport(self, data);
    size_t sent = send_some(self->duplicate, at, (size_t)size);
    if (sent == (size_t)size)
        Py_RETURN_NONE;
    PyObject *rest = PyBytes_FromStringAndSize(at + sent, size - (Py_ssize_t)sent);
    if (rest == NULL)
        return NULL;
    PyObject *none = write_by_transport(self, rest);
    Py_DECREF(rest);
    return none;
}

static PyObject *outlet_release(Outlet *self, PyObject *Py_UNUSED(none)) {
    release_duplicate(self);
    Py_RETURN_NONE;
}

static PyObject *outlet_has_duplicate(Outlet *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(self->duplicate >= 0);
}

static PyObject *outlet_is_clear(Outlet *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(may_send(self));
}

/* Appends (outlet, data) to `left`. */
static int leave(PyObject *left, PyObject *outlet, PyObject *data) {
    PyObject *pair = PyTuple_Pack(2, outlet, data);
    if (pair == NULL)
        return -1;
    int result = PyList_Append(left, pair);
    Py_DECREF(pair);
    return result;
}

/* Sends to one; what is not sent goes to `left`. */
static int send_or_leave(PyObject *each, PyObject *frame, PyObject *left) {
    char *at;
    Py_ssize_t size;
    if (!is_outlet(each) || !may_send((Outlet *)each))
        return leave(left, each, frame);
    if (PyBytes_AsStringAndSize(frame, &at, &size) < 0)
        return -1;
    Outlet *outlet = (Outlet *)each;
    size_t sent = send_some(outlet->duplicate, at, (size_t)size);
    if (sent == (size_t)size)
        return 0;
    outlet->is_clear = false;
    PyObject *rest = PyBytes_FromStringAndSize(at + sent, size - (Py_ssize_t)sent);
    if (rest == NULL)
        return -1;
    int result = leave(left, each, rest);
    Py_DECREF(rest);
    return result;
}

/* The kernel's work for a send leaves nothing of the next outlets in the processor's caches. So they
   are fetched while the sends before them go on. */

static void prefetch_next(PyObject *outlets, Py_ssize_t *ahead) {
    PyObject *key, *each;
    if (PyDict_Next(outlets, ahead, &key, &each))
        __builtin_prefetch(each, 1);
}

static Py_ssize_t begin_prefetching(PyObject *outlets) {
    enum { AHEAD = 4 };
    Py_ssize_t ahead = 0;
    for (int i = 0; i < AHEAD; i++)
        prefetch_next(outlets, &ahead);
    return ahead;
}

static PyObject *send_to_all(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *outlets, *frame, *key, *each;
    if (!PyArg_ParseTuple(arguments, "O!O!:send_to_all", &PyDict_Type, &outlets, &PyBytes_Type,
                          &frame))
        return NULL;
    PyObject *left = PyList_New(0);
    if (left == NULL)
        return NULL;
    Py_ssize_t ahead = begin_prefetching(outlets);
    /* No Python code of ours runs in here, so `outlets` cannot change. */
    for (Py_ssize_t at = 0; PyDict_Next(outlets, &at, &key, &each);) {
        prefetch_next(outlets, &ahead);
        Py_INCREF(each); /* an allocation may start the collector, and so a finalizer */
        int result = send_or_leave(each, frame, left);
        Py_DECREF(each);
        if (result < 0) {
            Py_DECREF(left);
            return NULL;
        }
    }
    return left;
}

/* 1: the frame was added; 0: it must be added one by one; -1: an error. */
static int cork(Outlet *outlet, PyObject *frame, PyObject *waiting) {
    if (outlet->corked == NULL || outlet->corked == Py_None) {
        PyObject *frames = PyList_New(1), *before = outlet->corked;
        if (frames == NULL)
            return -1;
        PyList_SetItem(frames, 0, Py_NewRef(frame));
        outlet->corked = frames;
        Py_XDECREF(before);
        return PyList_Append(waiting, (PyObject *)outlet) < 0 ? -1 : 1;
    }
    if (PyList_Size(outlet->corked) >= FRAMES_LIMIT - 1)
        return PyErr_Occurred() ? -1 : 0;
    return PyList_Append(outlet->corked, frame) < 0 ? -1 : 1;
}

static PyObject *cork_all(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *outlets, *frame, *waiting, *key, *each;
    if (!PyArg_ParseTuple(arguments, "O!O!O!:cork_all", &PyDict_Type, &outlets, &PyBytes_Type,
                          &frame, &PyList_Type, &waiting))
        return NULL;
    PyObject *left = PyList_New(0);
    if (left == NULL)
        return NULL;
    Py_ssize_t ahead = begin_prefetching(outlets);
    for (Py_ssize_t at = 0; PyDict_Next(outlets, &at, &key, &each);) {
        prefetch_next(outlets, &ahead);
        Py_INCREF(each);
        int added = is_outlet(each) ? cork((Outlet *)each, frame, waiting) : 0;
        if (added == 0 && PyList_Append(left, each) < 0)
            added = -1;
        Py_DECREF(each);
        if (added < 0) {
            Py_DECREF(left);
            return NULL;
        }
    }
    return left;
}

/* Sends the corked frames in one call. 1 if all were sent; 0 if what is left stays corked. */
static int flush_one(Outlet *outlet) {
    struct iovec parts[FRAMES_LIMIT];
    struct msghdr message = {.msg_iov = parts};
    Py_ssize_t count = PyList_Size(outlet->corked), size = 0, total = 0;
    if (count < 0 || count > FRAMES_LIMIT)
        return count < 0 ? -1 : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        char *at;
        if (PyBytes_AsStringAndSize(PyList_GetItem(outlet->corked, i), &at, &size) < 0)
            return -1;
        parts[i] = (struct iovec){at, (size_t)size};
        total += size;
    }
    message.msg_iovlen = (size_t)count;
    ssize_t sent;
    do
        sent = count == 1 ? send(outlet->duplicate, parts[0].iov_base, parts[0].iov_len, FLAGS)
                          : sendmsg(outlet->duplicate, &message, FLAGS);
    while (sent < 0 && errno == EINTR);
    if (sent == total) {
        Py_CLEAR(outlet->corked);
        return 1;
    }
    outlet->is_clear = false;
    /* Cut off what was sent. */
    Py_ssize_t whole = 0, cut = sent < 0 ? 0 : sent;
    while (cut > 0 && (size_t)cut >= parts[whole].iov_len)
        cut -= (Py_ssize_t)parts[whole++].iov_len;
    if (cut > 0) {
        PyObject *rest = PyBytes_FromStringAndSize((char *)parts[whole].iov_base + cut,
                                                   (Py_ssize_t)parts[whole].iov_len - cut);
        if (rest == NULL || PyList_SetItem(outlet->corked, whole, rest) < 0)
            return -1;
    }
    return PyList_SetSlice(outlet->corked, 0, whole, NULL) < 0 ? -1 : 0;
}

static PyObject *flush_all(PyObject *Py_UNUSED(module), PyObject *outlets) {
    PyObject *left = PyList_New(0);
    Py_ssize_t count = PyList_Size(outlets);
    if (left == NULL || count < 0) {
        Py_XDECREF(left);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *each = PyList_GetItem(outlets, i);
        int sent = 0;
        if (is_outlet(each)) {
            Outlet *outlet = (Outlet *)each;
            if (outlet->corked == NULL || outlet->corked == Py_None)
                continue; /* it was flushed before its time */
            sent = may_send(outlet) ? flush_one(outlet) : 0;
        }
        if (sent < 0 || (sent == 0 && PyList_Append(left, each) < 0)) {
            Py_DECREF(left);
            return NULL;
        }
    }
    return left;
}

static PyMethodDef outlet_methods[] = {
    {"write", (PyCFunction)outlet_write, METH_O, "Write bytes behind all earlier ones."},
    {"release_duplicate", (PyCFunction)outlet_release, METH_NOARGS,
     "Close the duplicate: write by the transport alone from here on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef outlet_members[] = {
    {"transport", T_OBJECT, offsetof(Outlet, transport), READONLY, NULL},
    {"corked", T_OBJECT, offsetof(Outlet, corked), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef outlet_properties[] = {
    {"has_duplicate", (getter)outlet_has_duplicate, NULL, NULL, NULL},
    {"is_clear", (getter)outlet_is_clear, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot outlet_slots[] = {
    {Py_tp_new, (void *)outlet_new},
    {Py_tp_init, (void *)outlet_init},
    {Py_tp_dealloc, (void *)outlet_dealloc},
    {Py_tp_traverse, (void *)outlet_traverse},
    {Py_tp_clear, (void *)outlet_clear},
    {Py_tp_methods, outlet_methods},
    {Py_tp_members, outlet_members},
    {Py_tp_getset, outlet_properties},
    {Py_tp_doc, "The sending end of one client's connection; as in `plain_outlets`."},
    {0, NULL},
};

static PyType_Spec outlet_spec = {
    .name = "syncline_server._speedups.Outlet",
    .basicsize = sizeof(Outlet),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = outlet_slots,
};

static PyMethodDef functions[] = {
    {"send_to_all", send_to_all, METH_VARARGS, "As in `plain_outlets`."},
    {"cork_all", cork_all, METH_VARARGS, "As in `plain_outlets`."},
    {"flush_all", flush_all, METH_O, "As in `plain_outlets`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "syncline_server._speedups",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__speedups(void) {
    PyObject *module = PyModule_Create(&module_definition);
    if (module == NULL)
        return NULL;
    state.outlet_type = (PyTypeObject *)PyType_FromSpec(&outlet_spec);
    state.write = PyUnicode_InternFromString("write");
    state.get_write_buffer_size = PyUnicode_InternFromString("get_write_buffer_size");
    if (state.outlet_type == NULL || state.write == NULL || state.get_write_buffer_size == NULL ||
        add_reply_reading(module) < 0 ||
        PyModule_AddObjectRef(module, "Outlet", (PyObject *)state.outlet_type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
