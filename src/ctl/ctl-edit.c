/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* edit and cat: the settings files of machines. What was edited is a file beside its target until the spawner
 * takes it; then it is renamed. What it does not take stays, and the next edit goes on with it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/report.h"
#include "base/fd.h"
#include "base/path.h"
#include "ctl/settings-file.h"
#include "ctl/verbs.h"

#define FILE_MAX ((size_t) 1024 * 1024)

static int check_local(const Ctl *c, Error *e) {
        return ctl_is_local(c)
                       ? 0
                       : error_set(
                                 e, EOPNOTSUPP,
                                 "settings are files of this system: --host and --machine do not reach them");
}

static int cat_file(Ctl *c, const char *path, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r = file_read(AT_FDCWD, path, FILE_MAX, &text, &n);

        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", path);
        bool ends = c->out.n == 0 || c->out.p[c->out.n - 1] == '\n';
        if (buf_printf(&c->out, "%s# %s\n", ends ? "" : "\n", path) < 0 ||
            buf_append(&c->out, text, n) < 0)
                return error_oom(e);
        return 0;
}

static int cat_one(Ctl *c, const char *word, Error *e) {
        _cleanup_(settings_file_done) SettingsFile f = {};
        _cleanup_strv_ char **drop_ins = NULL;
        int r = settings_file_find(word, &f, e);

        /* The original knows no drop-ins. */
        if (r >= 0 && word[0] != '/' && !c->is_machinectl &&
            settings_file_drop_ins(&f, &drop_ins) < 0)
                return error_oom(e);
        if (r < 0)
                return r;
        if (!f.from && !drop_ins)
                return error_set(e, ENOENT,
                                 "there are no settings of '%s' (\"skep edit\" makes some)", word);
        if (f.from)
                r = cat_file(c, f.from, e);
        STRV_FOREACH(d, drop_ins)
                if (r >= 0)
                        r = cat_file(c, *d, e);
        return r;
}

int verb_cat(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int r = check_local(c, e);

        if (r < 0)
                return r;
        c->wants_pager = true;
        return ctl_each(c, args, cat_one);
}

static void child_exec(char *const *editor) {
        (void) signal(SIGPIPE, SIG_DFL);
        (void) execvp(editor[0], editor);
        _exit(errno == ENOENT ? 127 : 126);
}

/* Return: wait status of the editor; -errno. */
static int run_editor(const char *command, const char *path, Error *e) {
        _cleanup_strv_ char **argv = NULL;
        int status;

        if (str_split(command, " ", &argv) < 0 || strv_append(&argv, path) < 0)
                return error_oom(e);

        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot start the editor: %m");
        if (pid == 0)
                child_exec(argv);
        /* Keys of the terminal are the editor's. */
        void (*interrupt)(int) = signal(SIGINT, SIG_IGN);
        void (*quit)(int) = signal(SIGQUIT, SIG_IGN);
        pid_t r;
        while ((r = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
                ;
        int err = errno;
        (void) signal(SIGINT, interrupt);
        (void) signal(SIGQUIT, quit);
        return r < 0 ? error_set(e, err, "cannot wait for the editor: %m") : status;
}

/* The one of the environment, or the first that there is. Return: 0 or -errno. */
static int edit_path(const char *path, Error *e) {
        static const char *const variables[] = { "SYSTEMD_EDITOR", "EDITOR", "VISUAL" };
        static const char *const editors[] = { "editor", "nano", "vim", "vi" };
        const char *command = NULL;
        int status = 0;

        for (size_t i = 0; i < ELEMENTSOF(variables) && !command; i++) {
                command = getenv(variables[i]);
                if (command && !*command)
                        command = NULL;
        }
        if (!command && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
                return error_set(
                        e, ENOTTY,
                        "there is no terminal to edit at ($EDITOR can say what edits without one)");
        for (size_t i = 0; i < (command ? 1 : ELEMENTSOF(editors)); i++) {
                status = run_editor(command ? command : editors[i], path, e);
                if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 127)
                        break;
        }
        if (status < 0)
                return status;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return error_set(e, ENOENT, "there is no editor (%s)",
                                 command ? command : "set $EDITOR");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return error_set(e, EIO, "the editor failed");
        return 0;
}

/* Return: 1 to try again, 0 not to. */
static bool asks_again(const Error *e) {
        char answer[16] = "";

        (void) report_error(e);
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return false;
        (void) fputs("Edit it again? [Y/n] ", stderr);
        return fgets(answer, sizeof answer, stdin) && answer[0] != 'n' && answer[0] != 'N';
}

/* Puts into @aside what there is to edit: what was left over, or what is there now. */
static int prepare(const SettingsFile *f, const char *aside, char **ret_before, Error *e) {
        _cleanup_free_ char *folder = strndup(f->to, (size_t) (path_last(f->to) - f->to));
        int r = folder ? path_mkdirs(folder, 0755) : -ENOMEM;

        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", strempty(folder));
        r = f->from ? file_read(AT_FDCWD, f->from, FILE_MAX, ret_before, NULL)
                    : str_replace(ret_before, "");
        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", f->from ? f->from : f->to);
        if (access(aside, F_OK) >= 0) {
                report_note("going on with what was not installed before, in '%s'", aside);
                return 0;
        }
        r = file_write(AT_FDCWD, aside, *ret_before, O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", aside) : 0;
}

static int install(const SettingsFile *f, const char *aside, const char *before, Error *e) {
        _cleanup_free_ char *text = NULL;
        int r = file_read(AT_FDCWD, aside, FILE_MAX, &text, NULL);

        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", aside);
        if (!*text || streq(text, before)) {
                (void) unlink(aside);
                report_note(*text || !*before ? "'%s' was not changed"
                                              : "nothing is left of it, '%s' stays as it was",
                            f->to);
                return 0;
        }
        /* Some editors make a new file. */
        if (chmod(aside, 0644) < 0 || rename(aside, f->to) < 0)
                return error_set(e, errno, "cannot write '%s': %m", f->to);
        report_note("wrote %s; it counts from the next start on", f->to);
        return 0;
}

static int edit_one(Ctl *c, const char *word, Error *e) {
        _cleanup_(settings_file_done) SettingsFile f = {};
        _cleanup_free_ char *aside = NULL, *before = NULL;
        int r = settings_file_find(word, &f, e);

        if (r < 0)
                return r;
        aside = str_format("%.*s.#%s", (int) (path_last(f.to) - f.to), f.to, path_last(f.to));
        if (!aside)
                return error_oom(e);
        r = prepare(&f, aside, &before, e);
        if (r < 0)
                return r;
        (void) ctl_flush(c, NULL);
        for (;;) {
                Error why = {};

                r = edit_path(aside, e);
                if (r < 0)
                        break;
                if (settings_file_try(aside, &why) >= 0)
                        return install(&f, aside, before, e);
                if (!asks_again(&why)) {
                        r = error_set(e, EINVAL,
                                      "'%s' stays as it was; \"skep edit %s\" goes on with '%s'",
                                      f.to, word, aside);
                        break;
                }
        }
        /* Nothing was done to it yet, or nothing that is worth keeping. */
        _cleanup_free_ char *text = NULL;
        if (file_read(AT_FDCWD, aside, FILE_MAX, &text, NULL) >= 0 && streq(text, before))
                (void) unlink(aside);
        return r;
}

int verb_edit(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int r = check_local(c, e);

        return r < 0 ? r : ctl_each(c, args, edit_one);
}
