/* wolfSSL without a network: datagrams, secrets and data go through standard input and output.
 *
 * An order is one letter, a length in 4 bytes, and so many bytes:  g go on with the handshake ·
 * r a datagram has come · s send this data · c close · x export 32 bytes by this label.  Answers have
 * the same form, as many as there are, the last one e:  d a datagram to send · k the number of a
 * secret (enum Tls13Secret) and the secret · o the handshake is complete · a data that has come ·
 * z the peer has closed · f the connection has failed: the alert received or 0, then the reason ·
 * x what was exported.
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ORDER = 1 << 17 };

static unsigned char order[MAX_ORDER];
static size_t order_length, taken;
static int complete, over;

static void answer(char letter, const void *data, size_t length)
{
    unsigned char head[] = {(unsigned char)letter, (unsigned char)(length >> 24),
                            (unsigned char)(length >> 16), (unsigned char)(length >> 8),
                            (unsigned char)length};
    fwrite(head, 1, sizeof head, stdout);
    fwrite(data, 1, length, stdout);
}

static int take_datagram(WOLFSSL *ssl, char *buffer, int size, void *unused)
{
    (void)ssl, (void)unused;
    size_t left = order_length - taken;
    if (left == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    if (left > (size_t)size)
        left = (size_t)size;
    memcpy(buffer, order, left);
    taken = order_length;
    return (int)left;
}

static int give_datagram(WOLFSSL *ssl, char *buffer, int size, void *unused)
{
    (void)ssl, (void)unused;
    answer('d', buffer, (size_t)size);
    return size;
}

static int tell_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int size, void *unused)
{
    (void)ssl, (void)unused;
    unsigned char told[1 + 64] = {(unsigned char)id};
    if (size < 0 || size > 64)
        return -1;
    memcpy(told + 1, secret, (size_t)size);
    answer('k', told, 1 + (size_t)size);
    return 0;
}

static void fail(WOLFSSL *ssl, int error)
{
    char text[WOLFSSL_MAX_ERROR_SZ + 1] = {0};
    WOLFSSL_ALERT_HISTORY alerts = {{-1, -1}, {-1, -1}};
    wolfSSL_get_alert_history(ssl, &alerts);
    text[0] = (char)(alerts.last_rx.code > 0 ? alerts.last_rx.code : 0);
    wolfSSL_ERR_error_string((unsigned long)error, text + 1);
    answer('f', text, 1 + strlen(text + 1));
    over = 1;
}

static void go_on(WOLFSSL *ssl)
{
    char data[MAX_LINE];
    int result = 0;
    if (over)
        return;
    if (!complete) {
        complete = (o.server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl)) == WOLFSSL_SUCCESS;
        if (complete)
            answer('o', "", 0);
    }
    while (complete && (result = wolfSSL_read(ssl, data, sizeof data)) > 0)
        answer('a', data, (size_t)result);
    int error = wolfSSL_get_error(ssl, WOLFSSL_FATAL_ERROR);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
        answer('z', "", 0);
        over = 1;
    } else if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE
               && !(complete && result > 0))
        fail(ssl, error);
}

static void obey(WOLFSSL *ssl, char letter)
{
    unsigned char exported[EXPORTED];
    switch (letter) {
    case 'g':
        order_length = 0;
        /* fall through */
    case 'r': go_on(ssl); break;
    case 's':
        if (wolfSSL_write(ssl, order, (int)order_length) != (int)order_length)
            fail(ssl, wolfSSL_get_error(ssl, WOLFSSL_FATAL_ERROR));
        break;
    case 'c': wolfSSL_shutdown(ssl); break;
    case 'x':
        if (wolfSSL_export_keying_material(ssl, exported, EXPORTED, (char *)order, order_length,
                                           NULL, 0, 0)
            == WOLFSSL_SUCCESS)
            answer('x', exported, EXPORTED);
        break;
    default: die("an order that there is not");
    }
}

int run_in_memory(WOLFSSL_CTX *ctx)
{
    int unused = -1;
    unsigned char head[5];
    /* A handshake over CoAP has no flight that would acknowledge a ticket. */
    if (o.server)
        wolfSSL_CTX_no_ticket_TLSv13(ctx);
    WOLFSSL *ssl = make_connection(ctx, &unused);
    wolfSSL_SSLSetIORecv(ssl, take_datagram);
    wolfSSL_SSLSetIOSend(ssl, give_datagram);
    must(wolfSSL_set_tls13_secret_cb(ssl, tell_secret, NULL), "secrets");
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        order_length = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        taken = 0;
        if (order_length > sizeof order || fread(order, 1, order_length, stdin) != order_length)
            die("an order that is cut short");
        obey(ssl, (char)head[0]);
        answer('e', "", 0);
        fflush(stdout);
    }
    wolfSSL_free(ssl);
    return 0;
}
