/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pulling, see pull.h. The bytes go from the fetcher into a file of the pool, so that they need not be fetched
 * twice, and from there through a pipe to who unpacks them, while more come. */
#include "importer/pull.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/format.h"
#include "importer/helper.h"
#include "importer/minisign.h"
#include "importer/url.h"

#define PIPE_SIZE    (1024 * 1024)
#define ATTEMPTS_MAX 3
/* Of a kept image, until it is complete. */
#define PLACEHOLDER ".skep-kept"

static const char *const verify_names[] = {
        [PULL_VERIFY_NO] = "no",
        [PULL_VERIFY_CHECKSUM] = "checksum",
        [PULL_VERIFY_SIGNATURE] = "signature",
};

static int parse_verify(Pull *p, const char *text, Error *e) {
        if (!text) {
                p->verify = PULL_VERIFY_SIGNATURE;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(verify_names); i++)
                if (streq(text, verify_names[i])) {
                        p->verify = (PullVerify) i;
                        return 0;
                }
        p->verify = PULL_VERIFY_DIGEST;
        if (digest_parse(text, &p->expected) < 0)
                return error_set(e, EINVAL,
                                 "--verify: '%s' is none of no, checksum, signature, and no digest",
                                 text);
        return 0;
}

int pull_init(Pull *p, const KindContext *c, const char *url, Error *e) {
        const ImportOptions *o = c->options;
        int r;

        *p = (Pull){ .context = c,
                     .url = url,
                     .cancel_fd = -EBADF,
                     .download = DOWNLOAD_NULL,
                     .sidecars = SIDECARS_NULL };
        fetcher_init(&p->fetcher, &p->options, c->output, -EBADF);
        r = url_check(url, e);
        if (r >= 0)
                r = url_last(url, &p->file, e);
        if (r >= 0)
                r = parse_verify(p, o->verify, e);
        if (r >= 0)
                r = pull_secrets_read(o, &p->secrets, e);
        if (r < 0)
                return r;
        if (o->connections < 1 || o->connections > FETCH_CONNECTIONS_MAX)
                return error_set(e, EINVAL, "--connections: it has to be a number from 1 to %d",
                                 FETCH_CONNECTIONS_MAX);
        if (o->stall < 1)
                return error_set(e, EINVAL, "--stall-timeout: it has to be a second at least");
        p->shown = url_redacted(url);
        if (!p->shown)
                return error_oom(e);
        p->options = (FetchOptions){ .connections = o->connections,
                                     .retries = o->retries,
                                     .stall = o->stall,
                                     .netrc = p->secrets.netrc,
                                     .tls_certificate = p->secrets.tls_certificate,
                                     .tls_key = p->secrets.tls_key,
                                     .tls_ca = p->secrets.tls_ca };
        p->cancel_fd = cancel_open(e);
        p->fetcher.cancel_fd = p->cancel_fd;
        return p->cancel_fd < 0 ? p->cancel_fd : 0;
}

void pull_done(Pull *p) {
        fetcher_done(&p->fetcher);
        download_done(&p->download);
        manifest_done(&p->manifest);
        sidecars_done(&p->sidecars);
        kept_done(&p->kept);
        pull_secrets_done(&p->secrets);
        (void) fd_close(p->cancel_fd);
        free(p->seal);
        free(p->shown);
        free(p->file);
}

const Digest *pull_digest(const Pull *p) {
        return p->verify == PULL_VERIFY_NO ? NULL : &p->expected;
}

/* A signature of the file itself, by a key that is known. Return: 0; > 0 a signal's number; -ENOENT; -errno. */
static int find_seal(Pull *p, Error *e) {
        _cleanup_(minisign_keys_done) MinisignKeys keys = {};
        _cleanup_free_ char *url = url_with_suffix(p->url, ".minisig");
        int r = url ? minisign_keys_load(&keys, e) : error_oom(e);

        if (r < 0 || keys.n == 0)
                return r < 0 ? r : -ENOENT;
        r = fetcher_get(&p->fetcher, url, MINISIGN_MAX, true, &p->seal, &p->n_seal, e);
        if (r != 0)
                return r;
        p->expected = (Digest){ .type = DIGEST_BLAKE2B, .is_any = true };
        /* What can be known before anything is fetched is told then. */
        const uint8_t none[MINISIGN_HASH_SIZE] = {};
        r = minisign_verify_hash(&keys, none, p->seal, p->n_seal, e);
        return r == -EKEYREJECTED ? 0 : error_wrap(e, r, "%s.minisig", p->file);
}

static int check_seal(const Pull *p, Error *e) {
        _cleanup_(minisign_keys_done) MinisignKeys keys = {};
        int r = p->found.type == DIGEST_BLAKE2B ? minisign_keys_load(&keys, e)
                                                : error_set(e, EBADMSG, "it has no BLAKE2b");

        if (r >= 0)
                r = minisign_verify_hash(&keys, p->found.bytes, p->seal, p->n_seal, e);
        return r < 0 ? error_wrap(e, r, "%s.minisig", p->shown) : 0;
}

static int find_digest(Pull *p, Error *e) {
        if (p->verify == PULL_VERIFY_NO || p->verify == PULL_VERIFY_DIGEST)
                return 0;
        manifest_done(&p->manifest);
        free(p->seal);
        p->seal = NULL;
        int r = manifest_pull(&p->fetcher, p->url, p->file, p->verify, &p->manifest, &p->expected,
                              e);
        if (r != -ENOENT || p->verify != PULL_VERIFY_SIGNATURE)
                return r;
        Error why = {};
        int k = find_seal(p, &why);
        if (k == -ENOENT)
                return r;
        if (k < 0)
                *e = why;
        return k;
}

int pull_prepare(Pull *p, Error *e) {
        _cleanup_free_ char *stem = str_format("%.*s", (int) format_strip_suffix(p->file), p->file);

        if (!stem)
                return error_oom(e);
        output_phase(p->context->output, PHASE_FETCH);
        sidecars_done(&p->sidecars);
        int r = find_digest(p, e);
        if (r == 0)
                r = pull_sidecars_fetch(p, stem, streq(p->kind, "raw"), e);
        return r < 0 ? error_wrap(e, r, "%s", p->shown) : r;
}

/* Who reads knows how far that is, the fetcher how much there is. */
static void on_tick(void *context, uint64_t *done, uint64_t *total) {
        Pull *p = context;
        uint64_t size = p->download.state ? p->download.state->size : FETCH_UNKNOWN;

        (void) done;
        fetcher_take(&p->fetcher);
        if (size != FETCH_UNKNOWN)
                *total = size;
}

static int open_pipe(int ret[static 2], Error *e) {
        if (pipe2(ret, O_CLOEXEC) < 0)
                return error_set(e, errno, "cannot make a pipe: %m");
        (void) fcntl(ret[1], F_SETPIPE_SZ, PIPE_SIZE);
        (void) fd_set_nonblock(ret[1], true);
        return 0;
}

/* Per cent of the size of what comes that its image takes beside it, at least as much as that: packed trees grow,
 * but most of a disk may be zeroes. */
static unsigned unpacked_size(const Pull *p, const Room *room) {
        bool is_disk = streq(p->kind, "raw");

        /* As it came it is written down a second time, where files share no data. */
        if (is_disk && str_has_suffix(p->file, ".qcow2"))
                return room->shares ? 100 : 200;
        if (is_disk && format_from_suffix(p->file) == FORMAT_PLAIN)
                return 0;
        return room->packs ? 50 : 100;
}

static int open_stream(Pull *p, int dir_fd, int *ret_fd, Error *e) {
        Room room;

        room_look(dir_fd, p->root, &room);
        const FetchRequest q = { .url = (char *) p->url,
                                 .etag = p->kept.etag,
                                 .modified = p->kept.modified,
                                 .limit = FETCH_SIZE_MAX,
                                 .is_pinned = p->verify != PULL_VERIFY_NO,
                                 .stays_secure = p->verify == PULL_VERIFY_NO,
                                 .place = room.place,
                                 .unpacked = unpacked_size(p, &room) };
        int ends[2];
        int r = download_open(dir_fd, p->url, &p->download, e);

        if (r >= 0 && p->is_stale)
                r = download_forget(&p->download, e);
        if (r < 0)
                return r;
        p->was_resumed = fetch_state_gap(p->download.state, 0) > 0;
        r = open_pipe(ends, e);
        if (r < 0)
                return r;
        r = fetcher_ask(&p->fetcher, &q, p->download.state, p->download.state_fd, p->download.fd,
                        ends[1], e);
        (void) close(ends[1]);
        if (r < 0)
                (void) close(ends[0]);
        else
                *ret_fd = ends[0];
        return r;
}

int pull_open(Pull *p, int dir_fd, int *ret_fd, uint64_t *ret_size, Error *e) {
        Output *o = p->context->output;
        int r;

        output_phase(o, PHASE_FETCH);
        if (url_is_file(p->url)) {
                r = fetcher_get_file(&p->fetcher, p->url, FETCH_SIZE_MAX, false, ret_fd, e);
                if (r == 0)
                        *ret_size = kind_source_size(*ret_fd);
                return r;
        }
        r = open_stream(p, dir_fd, ret_fd, e);
        if (r < 0) {
                if (!download_can_resume(&p->download))
                        download_remove(&p->download);
                download_done(&p->download);
                return r;
        }
        *ret_size = RECORD_UNKNOWN;
        o->tick = on_tick;
        o->tick_context = p;
        return 0;
}

/* Whether the stream has come to its end, good or bad. */
static bool is_ended(const Pull *p, int fd) {
        struct pollfd f = { .fd = fd };

        return !p->fetcher.state || (poll(&f, 1, 0) > 0 && f.revents & POLLHUP);
}

/* How fetching ended. Return: as pull_close(). */
static int take_result(Pull *p, int fd, int r, Error *e) {
        int result;

        if (r > 0 || (r < 0 && !is_ended(p, fd)))
                return r;
        /* Who read may have failed because of the very thing that is told now. */
        Error why = {};
        int f = fetcher_wait(&p->fetcher, &result, &why);
        if (f == 0 && result == FETCH_NOT_MODIFIED) {
                p->is_kept = true;
                return error_set(e, EALREADY, "it is there already");
        }
        if (f == 0)
                return r;
        if (f < 0) {
                /* Who imports says of what, as well. */
                const char *text = str_skip_prefix(why.text, p->shown);
                const char *rest = text ? str_skip_prefix(text, ": ") : NULL;
                f = error_set(e, f, "%s", rest ? rest : why.text);
        }
        p->is_stale = f == -ESTALE;
        return f;
}

int pull_close(Pull *p, int fd, int r, Error *e) {
        Output *o = p->context->output;

        if (url_is_file(p->url))
                return r;
        o->tick = NULL;
        p->is_stale = false;
        p->etag[0] = p->modified[0] = '\0';
        r = take_result(p, fd, r, e);
        if (r == 0) {
                (void) snprintf(p->etag, sizeof p->etag, "%.*s", (int) sizeof p->etag - 1,
                                p->download.state->etag);
                (void) snprintf(p->modified, sizeof p->modified, "%.*s",
                                (int) sizeof p->modified - 1, p->download.state->modified);
        }
        /* The rest of it is of no use, and neither is the process. */
        fetcher_done(&p->fetcher);
        if (r == -EBADMSG) {
                /* What was there before may have been bad, or of another file. */
                p->is_stale = p->was_resumed;
                download_remove(&p->download);
        } else if (r == 0 || p->is_stale || !download_can_resume(&p->download))
                download_remove(&p->download);
        download_done(&p->download);
        return r;
}

/* A name that is taken is told before anything is fetched. */
static int check_name(const ImportJob *job, Error *e) {
        static const char *const forms[] = { "", ".raw", ".mstack" };

        for (size_t i = 0; i < ELEMENTSOF(forms) && !job->staging.force; i++) {
                _cleanup_free_ char *path = str_format("%s/%s%s", job->root, job->name, forms[i]);
                if (!path)
                        return error_oom(e);
                if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        return error_set(e, EEXIST, "an image '%s' exists already", job->name);
        }
        return 0;
}

/* Imports, again if it has to be. */
static int import(Pull *p, const ImportJob *job, Error *e) {
        for (int attempt = 1;; attempt++) {
                Error why = {};
                int r = import_run(job, p->context->output, &why);

                if (r >= 0 || !p->is_stale || attempt >= ATTEMPTS_MAX) {
                        *e = why;
                        return r;
                }
                output_note(p->context->output, LOG_NOTICE, "%s; beginning again", why.text);
                r = pull_prepare(p, e);
                if (r != 0)
                        return r;
        }
}

/* Return: 0; -EALREADY: it is kept already, as the same came before from elsewhere or under another tag. */
static int refuse_kept(Pull *p, int dir_fd, const char *name, Error *e) {
        _cleanup_free_ char *entry = str_format("%s%s", name, streq(p->kind, "raw") ? ".raw" : "");

        if (!entry)
                return error_oom(e);
        p->is_kept = faccessat(dir_fd, entry, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
        return p->is_kept ? error_set(e, EALREADY, "it is there already") : 0;
}

/* What is to be done before an image is seen: it gets its companions, and if it is to be kept, its name. */
static int finish(const ImportJob *job, Staging *staging, Error *e) {
        Pull *p = job->context;
        int r = p->seal ? check_seal(p, e) : 0;

        if (r < 0)
                return r;
        if (p->keeps) {
                char *name = kept_name(p->kind, &p->found);
                if (!name)
                        return error_oom(e);
                free(staging->name);
                staging->name = name;
                r = str_replace(&p->kept.name, name) < 0 ? error_oom(e) : 0;
                r = r >= 0 ? refuse_kept(p, staging->pool_fd, name, e) : r;
                if (r >= 0)
                        r = kept_mark(staging->fd, p->url, p->etag, p->modified, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Sees to it that there is a kept download. */
static int keep(Pull *p, const ImportJob *job, Error *e) {
        ImportJob keeping = *job;
        /* What is there may be from there, but by whom it was signed is not known any more. */
        int r = p->seal ? 0 : kept_find(job->root, p->kind, pull_digest(p), p->url, &p->kept, e);

        if (r < 0)
                return r;
        if (r > 0 && p->verify != PULL_VERIFY_NO) {
                output_note(p->context->output, LOG_INFO, "%s was downloaded before", p->shown);
                return 0;
        }
        keeping.name = PLACEHOLDER;
        keeping.lock_name = false;
        keeping.staging.force = false;
        keeping.staging.read_only = keeping.staging.or_not = true;
        r = import(p, &keeping, e);
        if (r == -EALREADY && p->is_kept) {
                output_note(p->context->output, LOG_INFO, "%s has not changed", p->shown);
                return 0;
        }
        return r;
}

/* A disk, and a tree that is only to be read, would be a copy of what is kept where files cannot share data. What was
 * kept before is used all the same. Return: 1 it is worth it; 0; -errno. */
static int is_worth_keeping(const Pull *p, const ImportJob *job, Error *e) {
        _cleanup_(kept_done) Kept there = {};

        if ((!job->staging.is_disk && !job->staging.read_only) || kept_can_share(job->root))
                return 1;
        return p->seal ? 0 : kept_find(job->root, p->kind, pull_digest(p), p->url, &there, e);
}

static int run(Pull *p, const ImportJob *job, bool is_nameless, Error *e) {
        int r = p->keeps && !is_nameless ? is_worth_keeping(p, job, e) : p->keeps;

        if (r < 0)
                return r;
        if (r == 0 && p->keeps)
                output_note(p->context->output, LOG_INFO,
                            "the download is not kept: the file system of %s cannot share data",
                            job->root);
        p->keeps = r > 0;
        if (!p->keeps)
                return import(p, job, e);
        r = keep(p, job, e);
        if (r == 0 && !is_nameless)
                r = kept_use(job, &p->kept, p->context->output, e);
        return r;
}

int pull_read_url(char **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        int r = fd_read_all(STDIN_FILENO, URL_MAX + 1, &text, NULL);

        if (r < 0)
                return error_set(e, r, "cannot read a URL from standard input: %m");
        *ret = strdup(str_strip(text));
        return *ret ? 0 : error_oom(e);
}

int pull_run(const KindContext *c, const char *kind, const char *url, const char *given,
             int (*fill)(const ImportJob *job, Staging *staging, int cancel_fd, Output *o,
                         Error *e),
             Error *e) {
        _cleanup_free_ char *name = NULL, *root = NULL, *said = NULL;
        bool is_pool, is_nameless = given && streq(given, "-");
        ImportJob job;
        int r = streq(url, "-") ? pull_read_url(&said, e) : 0;

        if (r < 0)
                return r;
        _cleanup_(pull_done) Pull p;
        r = pull_init(&p, c, said ? said : url, e);
        p.kind = kind;
        p.keeps = c->options->keep_download || is_nameless;
        if (r >= 0)
                r = kind_choose_name(p.file, is_nameless ? NULL : given, &name, e);
        if (r >= 0)
                r = kind_choose_root(c->options, &root, &is_pool, e);
        p.root = root;
        if (r >= 0)
                r = kind_start(c, p.shown, name, root, is_pool, &job, e);
        if (r >= 0 && !is_nameless)
                r = check_name(&job, e);
        if (r >= 0)
                r = pull_prepare(&p, e);
        if (r != 0)
                return r;
        job.unwrap = streq(kind, "tar");
        job.staging.is_disk = streq(kind, "raw");
        job.fill = fill;
        job.finish = finish;
        job.context = &p;
        job.sidecars = &p.sidecars;
        return run(&p, &job, is_nameless, e);
}
