/* A DTLS client and server on wolfSSL, driven by tests/support/stacks/wolfssl.py.
 *
 * A client sends each line of its standard input as one datagram and prints each datagram that
 * comes back; a server sends everything back.  --version is 1.2, 1.3 or both.  Lines that begin with a slash are orders:
 * /keyupdate changes our keys (1.3), /resume ends the connection and makes another one with its
 * ticket (client, 1.3), /next ends it for another client (server), /close ends it and the program;
 * wait for what one causes before the next.  Each handshake, its failure and the end of a
 * connection is a line of JSON.  Loopback only; one peer at a time; everything ends after
 * --seconds.  With --memory it is one connection without a network (memory.c).
 */
#include "peer.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_hex(const char *name, const unsigned char *data, size_t length)
{
    printf(", \"%s\": \"", name);
    for (size_t i = 0; i < length; i++)
        printf("%02x", data[i]);
    printf("\"");
}

static void say_connected(WOLFSSL *ssl)
{
    static const char label[] = "EXPORTER-wolf-peer";
    unsigned char exported[EXPORTED], cid[DTLS_CID_MAX_SIZE];
    unsigned int size = 0;
    const char *group = wolfSSL_get_curve_name(ssl);
    printf("{\"event\": \"connected\", \"version\": \"%s\", \"suite\": \"%s\", \"group\": \"%s\", "
           "\"resumed\": %s",
           wolfSSL_get_version(ssl), wolfSSL_get_cipher(ssl), group ? group : "",
           wolfSSL_session_reused(ssl) ? "true" : "false");
    if (wolfSSL_export_keying_material(ssl, exported, EXPORTED, label, strlen(label), NULL, 0, 0)
        == WOLFSSL_SUCCESS)
        print_hex("exporter", exported, EXPORTED);
    if (wolfSSL_dtls_cid_get_rx_size(ssl, &size) == WOLFSSL_SUCCESS && size <= sizeof cid
        && wolfSSL_dtls_cid_get_rx(ssl, cid, sizeof cid) == WOLFSSL_SUCCESS)
        print_hex("own_cid", cid, size);
    if (wolfSSL_dtls_cid_get_tx_size(ssl, &size) == WOLFSSL_SUCCESS && size <= sizeof cid
        && wolfSSL_dtls_cid_get_tx(ssl, cid, sizeof cid) == WOLFSSL_SUCCESS)
        print_hex("peer_cid", cid, size);
    printf("}\n");
}

static void say_end(WOLFSSL *ssl, const char *event, int error)
{
    WOLFSSL_ALERT_HISTORY alerts = {{-1, -1}, {-1, -1}};
    wolfSSL_get_alert_history(ssl, &alerts);
    printf("{\"event\": \"%s\", \"error\": %d, \"text\": \"%s\", \"alert_sent\": %d, "
           "\"alert_received\": %d}\n",
           event, error, error ? wolfSSL_ERR_reason_error_string((unsigned long)error) : "",
           alerts.last_tx.code, alerts.last_rx.code);
}

static int wants_more(WOLFSSL *ssl)
{
    int error = wolfSSL_get_error(ssl, WOLFSSL_FATAL_ERROR);
    return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE;
}

/* How long to wait, in milliseconds: only who has something to send again must wake up. */
static int patience(WOLFSSL *ssl, int connected)
{
    if (connected && !(o.v13 && wolfSSL_dtls13_has_pending_msg(ssl)))
        return -1;
    int milliseconds = 1000 * wolfSSL_dtls_get_current_timeout(ssl);
    return o.v13 && wolfSSL_dtls13_use_quick_timeout(ssl) ? milliseconds / 4 : milliseconds;
}

enum next { GO_ON, CLOSE, RESUME, NEXT, ENDED, FAILED };

/* Lines of the standard input, as far as they are there. */
static enum next obey(WOLFSSL *ssl)
{
    static char line[MAX_LINE];
    static size_t have;
    ssize_t got = read(STDIN_FILENO, line + have, sizeof line - have);
    if (got <= 0)
        return CLOSE;
    have += (size_t)got;
    for (char *end; (end = memchr(line, '\n', have)) != NULL;) {
        int length = (int)(end - line) + 1, result = WOLFSSL_SUCCESS;
        enum next next = GO_ON;
        if (strncmp(line, "/close\n", 7) == 0)
            next = CLOSE;
        else if (!o.server && strncmp(line, "/resume\n", 8) == 0)
            next = RESUME;
        else if (o.server && strncmp(line, "/next\n", 6) == 0)
            next = NEXT;
        else if (strncmp(line, "/keyupdate\n", 11) == 0)
            result = wolfSSL_update_keys(ssl);
        else
            result = wolfSSL_write(ssl, line, length) == length ? WOLFSSL_SUCCESS : 0;
        if (result != WOLFSSL_SUCCESS)
            printf("{\"event\": \"refused\", \"error\": %d}\n",
                   wolfSSL_get_error(ssl, WOLFSSL_FATAL_ERROR));
        have -= (size_t)length;
        memmove(line, end + 1, have);
        if (next != GO_ON)
            return next;
    }
    return GO_ON;
}

/* Everything that has arrived; 0 when the connection has ended.  Each read begins with the ACKs for
 * what the one before took: hence one more when nothing is left. */
static int receive(WOLFSSL *ssl)
{
    char data[MAX_LINE];
    for (int round = 0; round < 2; round++) {
        int length;
        while ((length = wolfSSL_read(ssl, data, sizeof data)) > 0) {
            if (o.server)
                wolfSSL_write(ssl, data, length);
            else
                fwrite(data, 1, (size_t)length, stdout);
        }
        if (!wants_more(ssl))
            return 0;
    }
    return 1;
}

/* From the first datagram to the end of the connection. */
static enum next run(WOLFSSL *ssl, int udp)
{
    int connected = 0, error = 0;
    enum next next = GO_ON;
    while (next == GO_ON) {
        if (!connected) {
            connected = (o.server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl)) == WOLFSSL_SUCCESS;
            if (connected)
                say_connected(ssl);
            else if (!wants_more(ssl))
                break;
        }
        if (connected && !receive(ssl))
            break;
        struct pollfd ready[] = {{udp, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        int count = poll(ready, connected ? 2 : 1, patience(ssl, connected));
        if (count == 0 && wolfSSL_dtls_got_timeout(ssl) != WOLFSSL_SUCCESS)
            break;
        if (connected && ready[1].revents)
            next = obey(ssl);
    }
    if (next != GO_ON)
        wolfSSL_shutdown(ssl);
    else {
        error = wolfSSL_get_error(ssl, WOLFSSL_FATAL_ERROR);
        next = connected && error == WOLFSSL_ERROR_ZERO_RETURN ? ENDED : FAILED;
    }
    say_end(ssl, next == FAILED ? "failed" : "closed", next == FAILED ? error : 0);
    return next;
}

/* The session to resume, without its ID.  wolfSSL before 5.9.1 sends that as legacy_session_id in
 * 1.3 too, and ends the handshake if it does not come back, which RFC 9147 section 5 forbids the
 * server (wolfSSL pull request 10007).  The length of the ID comes after 9 bytes (side, time,
 * timeout) of what wolfSSL writes out; its own function reads the rest in again. */
static WOLFSSL_SESSION *without_id(WOLFSSL_SESSION *session)
{
    enum { LENGTH_AT = 9 };
    unsigned char data[MAX_SESSION], *out = data;
    const unsigned char *in = data;
    int size = wolfSSL_i2d_SSL_SESSION(session, NULL);
    if (size <= LENGTH_AT || size > MAX_SESSION || wolfSSL_i2d_SSL_SESSION(session, &out) != size)
        die("session to write out");
    int id = data[LENGTH_AT];
    if (id >= size - LENGTH_AT)
        die("session ID");
    size -= id;
    memmove(data + LENGTH_AT + 1, data + LENGTH_AT + 1 + id, (size_t)(size - LENGTH_AT - 1));
    data[LENGTH_AT] = 0;
    wolfSSL_SESSION_free(session);
    session = wolfSSL_d2i_SSL_SESSION(NULL, &in, size);
    if (!session)
        die("session to read in");
    return session;
}

/* -- the program ---------------------------------------------------------------------------- */

static int unhex(const char *text, unsigned char *out, size_t size)
{
    size_t length = strlen(text) / 2;
    if (strlen(text) % 2 || length > size)
        die("hexadecimal of a wrong length");
    for (size_t i = 0; i < length; i++) {
        unsigned int byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            die("not hexadecimal");
        out[i] = (unsigned char)byte;
    }
    return (int)length;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"version", 1, 0, 'v'}, {"port", 1, 0, 'p'},      {"auth", 1, 0, 'a'},
        {"mutual", 0, 0, 'm'},  {"suite", 1, 0, 's'},     {"groups", 1, 0, 'g'},
        {"mtu", 1, 0, 'u'},     {"no-cookie", 0, 0, 'n'}, {"cid", 1, 0, 'c'},
        {"psk", 1, 0, 'k'},     {"identity", 1, 0, 'i'},  {"ca", 1, 0, 'A'},
        {"cert", 1, 0, 'C'},    {"key", 1, 0, 'K'},       {"peer-key", 1, 0, 'P'},
        {"name", 1, 0, 'N'},    {"seconds", 1, 0, 'S'},   {"memory", 0, 0, 'M'},
        {0, 0, 0, 0}};
    if (argc < 2 || (strcmp(argv[1], "client") != 0 && strcmp(argv[1], "server") != 0))
        die("client or server?");
    o.server = strcmp(argv[1], "server") == 0;
    optind = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'v':
            o.v12 = strcmp(optarg, "1.3") != 0;
            o.v13 = strcmp(optarg, "1.2") != 0;
            break;
        case 'p': o.port = atoi(optarg); break;
        case 'a': o.auth = optarg; break;
        case 'm': o.mutual = 1; break;
        case 's': o.suite = optarg; break;
        case 'g': o.groups = optarg; break;
        case 'u': o.mtu = atoi(optarg); break;
        case 'n': o.cookie = 0; break;
        case 'c': o.cid_length = unhex(optarg, o.cid, sizeof o.cid); break;
        case 'k': o.psk_length = unhex(optarg, o.psk, sizeof o.psk); break;
        case 'i': o.identity = optarg; break;
        case 'A': o.ca = optarg; break;
        case 'C': o.cert = optarg; break;
        case 'K': o.key = optarg; break;
        case 'P': o.peer_key = optarg; break;
        case 'N': o.name = optarg; break;
        case 'S': o.seconds = atoi(optarg); break;
        case 'M': o.memory = 1; break;
        default: die("unknown option");
        }
    if (!(o.port || o.memory) || !o.suite)
        die("--port and --suite are needed");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm((unsigned int)o.seconds);
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = make_context();
    if (o.memory)
        return run_in_memory(ctx);
    WOLFSSL_SESSION *session = NULL;
    int udp = new_socket();
    enum next next;
    do {
        if (o.server)
            await_client(udp);
        WOLFSSL *ssl = make_connection(ctx, &udp);
        if (session)
            must(wolfSSL_set_session(ssl, session), "session");
        next = run(ssl, udp);
        if (next == RESUME) {
            wolfSSL_SESSION_free(session);
            session = without_id(wolfSSL_get1_session(ssl));
            close(udp);
            udp = new_socket();
        }
        wolfSSL_free(ssl);
    } while (o.server ? next != CLOSE : next == RESUME);
    wolfSSL_CTX_free(ctx);
    return next == FAILED;
}
