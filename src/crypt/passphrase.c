/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Passphrases: asked for at the terminal, or read from a file; erased when they are done with. */
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "crypt/crypt.h"

#define PASSPHRASE_MAX 512               /* bytes at a terminal, with NUL */
#define FILE_MAX       (8 * 1024 * 1024) /* what the library takes */

char *passphrase_free(char *passphrase, size_t n) {
        if (passphrase)
                explicit_bzero(passphrase, n);
        free(passphrase);
        return NULL;
}

int passphrase_read(int fd, char **ret, size_t *ret_n, Error *e) {
        int r = fd_read_all(fd, FILE_MAX, ret, ret_n);

        return r < 0 ? error_set(e, r, "cannot read the passphrase: %m") : 0;
}

/* One line without echo; the end of the terminal's input is no answer. What was typed before the question
 * is dropped, what is typed once it can be seen is not. */
static int ask(int tty, const char *question, char text[static PASSPHRASE_MAX]) {
        struct termios before, quiet;
        ssize_t n = -1;

        if (tcgetattr(tty, &before) < 0)
                return -ENOKEY;
        quiet = before;
        quiet.c_lflag = (quiet.c_lflag & ~(tcflag_t) ECHO) | ICANON | ECHONL | ISIG;
        if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
                return -ENOKEY;
        if (fd_write_all(tty, question, strlen(question)) >= 0)
                do
                        n = read(tty, text, PASSPHRASE_MAX - 1);
                while (n < 0 && errno == EINTR);
        (void) tcsetattr(tty, TCSADRAIN, &before);
        if (n <= 0)
                return -ENOKEY;
        text[n - (text[n - 1] == '\n')] = '\0';
        return 0;
}

int passphrase_ask(const char *image, const char *partition, char **ret, Error *e) {
        _cleanup_fd_ int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        _cleanup_free_ char *question = str_format("Passphrase for the %s partition of %s: ",
                                                   partition, image);
        char text[PASSPHRASE_MAX];
        int r = -ENOKEY;

        if (!question)
                return error_oom(e);
        if (tty >= 0)
                r = ask(tty, question, text);
        if (r < 0)
                return error_set(
                        e, ENOKEY,
                        "there is no passphrase (the credential image-passphrase is the place for"
                        " it), and no terminal to ask for one");
        *ret = strdup(text);
        explicit_bzero(text, sizeof text);
        return *ret ? 0 : error_oom(e);
}
