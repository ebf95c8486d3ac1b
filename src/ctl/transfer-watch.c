/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking at a transfer, see transfer-watch.h. The importer does the work whether or not we look; what starts
 * a transfer is in ctl-import.c. */
#include "ctl/transfer-watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <termios.h>
#include <unistd.h>

#include "app/json-write.h"
#include "app/report.h"
#include "base/fd.h"
#include "ctl/client.h"

#define ASK_USEC  UINT64_C(200000)  /* between questions for the progress */
#define TELL_USEC UINT64_C(1000000) /* between JSON lines that say nothing new but bytes */

/* What is told */

static void tell_json(TransferWatch *t, const char *result, const char *error) {
        _cleanup_(buf_done) Buf line = {};
        int percent = t->state.ratio >= 0 ? (int) (t->state.ratio * 100) : -1;
        JsonWrite w;

        json_write_init(&w, TABLE_JSON_SHORT, &line);
        json_write_open(&w, '{');
        json_write_member_number(&w, "transfer", t->id);
        json_write_member_text(&w, "local", t->name);
        json_write_member_text(&w, "phase", t->phase);
        json_write_member_number(&w, "percent", percent < 0 ? UINT64_MAX : (uint64_t) percent);
        json_write_member_number(&w, "done", t->state.done);
        json_write_member_number(&w, "total", t->state.total);
        json_write_member_number(&w, "rate", t->state.rate > 0 ? t->state.rate : UINT64_MAX);
        json_write_member_number(&w, "left", t->state.left_usec);
        if (result)
                json_write_member_text(&w, "result", result);
        if (error)
                json_write_member_text(&w, "error", error);
        json_write_close(&w, '}');
        if (json_write_finish(&w) >= 0)
                (void) fd_write_all(STDOUT_FILENO, line.p, line.n);
        t->told_percent = percent;
        t->told_usec = now_usec();
}

/* @is_news: something else than time has passed. */
static void show(TransferWatch *t, bool is_news) {
        uint64_t now = now_usec();

        if (!t->path)
                return;
        if (t->progress && t->detailed)
                progress_show(t->progress, &t->state, now);
        else if (t->progress)
                progress_update(t->progress, t->state.ratio, UINT64_MAX, now);
        if (t->json && is_news &&
            ((t->state.ratio >= 0 && (int) (t->state.ratio * 100) != t->told_percent) ||
             now - t->told_usec >= TELL_USEC))
                tell_json(t, NULL, NULL);
}

/* What comes over the bus */

static bool is_ours(const TransferWatch *t, sd_bus_message *m) {
        return t->path && streq_ptr(sd_bus_message_get_path(m), t->path);
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;
        const char *path, *result;
        uint32_t id;

        /* Before the answer to our call no end can be meant but that of another one. */
        if (sd_bus_message_read(m, "uos", &id, &path, &result) < 0 || !t->path || id != t->id)
                return 0;
        (void) str_replace(&t->result, result);
        return 0;
}

static int on_log(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;
        _cleanup_free_ char *printable = NULL;
        const char *text;
        uint32_t priority;

        if (!is_ours(t, m) || sd_bus_message_read(m, "us", &priority, &text) < 0)
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

static void set_ratio(TransferWatch *t, double ratio) {
        t->state.ratio = ratio >= 0 ? MIN(ratio, 1.0) : -1;
}

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;
        double ratio;

        if (is_ours(t, m) && sd_bus_message_read(m, "d", &ratio) >= 0) {
                t->told = true;
                set_ratio(t, ratio);
                show(t, true);
        }
        return 0;
}

/* One property of a transfer, of which we know some. */
static int read_property(TransferWatch *t, sd_bus_message *m) {
        const struct {
                const char *name;
                uint64_t *at;
        } numbers[] = {
                { "BytesDone", &t->state.done },
                { "BytesTotal", &t->state.total },
                { "Rate", &t->state.rate },
                { "TimeLeft", &t->state.left_usec },
        };
        const char *name, *text;
        double ratio;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(numbers[i].name, name)) {
                        t->detailed = true;
                        return sd_bus_message_read(m, "v", "t", numbers[i].at);
                }
        if (streq(name, "Progress")) {
                r = sd_bus_message_read(m, "v", "d", &ratio);
                if (r >= 0)
                        set_ratio(t, ratio);
                return r;
        }
        if (!streq(name, "Phase"))
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "s", &text);
        if (r >= 0 && !streq(text, strempty(t->phase))) {
                r = str_replace(&t->phase, *text ? text : NULL);
                t->state.phase = t->phase;
                t->told_usec = 0; /* is told at once */
        }
        return r;
}

static int read_properties(TransferWatch *t, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_property(t, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                show(t, true);
        return r;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;

        if (is_ours(t, m) && sd_bus_message_skip(m, "s") >= 0 && read_properties(t, m) >= 0 &&
            t->detailed)
                t->told = true;
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;

        t->asking = false;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) read_properties(t, m);
        return 1;
}

static int ask_for(TransferWatch *t, const char *interface) {
        return sd_bus_call_method_async(t->c->bus, NULL, BUS_IMPORT1_NAME, t->path, BUS_PROPERTIES,
                                        "GetAll", on_answer, t, "s", interface);
}

/* systemd's importer of some releases does not tell of progress. */
static void ask(TransferWatch *t) {
        uint64_t now = now_usec();

        if (t->asking || t->told || (!t->progress && !t->json) || now - t->asked_usec < ASK_USEC)
                return;
        t->asked_usec = now;
        if (ask_for(t, BUS_IMPORT1_TRANSFER_INTERFACE) >= 0)
                t->asking = true;
}

/* Beginning */

int transfer_watch_init(TransferWatch *t, Ctl *c, const char *name, uint64_t total, Error *e) {
        int r = client_connect(c, e);

        t->c = c;
        t->name = name;
        t->told_percent = -1;
        t->state = (ProgressState){
                .ratio = -1, .done = UINT64_MAX, .total = total, .left_usec = UINT64_MAX
        };
        if (r < 0)
                return r;
        r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, BUS_IMPORT1_PATH,
                                BUS_IMPORT1_MANAGER, "TransferRemoved", on_removed, t);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, NULL,
                                        BUS_IMPORT1_TRANSFER_INTERFACE, "LogMessage", on_log, t);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, NULL,
                                        BUS_IMPORT1_TRANSFER_INTERFACE, "ProgressUpdate",
                                        on_progress, t);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, BUS_IMPORT1_NAME, NULL, BUS_PROPERTIES,
                                        "PropertiesChanged", on_changed, t);
        return r < 0 ? error_set(e, r, "cannot listen to the transfer: %m") : 0;
}

void transfer_watch_done(TransferWatch *t) {
        free(t->own_name);
        free(t->path);
        free(t->result);
        free(t->problem);
        free(t->phase);
        progress_free(t->progress);
}

int transfer_watch_set(TransferWatch *t, uint32_t id, const char *path, Error *e) {
        Ctl *c = t->c;
        bool is_known_name = c->is_machinectl || c->is_importctl;

        t->id = id;
        t->path = strdup(path);
        if (!t->path)
                return error_oom(e);
        t->json = !t->stdout_is_data &&
                  (ctl_is_json(c) || (!c->o.quiet && !is_known_name && !isatty(STDERR_FILENO)));
        if (!t->json && !c->o.quiet &&
            progress_new(STDERR_FILENO, t->name, t->state.total == UINT64_MAX ? 0 : t->state.total,
                         &t->progress) < 0)
                return error_oom(e);
        (void) ask_for(t, BUS_SKEP_TRANSFER1); /* it may be well under way */
        return 0;
}

/* One that is over says at once what became of it, if the importer is one that remembers. Return: 1; 0 it is not
 * known; -errno. */
static int find_ended(TransferWatch *t, uint32_t wanted, Error *e) {
        static const Peer history = { BUS_IMPORT1_NAME, BUS_IMPORT1_PATH,
                                      BUS_SKEP_IMPORT_MANAGER1 };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *local, *result, *problem;
        uint32_t id;
        int r = client_query(t->c, &history, "ListHistory", &reply, NULL, "st", "", UINT64_C(0));

        if (r < 0)
                return 0;
        r = sd_bus_message_enter_container(reply, 'a', "(usssssstttt)");
        while (r >= 0 &&
               (r = sd_bus_message_read(reply, "(usssssstttt)", &id, NULL, NULL, &local, NULL,
                                        &result, &problem, NULL, NULL, NULL, NULL)) > 0) {
                if (id != wanted)
                        continue;
                t->own_name = strdup(local);
                t->result = strdup(result);
                t->problem = *problem ? strdup(problem) : NULL;
                return t->own_name && t->result && (t->problem || !*problem) ? 1 : error_oom(e);
        }
        return r < 0 ? error_set(e, r, "cannot read the list of transfers: %m") : 0;
}

int transfer_watch_find(TransferWatch *t, uint32_t id, Error *e) {
        _cleanup_free_ char *path = str_format("%s/_%" PRIu32, BUS_IMPORT1_TRANSFER, id);
        _cleanup_free_ char *local = NULL;
        int r;

        if (!path)
                return error_oom(e);
        r = client_string_property(t->c, BUS_IMPORT1_NAME, path, BUS_IMPORT1_TRANSFER_INTERFACE,
                                   "Local", &local, NULL);
        if (r >= 0)
                t->own_name = TAKE_PTR(local);
        else
                r = find_ended(t, id, e);
        if (r < 0)
                return r;
        if (!t->own_name)
                return error_set(e, ERR_NO_SUCH_TRANSFER,
                                 "there is no transfer %" PRIu32
                                 " (\"skep list-transfers\" shows what is under way)",
                                 id);
        t->name = t->own_name;
        return transfer_watch_set(t, id, path, e);
}

/* Ctrl-C */

static int catch_signals(Error *e) {
        sigset_t mask;
        int fd;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? error_set(e, errno, "cannot catch signals: %m") : fd;
}

/* One key from the terminal, without its line being ended; @signals may come as well.
 * Return: the key; 3 = ^C; 0 = there is nobody to press one. */
static int read_key(int terminal, int signals) {
        struct pollfd fds[2] = {
                { .fd = terminal, .events = POLLIN },
                { .fd = signals, .events = POLLIN },
        };
        struct termios saved, raw;
        char key = 0;

        if (tcgetattr(terminal, &saved) < 0)
                return 0;
        raw = saved;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        (void) tcsetattr(terminal, TCSANOW, &raw);
        while (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno == EINTR)
                ;
        if (fds[1].revents) {
                struct signalfd_siginfo si;
                key = read(signals, &si, sizeof si) == sizeof si && si.ssi_signo == SIGINT ? 3 : 0;
        } else if (read(terminal, &key, 1) != 1)
                key = 0;
        (void) tcsetattr(terminal, TCSANOW, &saved);
        return (unsigned char) key;
}

typedef enum Wish {
        WISH_LEAVE,
        WISH_CANCEL,
        WISH_STAY,
} Wish;

/* What is to become of the transfer. The other names of ours leave it alone, as their users know it. */
static Wish ask_wish(TransferWatch *t, int signals) {
        static const char question
                [] = "Cancel the transfer? y or Ctrl-C: cancel, n: let it go on without us, "
                     "other keys: look on ";
        struct signalfd_siginfo si;
        _cleanup_fd_ int terminal = -EBADF;
        Wish wish = WISH_STAY;

        if (read(signals, &si, sizeof si) != sizeof si)
                return WISH_STAY;
        if (si.ssi_signo != SIGINT || t->c->is_machinectl || t->c->is_importctl ||
            !isatty(STDERR_FILENO))
                return WISH_LEAVE;
        terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (terminal < 0 || tcgetpgrp(terminal) != getpgrp())
                return WISH_LEAVE;
        if (t->progress)
                progress_clear(t->progress);
        (void) fd_write_all(terminal, question, sizeof question - 1);
        int key = read_key(terminal, signals);
        if (key == 'y' || key == 'Y' || key == 3)
                wish = WISH_CANCEL;
        else if (key == 'n' || key == 'N' || key == 0)
                wish = WISH_LEAVE;
        (void) fd_write_all(terminal, "\r\033[K", 4);
        return wish;
}

static int on_cancelled(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        TransferWatch *t = userdata;

        /* One that has just ended cannot be cancelled any more. */
        if (sd_bus_message_is_method_error(m, NULL) && !t->result) {
                t->cancelling = false;
                if (t->progress)
                        progress_clear(t->progress);
                report_warning("cannot cancel the transfer: %s",
                               strempty(sd_bus_message_get_error(m)->message));
        }
        return 1;
}

static int cancel(TransferWatch *t, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(t->c->bus, &m, peer_import1.name, peer_import1.path,
                                               peer_import1.interface, "CancelTransfer");

        if (r >= 0)
                r = sd_bus_message_append(m, "u", t->id);
        if (r >= 0)
                r = sd_bus_call_async(t->c->bus, NULL, m, on_cancelled, t, UINT64_MAX);
        if (r < 0)
                return error_set(e, r, "cannot cancel the transfer: %m");
        t->cancelling = true;
        return 0;
}

/* The end */

static int handle_bus(TransferWatch *t, Error *e) {
        int r;

        do
                r = sd_bus_process(t->c->bus, NULL);
        while (r > 0 && !t->result);
        if (r >= 0 && !t->result) {
                ask(t);
                r = sd_bus_flush(t->c->bus);
        }
        return r < 0 ? error_set(e, r, "the bus connection broke: %m") : 0;
}

/* Return: 0 it has ended; 1 it is to go on without us; -errno. */
static int look_on(TransferWatch *t, int signals, Error *e) {
        for (;;) {
                struct pollfd fds[2] = {
                        { .fd = sd_bus_get_fd(t->c->bus), .events = POLLIN },
                        { .fd = signals, .events = POLLIN },
                };
                int r = handle_bus(t, e);

                if (r < 0 || t->result)
                        return r;
                if (poll(fds, ELEMENTSOF(fds), (int) (ASK_USEC / 1000)) < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the transfer: %m");
                if (fds[1].revents) {
                        Wish wish = ask_wish(t, signals);

                        if (wish == WISH_LEAVE)
                                return 1;
                        if (wish == WISH_CANCEL) {
                                r = cancel(t, e);
                                if (r < 0)
                                        return r;
                        }
                }
                show(t, false); /* the clock goes on, also when nothing else does */
        }
}

int transfer_watch_run(TransferWatch *t, Error *e) {
        _cleanup_fd_ int signals = catch_signals(e);

        if (signals < 0)
                return signals;
        int r = look_on(t, signals, e);
        t->progress = progress_free(t->progress);
        if (r < 0)
                return r;
        if (r > 0) {
                report_note("the transfer goes on; \"skep cancel-transfer %" PRIu32 "\" ends it",
                            t->id);
                return TRANSFER_END_LEFT;
        }
        if (t->json)
                tell_json(t, t->result, t->problem);
        if (streq(t->result, "done"))
                return TRANSFER_END_DONE;
        if (streq(t->result, "canceled") && t->cancelling) {
                report_note("the transfer was cancelled");
                return TRANSFER_END_CANCELED;
        }
        return error_set(e, EIO, "%s%s%s",
                         streq(t->result, "canceled") ? "the transfer was cancelled"
                                                      : "the transfer failed",
                         t->problem ? ": " : "", strempty(t->problem));
}
