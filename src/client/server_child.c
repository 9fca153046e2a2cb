#include "client/server_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "client/http_client.h"
#include "client/json.h"
#include "client/timing.h"

enum { LAST_WORDS_BYTES = 4096, POLL_MS = 10, PROBE_MS_MAX = 1000 };

/* --- where it listens --- */

/* Binds like a server would. Returns the port, or -1. */
static int try_port(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t len = sizeof address;
    bool free_port = bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 1) == 0 &&
                     getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    close(fd);
    return free_port ? ntohs(address.sin_port) : -1;
}

static bool split_listen(const char *listen, char host[256], int *port) {
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || (size_t)(colon - listen) >= 256) return false;
    memcpy(host, listen, (size_t)(colon - listen));
    host[colon - listen] = '\0';
    char *end;
    long number = strtol(colon + 1, &end, 10);
    *port = (int)number;
    return end != colon + 1 && *end == '\0' && number >= 0 && number <= 65535;
}

bool server_child_can_listen(const char *listen) {
    char host[256];
    int port;
    return split_listen(listen, host, &port) && try_port(host, port) > 0;
}

/* A port that is free now may be taken before the child has it: then the child says so and ends. */
static enum status choose_address(struct server_child *child, const char *listen, struct failure *failure) {
    char host[256];
    int port = 0;
    if (listen == NULL) listen = "127.0.0.1:0";
    if (!split_listen(listen, host, &port)) {
        return failure_set(failure, STATUS_BAD_CONFIG, "--listen %s: expected HOST:PORT", listen);
    }
    if (port == 0) {
        port = try_port(host, 0);
        if (port < 0) return failure_set(failure, STATUS_IO_ERROR, "no free port at %s", host);
    }
    bool any = strcmp(host, "0.0.0.0") == 0;
    snprintf(child->listen, sizeof child->listen, "%s:%d", host, port);
    snprintf(child->url, sizeof child->url, "http://%s:%d", any ? "127.0.0.1" : host, port);
    return STATUS_OK;
}

/* --- its life --- */

/* In the child between fork and exec: only async-signal-safe calls. */
_Noreturn static void become_server(char *const *argv, int log_fd, pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* The message of a line of its log (log/log.h), which is JSON, as what it writes to is no terminal. */
static bool message_of(const char *line, char message[LAST_WORDS_BYTES]) {
    struct json *event = json_parse(bytes_of_text(line));
    const char *text = event == NULL ? NULL : json_text(event, "message");
    bool found = text != NULL;
    if (found) snprintf(message, LAST_WORDS_BYTES, "%s", text);
    json_destroy(event);
    return found;
}

/* The last line that the child wrote, which says why it ended, without its own name. */
static void last_words(const struct server_child *child, char words[LAST_WORDS_BYTES]) {
    char text[LAST_WORDS_BYTES];
    off_t end = lseek(child->log_fd, 0, SEEK_END);
    off_t from = end > LAST_WORDS_BYTES - 1 ? end - (LAST_WORDS_BYTES - 1) : 0;
    ssize_t len = pread(child->log_fd, text, LAST_WORDS_BYTES - 1, from);
    if (len < 0) len = 0;
    while (len > 0 && text[len - 1] == '\n') len--;
    text[len] = '\0';
    const char *line = strrchr(text, '\n');
    line = line != NULL ? line + 1 : text;
    if (strncmp(line, "tally: ", 7) == 0) line += 7;
    char message[LAST_WORDS_BYTES];
    if (message_of(line, message)) line = message;
    snprintf(words, LAST_WORDS_BYTES, "%s", *line != '\0' ? line : "(none)");
}

static enum status ended(struct server_child *child, int wait_status, struct failure *failure) {
    char words[LAST_WORDS_BYTES];
    last_words(child, words);
    close(child->log_fd);
    child->pid = 0;
    child->log_fd = -1;
    if (WIFSIGNALED(wait_status)) {
        return failure_set(failure, STATUS_IO_ERROR, "the server was ended by signal %d (%s). Its last words: %s",
                           WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)), words);
    }
    int code = WEXITSTATUS(wait_status);
    if (code == 0) return STATUS_OK;
    return failure_set(failure, code == 2 ? STATUS_BAD_CONFIG : STATUS_IO_ERROR, "the server ended with exit code %d: %s",
                       code, words);
}

bool server_child_alive(struct server_child *child, struct failure *failure) {
    CHECK(child->pid > 0);
    int wait_status;
    if (waitpid(child->pid, &wait_status, WNOHANG) != child->pid) return true;
    enum status status = ended(child, wait_status, failure);
    if (status == STATUS_OK) failure_set(failure, STATUS_IO_ERROR, "the server ended by itself");
    return false;
}

static enum status await_ready(struct server_child *child, int64_t ready_ms_max, struct failure *failure) {
    int64_t until_ms = timing_now_ms() + ready_ms_max;
    struct http_client *client = http_client_create(child->url, PROBE_MS_MAX);
    struct http_answer answer = {0};
    bool ready = false, alive = true;
    while (!ready && alive && timing_now_ms() < until_ms) {
        struct failure ignored = {0};
        ready = http_client_get(client, "/readyz", &answer, &ignored) == STATUS_OK && answer.http_status == 200;
        if (!ready) timing_sleep_ms(POLL_MS);
        alive = server_child_alive(child, failure);
    }
    http_answer_fini(&answer);
    http_client_destroy(client);
    if (!alive) return failure->status;
    if (ready) return STATUS_OK;
    server_child_kill(child);
    return failure_set(failure, STATUS_IO_ERROR, "the server was not ready after %" PRId64 " s", ready_ms_max / 1000);
}

enum status server_child_start(struct server_child *child, const char *data_directory, const char *listen,
                               const char *const *arguments, int64_t ready_ms_max, struct failure *failure) {
    *child = (struct server_child){.log_fd = -1};
    enum status status = choose_address(child, listen, failure);
    if (status != STATUS_OK) return status;
    const char *argv[SERVER_CHILD_ARGUMENTS_MAX + 7] = {"tally",        "serve",    "--data",
                                                        data_directory, "--listen", child->listen};
    size_t count = 6;
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        CHECK(count < 6 + SERVER_CHILD_ARGUMENTS_MAX);
        argv[count++] = *arguments;
    }
    child->log_fd = memfd_create("tally-server-log", MFD_CLOEXEC);
    if (child->log_fd < 0) return failure_set(failure, STATUS_IO_ERROR, "memfd_create: %s", strerror(errno));
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid < 0) {
        close(child->log_fd);
        child->pid = 0;
        return failure_set(failure, STATUS_IO_ERROR, "cannot start a process: %s", strerror(errno));
    }
    if (child->pid == 0) become_server((char *const *)(uintptr_t)argv, child->log_fd, parent);
    return await_ready(child, ready_ms_max, failure);
}

enum status server_child_stop(struct server_child *child, struct interrupts *interrupts, unsigned patience,
                              struct failure *failure) {
    CHECK(child->pid > 0);
    kill(child->pid, SIGTERM);
    int wait_status;
    while (waitpid(child->pid, &wait_status, WNOHANG) != child->pid) {
        if (interrupts != NULL && interrupts_count(interrupts) > patience) {
            server_child_kill(child);
            return failure_set(failure, STATUS_IO_ERROR, "the server was killed before it had stopped in order");
        }
        timing_sleep_ms(POLL_MS);
    }
    return ended(child, wait_status, failure);
}

void server_child_kill(struct server_child *child) {
    if (child->pid <= 0) return;
    int wait_status;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    struct failure ignored = {0};
    enum status status = ended(child, wait_status, &ignored);
    (void)status;
}

/* --- what it costs --- */

static bool read_proc(pid_t pid, const char *name, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t len = read(fd, text, size - 1);
    close(fd);
    if (len < 0) len = 0;
    text[len] = '\0';
    return len > 0;
}

double server_child_cpu_seconds(const struct server_child *child) {
    char text[1024];
    if (!read_proc(child->pid, "stat", text, sizeof text)) return 0;
    const char *after_name = strrchr(text, ')'); /* the name may hold spaces */
    if (after_name == NULL) return 0;
    const char *at = after_name + 1;
    for (int field = 3; field < 14 && at != NULL; field++) at = strchr(at + 1, ' '); /* proc(5): utime is field 14 */
    if (at == NULL) return 0;
    char *end;
    uint64_t user = strtoull(at, &end, 10), system = strtoull(end, NULL, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint64_t server_child_peak_bytes(const struct server_child *child) {
    char text[4096];
    if (!read_proc(child->pid, "status", text, sizeof text)) return 0;
    const char *line = strstr(text, "VmHWM:");
    return line == NULL ? 0 : strtoull(line + sizeof "VmHWM:" - 1, NULL, 10) * 1024;
}
