/*
 * Requests at fixed times, whatever the server does: an open loop that is quick enough for any rate.
 *
 * `pace PORT PATH RATE SECONDS CONNECTIONS WATCHED` sends RATE requests a second. A request that is
 * due while every connection waits for an answer is sent as soon as one is free; its latency counts
 * from when it was due all the same, so a server that falls behind cannot hide it. At the end every
 * request is a line: R, when it was due, how much later this client noticed that (whether or not a
 * connection was free), and its latency (-1: none came), in nanoseconds. With WATCHED not -1 a second thread sleeps
 * in short steps on that core and writes a W line whenever it woke late: what the machine did to
 * whoever wanted to run there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, BUFFER = 65536, MAX_EVENTS = 256, MAX_NOTES = 1 << 20 };

typedef long long nanos;
static const nanos SECOND = 1000000000, SPIN = 2000, GRACE = 3 * 1000000000LL;
static const nanos STEP = 200000, NOTEWORTHY = 100000;

struct connection {
    int fd;
    long request; /* -1: free */
    size_t have;
    char bytes[BUFFER];
};
struct outcome {
    nanos late, latency;
};
struct note {
    nanos at, late;
};

static struct connection connections[MAX_CONNECTIONS];
static int idle[MAX_CONNECTIONS], idle_count;
static struct note notes[MAX_NOTES];
static volatile long note_count;
static volatile int watching = 1;
static nanos start;

static nanos now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *watch(void *argument) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(*(int *)argument, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0)
        die("pace: the watched core");
    prctl(PR_SET_TIMERSLACK, 1);
    while (watching) {
        nanos due = now() + STEP;
        struct timespec until = {.tv_sec = due / SECOND, .tv_nsec = due % SECOND};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        nanos late = now() - due;
        if (late > NOTEWORTHY && note_count < MAX_NOTES) {
            notes[note_count] = (struct note){due, late};
            note_count++;
        }
    }
    return NULL;
}

static void open_connection(int poll, int index, int port) {
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("pace: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)index};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    struct connection *connection = &connections[index];
    connection->fd = fd;
    connection->request = -1;
    connection->have = 0;
    idle[idle_count++] = index;
}

/* Whether the bytes are a whole reply that names its length; -1: they cannot become one. */
static int complete(struct connection *connection) {
    static const char FIELD[] = "\r\ncontent-length:";
    char *bytes = connection->bytes;
    char *end = memmem(bytes, connection->have, "\r\n\r\n", 4);
    if (end == NULL)
        return connection->have == BUFFER ? -1 : 0;
    for (char *at = bytes; at < end; at++) {
        if (*at == '\r' && strncasecmp(at, FIELD, sizeof FIELD - 1) == 0) {
            size_t size = (size_t)(end + 4 - bytes) + strtoul(at + sizeof FIELD - 1, NULL, 10);
            return size > BUFFER ? -1 : connection->have >= size;
        }
    }
    return -1;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: pace PORT PATH RATE SECONDS CONNECTIONS WATCHED\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[5]), watched = atoi(argv[6]);
    double rate = atof(argv[3]);
    long total = (long)(rate * atof(argv[4]));
    if (count < 1 || count > MAX_CONNECTIONS || rate <= 0 || total < 1)
        return fprintf(stderr, "pace: nothing to send\n"), 2;
    struct outcome *outcomes = calloc((size_t)total, sizeof *outcomes);
    char request[4096];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[2]);
    if (outcomes == NULL || length >= (int)sizeof request)
        die("pace: room");
    prctl(PR_SET_TIMERSLACK, 1);
    int poll = epoll_create1(0);
    for (int i = 0; i < count; i++)
        open_connection(poll, i, port);
    pthread_t watcher;
    if (watched >= 0 && pthread_create(&watcher, NULL, watch, &watched) != 0)
        die("pace: thread");
    start = now() + SECOND / 20;
    nanos last = start + (nanos)((double)total / rate * 1e9) + GRACE;
    for (long i = 0; i < total; i++)
        outcomes[i].latency = -1;

    long noticed = 0, next = 0, done = 0;
    while (done < total) {
        nanos at = now();
        if (at > last)
            break;
        for (nanos due; noticed < total; noticed++) {
            due = start + (nanos)((double)noticed / rate * 1e9);
            if (due > at && due > (at = now()))
                break;
            outcomes[noticed].late = at - due;
        }
        while (next < noticed && idle_count > 0) {
            struct connection *connection = &connections[idle[--idle_count]];
            connection->request = next;
            connection->have = 0;
            /* A failure shows as the end of the connection. */
            (void)!send(connection->fd, request, (size_t)length, MSG_NOSIGNAL);
            next++;
        }
        nanos wake = last;
        if (noticed < total)
            wake = start + (nanos)((double)noticed / rate * 1e9);
        nanos rest = wake - now();
        if (rest < SPIN)
            rest = 0;
        struct epoll_event events[MAX_EVENTS];
        struct timespec timeout = {.tv_sec = rest / SECOND, .tv_nsec = rest % SECOND};
        int ready = epoll_pwait2(poll, events, MAX_EVENTS, &timeout, NULL);
        for (int i = 0; i < ready; i++) {
            int index = (int)events[i].data.u32;
            struct connection *connection = &connections[index];
            ssize_t got = recv(connection->fd, connection->bytes + connection->have,
                               BUFFER - connection->have, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN)
                continue;
            int whole = got > 0 ? (connection->have += (size_t)got, complete(connection)) : -1;
            if (whole == 0)
                continue;
            nanos then = now();
            long number = connection->request;
            if (number >= 0) {
                if (whole > 0 && memcmp(connection->bytes + 9, "200", 3) == 0)
                    outcomes[number].latency = then - (start + (nanos)((double)number / rate * 1e9));
                done++;
            }
            if (whole > 0) {
                connection->request = -1;
                idle[idle_count++] = index;
                continue;
            }
            close(connection->fd);
            for (int k = 0; k < idle_count; k++) /* one that was idle may end, too */
                if (idle[k] == index)
                    idle[k] = idle[--idle_count];
            open_connection(poll, index, port);
        }
    }
    watching = 0;
    if (watched >= 0)
        pthread_join(watcher, NULL);
    for (long i = 0; i < total; i++)
        printf("R %lld %lld %lld\n", (nanos)((double)i / rate * 1e9), outcomes[i].late,
               outcomes[i].latency);
    for (long i = 0; i < note_count; i++)
        printf("W %lld %lld 0\n", notes[i].at - start, notes[i].late);
    return 0;
}
