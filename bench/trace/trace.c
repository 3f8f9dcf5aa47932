/* When a process reads and writes events of the load client, and how long it waits for the disk.

   A library for LD_PRELOAD. It looks for the load client's stamps in what passes through the calls
   for reading and writing, and for nothing else. TRACE_DIRECTORY gets a file for each process, NAME-PID, of
   records as below. Programs that make system calls without the C library, such as those in Go, leave no records. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { READ = 1, WRITE = 2, SYNC = 3 };
enum { STAMP_SIZE = 38, ROOM = 1 << 21, UNMASKED = 1 << 12 };

struct record {
    uint64_t began, ended; /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t sent;         /* the stamp's time; 0 for SYNC */
    uint32_t sequence;
    uint16_t kind, descriptor;
};

static struct record *records;
static uint64_t next_record;
static const unsigned char MASK[4] = {0x5a, 0xc3, 0x17, 0x9e}; /* of load/websocket.c */

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("TRACE_DIRECTORY");
    char path[4096];
    if (directory == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s-%d", directory, program_invocation_short_name, getpid());
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, ROOM * sizeof *records) < 0)
        return;
    void *mapped = mmap(NULL, ROOM * sizeof *records, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        records = mapped;
}

static void add(struct record record) {
    uint64_t place = __atomic_fetch_add(&next_record, 1, __ATOMIC_RELAXED);
    if (place < ROOM)
        records[place] = record;
}

static uint64_t digits(const char *from, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value * 10 + (uint64_t)(from[i] - '0');
    return value;
}

/* Whether there was a stamp in the text. */
static int add_stamps(const char *at, size_t size, struct record record) {
    const char *end = at + size;
    int found = 0;
    while (end - at >= STAMP_SIZE && (at = memmem(at, (size_t)(end - at), "@@", 2)) != NULL) {
        if (end - at >= STAMP_SIZE && at[7] == ':' && at[16] == ':' && at[STAMP_SIZE - 1] == '@') {
            record.sequence = (uint32_t)digits(at + 8, 8);
            record.sent = digits(at + 17, 20);
            add(record);
            at += STAMP_SIZE;
            found = 1;
        } else {
            at++;
        }
    }
    return found;
}

static void look(enum kind kind, int descriptor, const void *at, ssize_t size, uint64_t began) {
    if (records == NULL || size < STAMP_SIZE)
        return;
    struct record record = {began, now(), 0, 0, (uint16_t)kind, (uint16_t)descriptor};
    if (add_stamps(at, (size_t)size, record) || kind != READ)
        return;
    char text[UNMASKED];
    const char *masked = memmem(at, (size_t)size, MASK, sizeof MASK);
    if (masked == NULL)
        return;
    size_t length = (size_t)((const char *)at + size - masked) - sizeof MASK;
    if (length > sizeof text)
        length = sizeof text;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)((unsigned char)masked[sizeof MASK + i] ^ MASK[i & 3]);
    add_stamps(text, length, record);
}

static void look_at_parts(enum kind kind, int descriptor, const struct iovec *parts, int count,
                          ssize_t size, uint64_t began) {
    for (int i = 0; i < count && size > 0; size -= (ssize_t)parts[i++].iov_len)
        look(kind, descriptor, parts[i].iov_base,
             size < (ssize_t)parts[i].iov_len ? size : (ssize_t)parts[i].iov_len, began);
}

#define NEXT(name) \
    static typeof(&name) next; \
    if (next == NULL) \
        next = (typeof(&name))dlsym(RTLD_NEXT, #name)

#define TRACED(kind, call) \
    uint64_t began = records ? now() : 0; \
    ssize_t size = call; \
    int error = errno; \
    look(kind, descriptor, at, size, began); \
    errno = error; \
    return size

ssize_t read(int descriptor, void *at, size_t room) {
    NEXT(read);
    TRACED(READ, next(descriptor, at, room));
}

ssize_t recv(int descriptor, void *at, size_t room, int flags) {
    NEXT(recv);
    TRACED(READ, next(descriptor, at, room, flags));
}

ssize_t write(int descriptor, const void *at, size_t room) {
    NEXT(write);
    TRACED(WRITE, next(descriptor, at, room));
}

ssize_t send(int descriptor, const void *at, size_t room, int flags) {
    NEXT(send);
    TRACED(WRITE, next(descriptor, at, room, flags));
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    NEXT(writev);
    uint64_t began = records ? now() : 0;
    ssize_t size = next(descriptor, parts, count);
    int error = errno;
    look_at_parts(WRITE, descriptor, parts, count, size, began);
    errno = error;
    return size;
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    NEXT(sendmsg);
    uint64_t began = records ? now() : 0;
    ssize_t size = next(descriptor, message, flags);
    int error = errno;
    look_at_parts(WRITE, descriptor, message->msg_iov, (int)message->msg_iovlen, size, began);
    errno = error;
    return size;
}

static void add_sync(int descriptor, uint64_t began) {
    int error = errno;
    if (records != NULL)
        add((struct record){began, now(), 0, 0, SYNC, (uint16_t)descriptor});
    errno = error;
}

int fsync(int descriptor) {
    NEXT(fsync);
    uint64_t began = now();
    int status = next(descriptor);
    add_sync(descriptor, began);
    return status;
}

int fdatasync(int descriptor) {
    NEXT(fdatasync);
    uint64_t began = now();
    int status = next(descriptor);
    add_sync(descriptor, began);
    return status;
}
