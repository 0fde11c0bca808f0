/* What the two halves of wolf_peer share; peer.c says what it is. */
#ifndef WOLF_PEER_H
#define WOLF_PEER_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stddef.h>

enum {
    MAX_LINE = 4096, MAX_KEY = 64, MAX_GROUPS = 8, MAX_SPKI = 512, MAX_SESSION = 4096,
    EXPORTED = 32
};

/* The command line; a length of -1 says that there is no such thing. v12 and v13 are versions. */
struct options {
    int server, v12, v13, memory, port, mtu, mutual, cookie, seconds, psk_length, cid_length;
    const char *auth, *suite, *groups, *identity, *ca, *cert, *key, *peer_key, *name;
    unsigned char psk[MAX_KEY], cid[DTLS_CID_MAX_SIZE];
};

extern struct options o;

/* End the program with status 2, and say why on standard error. */
void die(const char *what);
void must(int result, const char *what);

/* What all connections share, and one connection whose datagrams go through the socket udp. */
WOLFSSL_CTX *make_context(void);
WOLFSSL *make_connection(WOLFSSL_CTX *ctx, int *udp);

/* One connection whose datagrams go through standard input and output; gives the exit status. */
int run_in_memory(WOLFSSL_CTX *ctx);

/* A UDP socket on loopback: bound for a server, connected for a client. */
int new_socket(void);
/* Wait for the first datagram of a handshake and take nothing but its sender's from then on. */
void await_client(int udp);

#endif
