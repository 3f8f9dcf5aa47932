/* What the parts of the C extension share. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE anyway. */
#endif

enum { FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

/* A file of the extension may use what another defines, and nobody else. */
#define LOCAL __attribute__((visibility("hidden")))

typedef struct {
    PyObject_HEAD
    PyObject *transport;
    PyObject *corked; /* a list of frames; NULL for None */
    int duplicate;    /* a descriptor that nothing else closes; -1 without one */
    bool is_clear;    /* the transport has no bytes that a write past it would overtake */
    PyObject *reader; /* the `ReplyReader` that reads from the duplicate; NULL if none does */
    unsigned place;   /* in the reader */
} Outlet;

/* The first type of outlets that was seen. */
extern LOCAL PyTypeObject *usual_outlet_type;

LOCAL bool is_outlet_by_type(PyObject *each);

static inline bool is_outlet(PyObject *each) {
    return Py_TYPE(each) == usual_outlet_type || is_outlet_by_type(each);
}

static inline bool may_send(const Outlet *outlet) {
    return outlet->duplicate >= 0 && outlet->is_clear;
}

/* Ends the reading from the duplicate, which must still be open. Returns the number of replies that
   were read since it began. Safe to repeat. */
LOCAL long stop_reading(Outlet *outlet);

/* Add what the other files define to the module; -1 on an error. */
LOCAL int add_corking(PyObject *module);
LOCAL int add_reply_reading(PyObject *module);
