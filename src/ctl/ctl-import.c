/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* import-tar, list-transfers and cancel-transfer. The daemon does the work in a process of its own, which
 * reads the file that we hand over; we look on until it is done. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "app/progress.h"
#include "app/report.h"
#include "base/fd.h"
#include "base/parse.h"
#include "ctl/archive-name.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

#define TRANSFER_INTERFACE "org.freedesktop.import1.Transfer"
#define ASK_USEC           UINT64_C(200000) /* between questions for the progress */

/* A transfer that we watch. */
typedef struct Transfer {
        Ctl *c;
        uint32_t id;
        char *path;    /* NULL before the answer */
        char *result;  /* NULL before the end */
        char *problem; /* what the worker complained of first */
        Progress *progress;
        uint64_t asked_usec;
        bool asking;
        bool told; /* progress comes by itself, no need to ask */
        double ratio;
} Transfer;

static void transfer_done(Transfer *t) {
        free(t->path);
        free(t->result);
        free(t->problem);
        progress_free(t->progress);
}

static void show_progress(Transfer *t, double ratio) {
        t->ratio = ratio;
        if (t->progress)
                progress_update(t->progress, ratio, UINT64_MAX, now_usec());
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Transfer *t = userdata;
        const char *path, *result;
        uint32_t id;

        /* It may be over before the answer to our call is here, so the path may be unknown: then
         * no other end can be meant than one that comes after our call. */
        if (sd_bus_message_read(m, "uos", &id, &path, &result) < 0 || (t->path && id != t->id))
                return 0;
        if (t->path)
                (void) str_replace(&t->result, result);
        return 0;
}

static int on_log(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Transfer *t = userdata;
        _cleanup_free_ char *printable = NULL;
        const char *text;
        uint32_t priority;

        if (!t->path || !streq_ptr(sd_bus_message_get_path(m), t->path) ||
            sd_bus_message_read(m, "us", &priority, &text) < 0)
                return 0;
        printable = text_printable(text, false);
        if (!printable)
                return 0;
        priority &= LOG_PRIMASK; /* systemd's own daemon sends the facility along */
        if (priority <= LOG_ERR) {
                /* The first is the cause, others are what came of it. */
                if (!t->problem)
                        t->problem = TAKE_PTR(printable);
        } else if (priority <= LOG_WARNING) {
                if (t->progress)
                        progress_clear(t->progress);
                report_warning("%s", printable);
        }
        return 0;
}

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Transfer *t = userdata;
        double ratio;

        if (t->path && streq_ptr(sd_bus_message_get_path(m), t->path) &&
            sd_bus_message_read(m, "d", &ratio) >= 0) {
                t->told = true;
                show_progress(t, ratio);
        }
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Transfer *t = userdata;
        double ratio;

        t->asking = false;
        if (!sd_bus_message_is_method_error(m, NULL) &&
            sd_bus_message_read(m, "v", "d", &ratio) >= 0)
                show_progress(t, ratio);
        return 1;
}

static int listen_to(Ctl *c, Transfer *t, Error *e) {
        int r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, BUS_IMPORT1_PATH,
                                BUS_IMPORT1_MANAGER, "TransferRemoved", on_removed, t);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, NULL, TRANSFER_INTERFACE,
                                        "LogMessage", on_log, t);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, NULL, TRANSFER_INTERFACE,
                                        "ProgressUpdate", on_progress, t);
        return r < 0 ? error_set(e, r, "cannot listen to the transfer: %m") : 0;
}

static void ask(Transfer *t) {
        uint64_t now = now_usec();

        if (t->asking || t->told || !t->progress || now - t->asked_usec < ASK_USEC)
                return;
        t->asked_usec = now;
        if (sd_bus_call_method_async(t->c->bus, NULL, BUS_IMPORT1_NAME, t->path, BUS_PROPERTIES,
                                     "Get", on_answer, t, "ss", TRANSFER_INTERFACE,
                                     "Progress") >= 0)
                t->asking = true;
}

/* Looks on until the transfer is over. Return: 0, 1 = somebody pressed ^C, -errno. */
static int watch(Transfer *t, int signals, Error *e) {
        while (!t->result) {
                struct pollfd fds[2] = {
                        { .fd = sd_bus_get_fd(t->c->bus), .events = POLLIN },
                        { .fd = signals, .events = POLLIN },
                };
                int r;

                do
                        r = sd_bus_process(t->c->bus, NULL);
                while (r > 0);
                if (r < 0)
                        return error_set(e, r, "the bus connection broke: %m");
                if (t->result)
                        break;
                ask(t);
                r = sd_bus_flush(t->c->bus);
                if (r < 0)
                        return error_set(e, r, "the bus connection broke: %m");
                if (poll(fds, ELEMENTSOF(fds), (int) (ASK_USEC / 1000)) < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the transfer: %m");
                if (fds[1].revents)
                        return 1;
                show_progress(t, t->ratio); /* the clock goes on, also when nothing else does */
        }
        return 0;
}

static int catch_signals(Error *e) {
        sigset_t mask;
        int fd;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? error_set(e, errno, "cannot catch signals: %m") : fd;
}

/* Makes the call that begins the transfer, and sees it through. Return: exit status or -errno. */
static int transfer(Ctl *c, sd_bus_message *m, Transfer *t, const char *name, uint64_t size,
                    Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_fd_ int signals = -EBADF;
        const char *path;
        int r = client_send(c, m, true, &reply, e);

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "uo", &t->id, &path);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        t->path = strdup(path);
        if (!t->path)
                return error_oom(e);
        if (!c->o.quiet && progress_new(STDERR_FILENO, name, size, &t->progress) < 0)
                return error_oom(e);

        signals = catch_signals(e);
        if (signals < 0)
                return signals;
        r = watch(t, signals, e);
        t->progress = progress_free(t->progress);
        if (r < 0)
                return r;
        if (r > 0) {
                report_note("the transfer goes on; \"skep cancel-transfer %" PRIu32 "\" ends it",
                            t->id);
                return 128 + SIGINT;
        }
        if (streq(t->result, "done"))
                return EXIT_SUCCESS;
        return error_set(e, EIO, "%s%s%s",
                         streq(t->result, "canceled") ? "the transfer was cancelled"
                                                      : "the transfer failed",
                         t->problem ? ": " : "", strempty(t->problem));
}

int verb_import_tar(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(transfer_done) Transfer t = { .c = c, .ratio = -1 };
        _cleanup_free_ char *name = args[1] ? strdup(args[1]) : NULL;
        _cleanup_fd_ int opened = -EBADF;
        bool from_stdin = streq(args[0], "-") || !*args[0];
        int fd = STDIN_FILENO, r;
        struct stat st;

        if (!name && from_stdin)
                return error_set(e, EINVAL,
                                 "an archive from standard input needs a name for the image");
        if (!name)
                name = archive_name(args[0]);
        if (!name)
                return error_oom(e);
        if (!from_stdin) {
                fd = opened = open(args[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return error_set(e, errno, "cannot open '%s': %m", args[0]);
        }
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", args[0]);
        if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a file nor a pipe", args[0]);

        r = listen_to(c, &t, e);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer_import1.name, peer_import1.path,
                                           peer_import1.interface, "ImportTar");
        if (r >= 0)
                r = sd_bus_message_append(m, "hsbb", fd, name, (int) c->o.force,
                                          (int) c->o.read_only);
        if (r < 0)
                return error_set(e, r, "cannot make the call: %m");
        r = transfer(c, m, &t, name, S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0, e);
        return r < 0 ? error_wrap(e, r, "cannot import '%s'", name) : r;
}

int verb_list_transfers(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "id", .flags = TABLE_RIGHT },
                { "percent", .flags = TABLE_RIGHT },
                { "type" },
                { "local" },
                { "remote" },
        };
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *type, *remote, *local;
        double ratio;
        uint32_t id;
        int r = client_query(c, &peer_import1, "ListTransfers", &reply, e, NULL);

        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', "(usssdo)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(usssdo)", &id, &type, &remote, &local,
                                                  &ratio, NULL)) > 0)
                if (table_add_number(t, id) < 0 || table_add_ratio(t, ratio) < 0 ||
                    table_add_text(t, type) < 0 || table_add_text(t, local) < 0 ||
                    table_add_text(t, remote) < 0)
                        return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot read the list of transfers: %m");
        if (table_sort(t, 0) < 0)
                return error_oom(e);
        return ctl_print_table(c, t, "transfers", e);
}

static int cancel_one(Ctl *c, const char *text, Error *e) {
        uint32_t id;
        int r;

        if (parse_u32(text, &id) < 0 || id == 0)
                return error_set(e, EINVAL, "'%.60s' is not the number of a transfer", text);
        r = client_act(c, &peer_import1, "CancelTransfer", NULL, e, "u", id);
        return r < 0 ? error_wrap(e, r, "cannot cancel transfer %" PRIu32, id) : 0;
}

int verb_cancel_transfer(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, cancel_one);
}
