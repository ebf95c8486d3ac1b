/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-nft: the aide that writes to the packet filter of the network namespace it is started in. It does one
 * text of commands, which the kernel takes as a whole or not at all, and knows nothing of what they are for.
 * All that it keeps of its starter's rights is CAP_NET_ADMIN, and once the library is set up it opens no
 * file any more. */
#include <fcntl.h>
#include <linux/capability.h>
#include <nftables/libnftables.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"
#include "net/nft.h"

#define COMMANDS_MAX ((size_t) 64 * 1024 * 1024)
#define SECONDS_MAX  20
#define ERRNO_MAX    133

static const ConfineCall calls[] = {
        { SYS_sendto, 0 },
        { SYS_sendmsg, 0 },
        { SYS_recvfrom, 0 },
        { SYS_recvmsg, 0 },
        { SYS_getsockname, 0 },
        { SYS_getsockopt, 0 },
        { SYS_setsockopt, 0 },
        { SYS_bind, 0 },
        { SYS_socket,
          SOCK_RAW }, /* names of interfaces; raw packets would take another capability */
        { SYS_socket, SOCK_RAW | SOCK_CLOEXEC },
        { SYS_ppoll, 0 },
        { SYS_pselect6, 0 },
        { SYS_getpid, 0 },
        { SYS_read, 0 },
        { SYS_write, 0 },
        { SYS_lseek, 0 },
        { SYS_close, 0 },
        { SYS_clock_gettime, 0 },
#ifdef SYS_poll
        { SYS_poll, 0 },
#endif
#ifdef SYS_select
        { SYS_select, 0 },
#endif
#ifdef SYS__newselect
        { SYS__newselect, 0 },
#endif
#ifdef SYS_time
        { SYS_time, 0 },
#endif
#ifdef SYS_fstat
        { SYS_fstat, 0 },
#endif
#ifdef SYS_newfstatat
        { SYS_newfstatat, 0 },
#endif
#ifdef SYS_statx
        { SYS_statx, 0 },
#endif
};

static int limit(int resource, rlim_t value, Error *e) {
        struct rlimit l = { .rlim_cur = value, .rlim_max = value };

        return setrlimit(resource, &l) < 0 ? error_set(e, errno, "cannot set a limit: %m") : 0;
}

static int confine(Error *e) {
        int r = limit(RLIMIT_CPU, SECONDS_MAX, e);

        if (r >= 0)
                r = limit(RLIMIT_CORE, 0, e);
        if (r >= 0)
                r = confine_privileges(e);
        if (r >= 0)
                r = confine_paths(-EBADF, e);
        if (r >= 0)
                r = confine_capabilities(UINT64_C(1) << CAP_NET_ADMIN, e);
        if (r >= 0)
                r = confine_calls(calls, ELEMENTSOF(calls), e);
        return r;
}

/* The library says what the kernel answered in words alone, at the end of a line. */
static int errno_of(const char *line, size_t n) {
        for (int i = 1; i <= ERRNO_MAX; i++) {
                const char *words = strerror(i);
                size_t length = strlen(words);
                if (length <= n && memcmp(line + n - length, words, length) == 0)
                        return i;
        }
        return EINVAL;
}

/* "Error: Could not process rule: No such file or directory", of which it may have many. */
static int refusal(const char *text, Error *e) {
        static const char mark[] = "Error: ";
        const char *line = strstr(text, mark);

        line = line ? line + strlen(mark) : text;
        size_t n = strcspn(line, "\n");
        return error_set(e, errno_of(line, n), "nft: %.*s", (int) n, line);
}

static int apply(struct nft_ctx *ctx, const char *commands, Error *e) {
        if (nft_ctx_buffer_error(ctx) != 0 || nft_ctx_buffer_output(ctx) != 0)
                return error_oom(e);
        nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_STATELESS);
        if (nft_run_cmd_from_buffer(ctx, commands) != 0)
                return refusal(strempty(nft_ctx_get_error_buffer(ctx)), e);

        /* Nobody may want to hear it, and then there is nothing open. */
        const char *answer = strempty(nft_ctx_get_output_buffer(ctx));
        int r = *answer ? fd_write_all(NFT_ANSWER_FD, answer, strlen(answer)) : 0;
        return r < 0 && r != -EBADF ? error_set(e, r, "cannot write the answer: %m") : 0;
}

static int run(char **argv, Error *e) {
        _cleanup_free_ char *commands = NULL;
        struct nft_ctx *ctx;

        if (argv[0] || fcntl(NFT_COMMANDS_FD, F_GETFD) < 0)
                return error_set(e, EINVAL, "skep-nft is for other programs of skep alone");
        /* A terminal among them would be a way to type for the user. */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                (void) close(fd);
        int r = fd_read_all(NFT_COMMANDS_FD, COMMANDS_MAX, &commands, NULL);
        if (r < 0)
                return error_set(e, r, "cannot read the commands: %m");
        ctx = nft_ctx_new(NFT_CTX_DEFAULT);
        if (!ctx)
                return error_oom(e);
        r = confine(e);
        if (r >= 0)
                r = apply(ctx, commands, e);
        nft_ctx_free(ctx);
        return r;
}

int main(int argc, char **argv) {
        Error e = {};
        int r = run(argv + (argc > 0), &e);

        return aide_end(r, &e);
}
