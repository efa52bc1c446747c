/*
 * The kernel's ceiling: one thread, one epoll set, one read and one write per batch of requests.
 *
 * `raw PORT` answers every head (up to its blank line) with the reply below and closes after it
 * when the request says so. Nothing is parsed beyond that and nothing can be configured: what a
 * request costs here is what loopback TCP costs, and no server can cost less per system call.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, MAX_EVENTS = 256, MAX_BATCH = 64, READ_SIZE = 16384 };

/* The same header fields a WSGI server has to send, and as many bytes. */
#define REPLY(connection)                           \
    "HTTP/1.1 200 OK\r\n"                           \
    "Content-Type: text/plain\r\n"                  \
    "Content-Length: 13\r\n" connection             \
    "Server: raw\r\n"                               \
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"       \
    "\r\n"                                          \
    "Hello, world!"
static const char KEEP[] = REPLY("");
static const char LAST[] = REPLY("Connection: close\r\n");

/* How many bytes of CR LF CR LF each connection's last read ended with. */
static unsigned char matched[MAX_FD];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on(int port) {
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 2048))
        die("listen");
    return fd;
}

static void accept_all(int poll, int listener) {
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        matched[fd] = 0;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* The number of heads that end in `bytes`; a head may have begun in an earlier read. */
static int heads_in(int fd, const char *bytes, ssize_t size) {
    static const char END[] = "\r\n\r\n";
    unsigned char state = matched[fd];
    int heads = 0;
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] == END[state])
            state++;
        else
            state = bytes[i] == '\r';
        if (state == 4) {
            heads++;
            state = 0;
        }
    }
    matched[fd] = state;
    return heads;
}

/* Sends `heads` replies; they are small and few, so a full socket buffer means a dead client. */
static int reply(int fd, int heads) {
    static char batch[sizeof KEEP * MAX_BATCH];
    const size_t size = sizeof KEEP - 1;
    while (heads > 0) {
        int now = heads < MAX_BATCH ? heads : MAX_BATCH;
        for (int i = 0; i < now; i++)
            memcpy(batch + (size_t)i * size, KEEP, size);
        if (write(fd, batch, (size_t)now * size) != (ssize_t)((size_t)now * size))
            return -1;
        heads -= now;
    }
    return 0;
}

static void serve(int fd) {
    static char bytes[READ_SIZE];
    ssize_t size = read(fd, bytes, sizeof bytes);
    if (size <= 0) {
        close(fd);
        return;
    }
    int heads = heads_in(fd, bytes, size);
    int last = heads == 1 && memmem(bytes, (size_t)size, "Connection: close", 17) != NULL;
    int failed = last ? write(fd, LAST, sizeof LAST - 1) < 0 : reply(fd, heads);
    if (failed || last)
        close(fd);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: raw PORT\n");
        return 2;
    }
    int listener = listen_on(atoi(argv[1]));
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[MAX_EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, MAX_EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(poll, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
