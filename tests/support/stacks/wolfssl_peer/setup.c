/* Options become contexts, connections and sockets. */
#include "peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct options o = {.v12 = 1, .mtu = 1280, .cookie = 1, .seconds = 120, .auth = "psk", .cid_length = -1};

static unsigned char peer_spki[MAX_SPKI];
static size_t peer_spki_length;

void die(const char *what)
{
    fprintf(stderr, "wolf_peer: %s\n", what);
    exit(2);
}

void must(int result, const char *what)
{
    if (result != WOLFSSL_SUCCESS)
        die(what);
}

/* -- authentication ------------------------------------------------------------------------- */

/* The first suite of the list: that of 1.3, where there are two. */
static const char *first_suite(void)
{
    static char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(o.suite, ":"), o.suite);
    return name;
}

static unsigned int client_psk(WOLFSSL *ssl, const char *hint, char *identity,
                               unsigned int identity_size, unsigned char *key,
                               unsigned int key_size)
{
    (void)ssl, (void)hint;
    if ((unsigned int)o.psk_length > key_size)
        return 0;
    snprintf(identity, identity_size, "%s", o.identity);
    memcpy(key, o.psk, (size_t)o.psk_length);
    return (unsigned int)o.psk_length;
}

static unsigned int client_psk13(WOLFSSL *ssl, const char *hint, char *identity,
                                 unsigned int identity_size, unsigned char *key,
                                 unsigned int key_size, const char **suite)
{
    *suite = first_suite();
    return client_psk(ssl, hint, identity, identity_size, key, key_size);
}

static unsigned int server_psk(WOLFSSL *ssl, const char *identity, unsigned char *key,
                               unsigned int key_size)
{
    (void)ssl;
    if (strcmp(identity, o.identity) != 0 || (unsigned int)o.psk_length > key_size)
        return 0;
    memcpy(key, o.psk, (size_t)o.psk_length);
    return (unsigned int)o.psk_length;
}

static unsigned int server_psk13(WOLFSSL *ssl, const char *identity, unsigned char *key,
                                 unsigned int key_size, const char **suite)
{
    *suite = first_suite();
    return server_psk(ssl, identity, key, key_size);
}

/* wolfSSL takes any raw public key for verified: the pin is ours to check. */
static int check_pin(int preverified, WOLFSSL_X509_STORE_CTX *store)
{
    if (store->totalCerts != 1 || store->certs[0].length != peer_spki_length)
        return 0;
    return preverified && memcmp(store->certs[0].buffer, peer_spki, peer_spki_length) == 0;
}

static void load_keys(WOLFSSL_CTX *ctx)
{
    int rpk = strcmp(o.auth, "rpk") == 0, mode = WOLFSSL_VERIFY_NONE;
    if (o.cert)
        must(wolfSSL_CTX_use_certificate_file(
                 ctx, o.cert, rpk ? WOLFSSL_FILETYPE_ASN1 : WOLFSSL_FILETYPE_PEM),
             "certificate");
    if (o.key)
        must(wolfSSL_CTX_use_PrivateKey_file(ctx, o.key, WOLFSSL_FILETYPE_PEM), "private key");
    if (!o.server || o.mutual)
        mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    if (o.ca)
        must(wolfSSL_CTX_load_verify_locations(ctx, o.ca, NULL), "trust anchor");
    if (o.peer_key) {
        FILE *file = fopen(o.peer_key, "rb");
        if (!file)
            die("peer's key");
        peer_spki_length = fread(peer_spki, 1, sizeof peer_spki, file);
        fclose(file);
    }
    wolfSSL_CTX_set_verify(ctx, mode, rpk ? check_pin : NULL);
    if (rpk) {
        char type[] = {WOLFSSL_CERT_TYPE_RPK};
        must(wolfSSL_CTX_set_client_cert_type(ctx, type, 1), "client certificate type");
        must(wolfSSL_CTX_set_server_cert_type(ctx, type, 1), "server certificate type");
    }
}

static void load_psk(WOLFSSL_CTX *ctx)
{
    if (o.server && o.v13)
        wolfSSL_CTX_set_psk_server_tls13_callback(ctx, server_psk13);
    if (o.server && o.v12)
        wolfSSL_CTX_set_psk_server_callback(ctx, server_psk);
    if (!o.server && o.v13)
        wolfSSL_CTX_set_psk_client_tls13_callback(ctx, client_psk13);
    if (!o.server && o.v12)
        wolfSSL_CTX_set_psk_client_callback(ctx, client_psk);
    if (o.v13 && strcmp(o.auth, "psk") == 0)
        wolfSSL_CTX_no_dhe_psk(ctx);
    else if (o.v13)
        wolfSSL_CTX_only_dhe_psk(ctx);
}

static WOLFSSL_METHOD *versions(void)
{
    if (o.v12 && o.v13)
        return o.server ? wolfDTLS_server_method() : wolfDTLS_client_method();
    if (o.v13)
        return o.server ? wolfDTLSv1_3_server_method() : wolfDTLSv1_3_client_method();
    return o.server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method();
}

WOLFSSL_CTX *make_context(void)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(versions());
    if (!ctx)
        die("no context");
    must(wolfSSL_CTX_set_cipher_list(ctx, o.suite), "cipher suite");
    if (strncmp(o.auth, "psk", 3) == 0)
        load_psk(ctx);
    else
        load_keys(ctx);
    return ctx;
}

/* -- the network ---------------------------------------------------------------------------- */

static int io_receive(WOLFSSL *ssl, char *buffer, int size, void *udp)
{
    (void)ssl;
    ssize_t length = recv(*(int *)udp, buffer, (size_t)size, MSG_DONTWAIT);
    /* Errors are about what was sent before, to a port that nobody had open: it is sent again. */
    return length < 0 ? WOLFSSL_CBIO_ERR_WANT_READ : (int)length;
}

static int io_send(WOLFSSL *ssl, char *buffer, int size, void *udp)
{
    (void)ssl;
    /* A datagram that the kernel does not take is lost like any other. */
    (void)!send(*(int *)udp, buffer, (size_t)size, 0);
    return size;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int new_socket(void)
{
    struct sockaddr_in address = loopback(o.port);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0)
        die("no socket");
    int (*use)(int, const struct sockaddr *, socklen_t) = o.server ? bind : connect;
    if (use(udp, (struct sockaddr *)&address, sizeof address))
        die("cannot use the port");
    return udp;
}

void await_client(int udp)
{
    unsigned char head[5];
    struct sockaddr_in from = {.sin_family = AF_UNSPEC};
    socklen_t size = sizeof from;
    connect(udp, (struct sockaddr *)&from, sizeof from);
    for (;;) {
        size = sizeof from;
        ssize_t got =
            recvfrom(udp, head, sizeof head, MSG_PEEK, (struct sockaddr *)&from, &size);
        /* Anything but a handshake record of epoch 0 belongs to a connection that has ended. */
        if (got == sizeof head && head[0] == 22 && head[3] == 0 && head[4] == 0)
            break;
        if (got >= 0)
            (void)!recv(udp, head, sizeof head, 0);
    }
    connect(udp, (struct sockaddr *)&from, size);
}

/* -- one connection ------------------------------------------------------------------------- */

static void use_groups(WOLFSSL *ssl)
{
    int groups[MAX_GROUPS], count = 0;
    char names[256];
    if (!o.groups)
        return;
    snprintf(names, sizeof names, "%s", o.groups);
    for (char *name = strtok(names, ","); name && count < MAX_GROUPS; name = strtok(NULL, ",")) {
        int x25519 = strcmp(name, "x25519") == 0;
        if (!x25519 && strcmp(name, "secp256r1") != 0)
            die("unknown group");
        groups[count++] = x25519 ? WOLFSSL_ECC_X25519 : WOLFSSL_ECC_SECP256R1;
    }
    if (o.v13)
        must(wolfSSL_set_groups(ssl, groups, count), "groups");
    for (int i = 0; i < count && !o.server; i++)
        must(wolfSSL_UseSupportedCurve(ssl, (word16)groups[i]), "curve");
    if (o.v13 && !o.server && strcmp(o.auth, "psk") != 0)
        must(wolfSSL_UseKeyShare(ssl, (word16)groups[0]), "key share");
}

WOLFSSL *make_connection(WOLFSSL_CTX *ctx, int *udp)
{
    WOLFSSL *ssl = wolfSSL_new(ctx);
    if (!ssl)
        die("no connection");
    wolfSSL_SSLSetIORecv(ssl, io_receive);
    wolfSSL_SSLSetIOSend(ssl, io_send);
    wolfSSL_SetIOReadCtx(ssl, udp);
    wolfSSL_SetIOWriteCtx(ssl, udp);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    wolfSSL_KeepArrays(ssl);
    must(wolfSSL_dtls_set_mtu(ssl, (unsigned short)o.mtu), "MTU");
    use_groups(ssl);
    if (o.cid_length >= 0) {
        must(wolfSSL_dtls_cid_use(ssl), "connection IDs");
        if (o.cid_length > 0)
            must(wolfSSL_dtls_cid_set(ssl, o.cid, (unsigned int)o.cid_length), "connection ID");
    }
    /* Without, the ACK of a client's last flight is sent once only: if lost, it waits for ever. */
    if (o.v13)
        wolfSSL_dtls13_set_send_more_acks(ssl, 1);
    if (o.server && o.v13) {
        must(wolfSSL_dtls13_allow_ch_frag(ssl, 1), "fragmented ClientHello");
        if (!o.cookie)
            must(wolfSSL_disable_hrr_cookie(ssl), "no cookie");
    }
    if (!o.server && o.name) {
        must(wolfSSL_check_domain_name(ssl, o.name), "server's name");
        must(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, o.name, (unsigned short)strlen(o.name)),
             "server_name");
    }
    return ssl;
}
