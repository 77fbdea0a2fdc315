/* A load generator: one thread, epoll, loopback. Strong enough not to be the bottleneck (echo.c behind it is its ceiling).
 *
 *   load --port P [--path /x] [--protocol skiprnn.f32] [--http] --payload FILE [--messages M] [--connections C]
 *        [--depth D] [--seconds S] [--warmup S] [--rate N] [--idle S] [--pids P,P,…]
 *
 * Websocket (default): FILE holds M messages of equal size (default 1), each sent as a masked binary frame, in turn; every
 * connection begins at another one. Every data frame that comes back answers the oldest one in flight. With --http FILE
 * holds C requests of equal size, one for each connection, each sent as it is; every response with a Content-Length
 * answers the oldest one.
 * Closed loop (default): D messages in flight on every connection. --rate N: N messages a second over all connections, in
 * turn, whether answered or not; latency counts from the moment a message was due (no coordinated omission).
 * --idle S: connect, say so, wait S seconds, send nothing.
 * In the closed loop it spins: a server must not pay for waking the client up. load_cpu is the share of the time in which
 * it had something to do.
 *
 * Prints one JSON object; server_cpu is the CPU seconds that the processes --pids took in that time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, OPEN, CLOSED };

typedef struct {
    uint8_t *data;
    size_t length, capacity;
} buffer;

typedef struct {
    int fd, state;
    buffer in, out;
    uint64_t *sent_at; /* ring of the times of messages in flight */
    uint32_t head, tail;
    int turn; /* which message is next */
} connection;

static struct {
    int port, connections, depth, http, messages;
    double seconds, warmup, rate, idle;
    const char *path, *protocol, *payload, *pids;
} opt = {.connections = 64, .depth = 1, .messages = 1, .seconds = 3, .warmup = 1, .path = "/"};

static connection *conns;
static int epoll_fd, open_count;
static uint32_t ring_size = 1;
static const uint8_t *messages;
static size_t message_length;
static uint64_t nothing_to_do, received, closed, rejected, overdue, largest_lag;

/* ---- latencies: a histogram with 128 buckets an octave (under 0.8 % wide) ---- */

enum { BUCKETS = 64 * 128 };
static uint64_t histogram[BUCKETS], latency_count, latency_max;
static int measuring;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int bucket_of(uint64_t v) {
    if (v < 128) return (int)v;
    int e = 63 - __builtin_clzll(v);
    return ((e - 6) << 7) + (int)((v >> (e - 7)) & 127);
}

static double value_of(int i) {
    if (i < 128) return i;
    int e = (i >> 7) + 6;
    uint64_t base = (1ull << e) | ((uint64_t)(i & 127) << (e - 7));
    return (double)base + (double)(1ull << (e - 7)) / 2;
}

static void record(uint64_t ns) {
    histogram[bucket_of(ns)]++;
    latency_count++;
    if (ns > latency_max) latency_max = ns;
}

static double percentile_us(double p) {
    uint64_t target = (uint64_t)(p * (double)latency_count), seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > target) return value_of(i) / 1e3;
    return (double)latency_max / 1e3;
}

/* ---- bytes out ---- */

static void append(buffer *b, const uint8_t *data, size_t n) {
    if (b->length + n > b->capacity) {
        b->capacity = (b->length + n) * 2;
        b->data = realloc(b->data, b->capacity);
        if (!b->data) exit(2);
    }
    memcpy(b->data + b->length, data, n);
    b->length += n;
}

static void drop_front(buffer *b, size_t n) {
    memmove(b->data, b->data + n, b->length - n);
    b->length -= n;
}

static void hang_up(connection *c) {
    if (c->state == CLOSED) return;
    if (c->state == OPEN) open_count--;
    close(c->fd);
    c->state = CLOSED;
    closed++;
}

static void watch(connection *c, int action, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, action, c->fd, &e);
}

static void flush(connection *c) {
    while (c->out.length) {
        ssize_t n = send(c->fd, c->out.data, c->out.length, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            else hang_up(c);
            return;
        }
        drop_front(&c->out, (size_t)n);
    }
}

static void send_message(connection *c, uint64_t due) {
    if (c->head - c->tail >= ring_size) {
        overdue++;
        return;
    }
    c->sent_at[c->head++ & (ring_size - 1)] = due;
    append(&c->out, messages + (size_t)c->turn * message_length, message_length);
    if (!opt.http && ++c->turn == opt.messages) c->turn = 0;
}

/* ---- bytes in: how many whole answers are at the front, and how long they are ---- */

static size_t websocket_frame(connection *c, const uint8_t *p, size_t n, int *answers) {
    if (n < 2) return 0;
    uint64_t length = p[1] & 127;
    size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (n < header) return 0;
    if (header > 2) {
        length = 0;
        for (size_t i = 2; i < header; i++) length = length << 8 | p[i];
    }
    if (n < header + length) return 0;
    int opcode = p[0] & 15;
    if (opcode <= 2) *answers += p[0] >> 7; /* the last fragment of a message */
    if (opcode == 8) hang_up(c);
    if (opcode == 9) { /* pong, masked with zeros */
        uint8_t pong[6] = {0x8a, (uint8_t)(0x80 | length), 0, 0, 0, 0};
        append(&c->out, pong, 6);
        append(&c->out, p + header, length);
    }
    return header + length;
}

static size_t http_response(const uint8_t *p, size_t n, int *answers) {
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t header = (size_t)(end - p) + 4, length = 0;
    for (const uint8_t *q = p; q < end; q++)
        if (*q == '\n' && !strncasecmp((const char *)q + 1, "content-length:", 15)) length = strtoul((const char *)q + 16, NULL, 10);
    if (n < header + length) return 0;
    if (memcmp(p + 9, "200", 3)) {
        if (!rejected++) fprintf(stderr, "%.*s\n", (int)(header + length), p);
    }
    (*answers)++;
    return header + length;
}

static size_t handshake(connection *c, const uint8_t *p, size_t n) {
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(p, "HTTP/1.1 101", 12)) {
        if (!rejected++) fprintf(stderr, "%.*s\n", (int)n, p);
        hang_up(c);
        return 0;
    }
    c->state = OPEN;
    open_count++;
    return (size_t)(end - p) + 4;
}

/* Frames that the server sends before it was asked (a greeting) answer nothing. */
static int take_answers(connection *c, uint64_t at) {
    size_t used = 0, step;
    int answers = 0;
    if (c->state == CONNECTING) used = handshake(c, c->in.data, c->in.length);
    while (c->state == OPEN && used < c->in.length) {
        const uint8_t *p = c->in.data + used;
        step = opt.http ? http_response(p, c->in.length - used, &answers) : websocket_frame(c, p, c->in.length - used, &answers);
        if (!step) break;
        used += step;
    }
    drop_front(&c->in, used);
    int counted = 0;
    for (; answers && c->tail != c->head; answers--, counted++) {
        uint64_t sent = c->sent_at[c->tail++ & (ring_size - 1)];
        if (measuring) record(at - sent);
    }
    received += (uint64_t)counted;
    return counted;
}

static void on_readable(connection *c) {
    static uint8_t chunk[1 << 18];
    ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    uint64_t at = now();
    append(&c->in, chunk, (size_t)n);
    int answered = take_answers(c, at);
    if (!opt.rate && !opt.idle && c->state == OPEN)
        while (answered--) send_message(c, now());
    if (c->state == OPEN) flush(c);
}

static void poll_once(int64_t wait_ns) {
    static struct epoll_event events[1024];
    struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
    uint64_t before = now();
    int n = epoll_pwait2(epoll_fd, events, 1024, &wait, NULL);
    if (n == 0 && measuring) nothing_to_do += now() - before;
    for (int i = 0; i < n; i++) {
        connection *c = events[i].data.ptr;
        if (c->state == CLOSED) continue;
        if (events[i].events & EPOLLOUT) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
            flush(c);
        }
        if (c->state != CLOSED && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
    }
}

/* ---- phases ---- */

static void upgrade(connection *c) {
    char request[1024];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                     opt.path, opt.port, opt.protocol ? "Sec-WebSocket-Protocol: " : "", opt.protocol ? opt.protocol : "",
                     opt.protocol ? "\r\n" : "");
    append(&c->out, (const uint8_t *)request, (size_t)n);
    flush(c);
}

static void connect_one(connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    c->sent_at = calloc(ring_size, sizeof *c->sent_at);
    if (opt.http) {
        c->state = OPEN;
        open_count++;
    } else {
        upgrade(c);
    }
}

static void connect_all(void) {
    for (int i = 0; i < opt.connections; i++) {
        connect_one(&conns[i]);
        while (i + 1 - open_count - (int)closed > 128) poll_once(1000000);
    }
    uint64_t until = now() + 30000000000u;
    while (open_count + (int)closed < opt.connections && now() < until) poll_once(1000000);
    until = now() + 200000000u; /* let greetings arrive: they answer nothing */
    while (now() < until) poll_once(1000000);
}

static void keep_pace(uint64_t start, uint64_t *scheduled) {
    uint64_t due;
    while ((due = start + (uint64_t)((double)*scheduled * 1e9 / opt.rate)) <= now()) {
        connection *c = &conns[(*scheduled)++ % (uint64_t)opt.connections];
        uint64_t lag = now() - due;
        if (measuring && lag > largest_lag) largest_lag = lag;
        if (c->state != OPEN) continue;
        send_message(c, due);
        flush(c);
    }
}

static double cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double server_seconds(void) {
    char *list = strdup(opt.pids ? opt.pids : ""), path[64], line[1024];
    double ticks = 0;
    for (char *pid = strtok(list, ","); pid; pid = strtok(NULL, ",")) {
        snprintf(path, sizeof path, "/proc/%s/stat", pid);
        FILE *f = fopen(path, "r");
        unsigned long user, system;
        if (f && fgets(line, sizeof line, f) &&
            sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            ticks += (double)(user + system);
        if (f) fclose(f);
    }
    free(list);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static void run(void) {
    uint64_t start = now(), begin = start + (uint64_t)(opt.warmup * 1e9), end = begin + (uint64_t)(opt.seconds * 1e9);
    uint64_t scheduled = 0, received_before = 0, t;
    double cpu_before = 0, server_before = 0;
    for (int i = 0; !opt.rate && i < opt.connections; i++)
        if (conns[i].state == OPEN) {
            for (int k = 0; k < opt.depth; k++) send_message(&conns[i], now());
            flush(&conns[i]);
        }
    while ((t = now()) < end) {
        if (!measuring && t >= begin) {
            measuring = 1, received_before = received, cpu_before = cpu_seconds(), server_before = server_seconds();
            begin = now(), end = begin + (uint64_t)(opt.seconds * 1e9);
        }
        if (opt.rate) keep_pace(start, &scheduled);
        poll_once(opt.rate ? 50000 : 0);
    }
    double elapsed = (double)(now() - begin) / 1e9;
    printf("{\"open\": %d, \"messages\": %lu, \"messages_per_s\": %.1f, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"max_us\": %.1f, \"server_cpu\": %.4f, \"load_cpu\": %.3f, \"closed\": %lu, \"rejected\": %lu, \"overdue\": %lu, "
           "\"largest_lag_us\": %.1f}\n",
           open_count, received - received_before, (double)(received - received_before) / elapsed, percentile_us(.5),
           percentile_us(.9), percentile_us(.99), percentile_us(.999), (double)latency_max / 1e3, (server_seconds() - server_before) / elapsed,
           opt.rate ? (cpu_seconds() - cpu_before) / elapsed : 1 - (double)nothing_to_do / 1e9 / elapsed, closed, rejected, overdue, (double)largest_lag / 1e3);
}

static void idle(void) {
    uint64_t end = now() + (uint64_t)(opt.idle * 1e9);
    printf("{\"open\": %d, \"closed\": %lu}\n", open_count, closed);
    fflush(stdout);
    while (now() < end) poll_once(100000000);
}

/* ---- start ---- */

static buffer read_file(const char *path) {
    buffer b = {0};
    uint8_t chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) append(&b, chunk, n);
    fclose(f);
    return b;
}

static void append_masked_frame(buffer *frames, uint8_t *payload, size_t n) {
    uint8_t header[14] = {0x82}, key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t size = n < 126 ? 0 : n < 65536 ? 2 : 8;
    header[1] = (uint8_t)(0x80 | (size == 0 ? n : size == 2 ? 126 : 127));
    for (size_t i = 0; i < size; i++) header[2 + i] = (uint8_t)(n >> (8 * (size - 1 - i)));
    memcpy(header + 2 + size, key, 4);
    append(frames, header, 6 + size);
    for (size_t i = 0; i < n; i++) payload[i] ^= key[i & 3];
    append(frames, payload, n);
}

static buffer masked_frames(buffer file, size_t count) {
    buffer frames = {0};
    size_t n = file.length / count;
    for (size_t i = 0; i < count; i++) append_masked_frame(&frames, file.data + i * n, n);
    return frames;
}

static void parse(int argc, char **argv) {
    static const struct option names[] = {
        {"port", 1, 0, 'p'},    {"path", 1, 0, 'P'},    {"protocol", 1, 0, 'S'}, {"http", 0, 0, 'h'},
        {"payload", 1, 0, 'f'}, {"connections", 1, 0, 'c'}, {"depth", 1, 0, 'd'}, {"seconds", 1, 0, 't'},
        {"warmup", 1, 0, 'w'},  {"rate", 1, 0, 'r'},    {"idle", 1, 0, 'i'},     {"messages", 1, 0, 'm'},
        {"pids", 1, 0, 'x'},    {0}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (o == 'p') opt.port = atoi(optarg);
        else if (o == 'P') opt.path = optarg;
        else if (o == 'S') opt.protocol = optarg;
        else if (o == 'h') opt.http = 1;
        else if (o == 'f') opt.payload = optarg;
        else if (o == 'c') opt.connections = atoi(optarg);
        else if (o == 'd') opt.depth = atoi(optarg);
        else if (o == 't') opt.seconds = atof(optarg);
        else if (o == 'w') opt.warmup = atof(optarg);
        else if (o == 'r') opt.rate = atof(optarg);
        else if (o == 'i') opt.idle = atof(optarg);
        else if (o == 'm') opt.messages = atoi(optarg);
        else if (o == 'x') opt.pids = optarg;
        else exit(2);
    }
}

static void allow_many_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    parse(argc, argv);
    allow_many_files();
    if (!opt.port || !opt.payload) {
        fprintf(stderr, "load: --port and --payload are needed\n");
        return 2;
    }
    while (ring_size < (opt.rate ? 4096u : (uint32_t)opt.depth + 1)) ring_size <<= 1;
    buffer file = read_file(opt.payload), frames = opt.http ? file : masked_frames(file, (size_t)opt.messages);
    messages = frames.data;
    message_length = frames.length / (size_t)(opt.http ? opt.connections : opt.messages);
    conns = calloc((size_t)opt.connections, sizeof *conns);
    for (int i = 0; i < opt.connections; i++) conns[i].turn = opt.http ? i : i % opt.messages;
    epoll_fd = epoll_create1(0);
    connect_all();
    if (opt.idle) idle();
    else run();
    return 0;
}
