/* Sends frames to many sockets, without the event loop's transport and without a Python call each.
   `_speedups_cork.c` joins frames, and `_speedups_replies.c` reads what clients reply.

   Optional: `pubsub/plain_outlets.py` does the same in Python, and says what the functions promise.
   `pubsub/outlets.py` chooses. Both run the same tests.

   The GIL is never released. A send does not block; and on the way back, the event loop would wait
   for other threads, up to the interpreter's switch interval for each event. */

#include "_speedups.h"

#include <structmember.h>

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    PyTypeObject *outlet_type;
    PyObject *write, *get_write_buffer_size; /* names */
} state;

PyTypeObject *usual_outlet_type;

bool is_outlet_by_type(PyObject *each) {
    PyTypeObject *type = Py_TYPE(each);
    if (!PyType_IsSubtype(type, state.outlet_type))
        return false;
    /* With a reference, so that no other type can get its address. */
    if (usual_outlet_type == NULL)
        usual_outlet_type = (PyTypeObject *)Py_NewRef((PyObject *)type);
    return true;
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

/* An outlet, and how much of the frame the kernel took. */
typedef struct {
    PyObject *outlet;
    size_t sent;
} Delivery;

/* Sends to one, and returns how much was taken. */
static size_t send_past(PyObject *each, const char *data, size_t size) {
    Outlet *outlet = (Outlet *)each;
    if (!is_outlet(each) || !may_send(outlet))
        return 0;
    size_t sent = send_some(outlet->duplicate, data, size);
    if (sent != size)
        outlet->is_clear = false;
    return sent;
}

/* Sends to all. Those that are left move to the front, with references; returns their number. It
   allocates nothing, because that may start the collector, and so a finalizer, which may change the
   outlets. */
static Py_ssize_t send_each(Delivery *all, Py_ssize_t count, const char *data, size_t size) {
    /* The kernel's work for a send leaves nothing of the next outlets in the processor's caches. So
       they are fetched while the sends before them go on. */
    enum { AHEAD = 4 };
    Py_ssize_t left = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(all[i + AHEAD].outlet);
        PyObject *each = all[i].outlet;
        size_t sent = send_past(each, data, size);
        if (sent != size)
            all[left++] = (Delivery){Py_NewRef(each), sent};
    }
    return left;
}

/* The outlets and what they must write, as a list of pairs; takes the references. */
static PyObject *make_pairs(const Delivery *left, Py_ssize_t count, const char *data,
                            Py_ssize_t size) {
    PyObject *pairs = PyList_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t sent = (Py_ssize_t)left[i].sent;
        PyObject *pair = pairs == NULL ? NULL
                                       : Py_BuildValue("Oy#", left[i].outlet, data + sent,
                                                       size - sent);
        if (pair == NULL)
            Py_CLEAR(pairs);
        else
            PyList_SetItem(pairs, i, pair);
        Py_DECREF(left[i].outlet);
    }
    return pairs;
}

static PyObject *send_to_all(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *outlets, *frame, *key, *each;
    char *data;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "O!O!:send_to_all", &PyDict_Type, &outlets, &PyBytes_Type,
                          &frame) ||
        PyBytes_AsStringAndSize(frame, &data, &size) < 0)
        return NULL;
    Py_ssize_t count = PyDict_Size(outlets), next = 0;
    Delivery *all = PyMem_Malloc((size_t)(count + 1) * sizeof *all);
    if (all == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t at = 0; next < count && PyDict_Next(outlets, &at, &key, &each); next++)
        all[next].outlet = each;
    Py_ssize_t left = send_each(all, count, data, (size_t)size);
    PyObject *pairs = make_pairs(all, left, data, size);
    PyMem_Free(all);
    return pairs;
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
        add_corking(module) < 0 || add_reply_reading(module) < 0 ||
        PyModule_AddObjectRef(module, "Outlet", (PyObject *)state.outlet_type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
