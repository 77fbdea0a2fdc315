/* The physical ceiling: a websocket server in C, one thread, epoll, that sends every frame back unmasked.
 *
 *   echo PORT
 *
 * No limits, no close handshake, no checks: only fit to be measured against. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int fd, open;
    uint8_t *held; /* an incomplete frame */
    size_t length, capacity;
} connection;

static int epoll_fd;
static uint8_t incoming[1 << 20], outgoing[1 << 21];

/* ---- the handshake: SHA-1 and base64 of the key (RFC 6455, section 4.2.2) ---- */

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1_block(const uint8_t *p, uint32_t h[5]) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
        uint32_t t = rotate(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = t;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void accept_key(const char *key, char *text) {
    static const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t block[128] = {0}, digest[21] = {0};
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    size_t n = strlen(key), blocks = (n + 8) / 64 + 1;
    memcpy(block, key, n);
    block[n] = 0x80;
    for (int i = 0; i < 8; i++) block[blocks * 64 - 1 - (size_t)i] = (uint8_t)(n * 8 >> (8 * i));
    for (size_t i = 0; i < blocks; i++) sha1_block(block + 64 * i, h);
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0; i < 28; i++) {
        uint32_t three = (uint32_t)digest[i / 4 * 3] << 16 | (uint32_t)digest[i / 4 * 3 + 1] << 8 | (i / 4 * 3 + 2 < 20 ? digest[i / 4 * 3 + 2] : 0);
        text[i] = letters[three >> (18 - 6 * (i % 4)) & 63];
    }
    strcpy(text + 27, "=");
}

static size_t upgrade(connection *c, const uint8_t *p, size_t n, size_t *used) {
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return 0;
    char key[128] = {0}, accepted[32];
    for (const uint8_t *q = p; q < end; q++)
        if (!strncasecmp((const char *)q, "\r\nsec-websocket-key: ", 21)) sscanf((const char *)q + 21, "%60[^\r]", key);
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    accept_key(key, accepted);
    c->open = 1;
    *used = (size_t)(end - p) + 4;
    return (size_t)sprintf((char *)outgoing,
                           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n\r\n",
                           accepted);
}

/* ---- frames ---- */

/* Writes the frame at p, unmasked, to `to`; returns the bytes that it took from p, 0 when it is incomplete. */
static size_t echo_frame(const uint8_t *p, size_t n, uint8_t *to, size_t *written) {
    if (n < 6) return 0;
    uint64_t length = p[1] & 127;
    size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (n < header + 4) return 0;
    if (header > 2) length = 0;
    for (size_t i = 2; i < header; i++) length = length << 8 | p[i];
    if (n < header + 4 + length) return 0;
    memcpy(to, p, header);
    to[1] &= 127;
    const uint8_t *key = p + header, *from = key + 4;
    uint32_t key32;
    memcpy(&key32, key, 4);
    uint64_t key64 = (uint64_t)key32 << 32 | key32, i = 0, word;
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= key64;
        memcpy(to + header + i, &word, 8);
    }
    for (; i < length; i++) to[header + i] = from[i] ^ key[i & 3];
    *written += header + length;
    return header + 4 + length;
}

static void hold(connection *c, const uint8_t *rest, size_t n) {
    if (n > c->capacity) {
        uint8_t *bigger = malloc(c->capacity = n * 2);
        memcpy(bigger, rest, n);
        free(c->held);
        c->held = bigger;
    } else {
        memmove(c->held, rest, n);
    }
    c->length = n;
}

static void on_readable(connection *c) {
    ssize_t got = recv(c->fd, incoming, sizeof incoming, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        close(c->fd);
        free(c->held);
        free(c);
        return;
    }
    uint8_t *p = incoming;
    size_t n = (size_t)got, used = 0, written = 0, step;
    if (c->length) {
        p = malloc(c->length + n);
        memcpy(p, c->held, c->length);
        memcpy(p + c->length, incoming, n);
        n += c->length;
    }
    if (!c->open) written = upgrade(c, p, n, &used);
    while (c->open && (step = echo_frame(p + used, n - used, outgoing + written, &written))) used += step;
    if (written) send(c->fd, outgoing, written, MSG_NOSIGNAL);
    hold(c, p + used, n - used);
    if (p != incoming) free(p);
}

static void on_connect(int listener) {
    for (int fd, one = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        connection *c = calloc(1, sizeof *c);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
        perror("echo");
        return 1;
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[1024];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 1024, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) on_readable(events[i].data.ptr);
            else on_connect(listener);
        }
    }
}
