/* Joins the frames for one client in one turn of the event loop; as in `pubsub/plain_outlets.py`. */

#include "_speedups.h"

#include <errno.h>
#include <sys/uio.h>

enum { FRAMES_LIMIT = 32 }; /* as in `cork` */

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
    for (Py_ssize_t at = 0; PyDict_Next(outlets, &at, &key, &each);) {
        Py_INCREF(each); /* an allocation may start the collector, and so a finalizer */
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

static PyMethodDef functions[] = {
    {"cork_all", cork_all, METH_VARARGS, "As in `plain_outlets`."},
    {"flush_all", flush_all, METH_O, "As in `plain_outlets`."},
    {NULL, NULL, 0, NULL},
};

int add_corking(PyObject *module) { return PyModule_AddFunctions(module, functions); }
