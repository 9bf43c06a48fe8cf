/*
 * Mode start: the time from starting the server's program to its first PONG.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/load.h"
#include "bench/watch.h"

#define STOP_SECONDS 10u

static void nap(void)
{
    struct timespec pause = {.tv_nsec = 200000};

    nanosleep(&pause, NULL);
}

static pid_t spawn(char **command)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    /* Should this program die first, nobody else would end the server. Its output must not mix
     * with the result. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(2, 1) < 0)
        _exit(127);
    execv(command[0], command);
    _exit(127);
}

static void check_alive(struct load *load, pid_t pid)
{
    int status;

    if (waitpid(pid, &status, WNOHANG) == pid)
        die("%s ended by itself", load->options.command[0]);
    load->now = clock_ns();
    if (load->now > load->deadline)
        die("deadline passed after %.0f s", load->options.deadline);
}

/* False: not listening yet. The answer itself is read by hand: load_turn would end the program if
 * the server closed a connection that it accepted too early. */
static bool answers_ping(const struct load *load)
{
    static const char hello[] = "CONNECT {\"verbose\":false}\r\nPING\r\n";
    struct pollfd poll_fd;
    char buffer[LINE_SIZE_MAX];
    size_t size = 0;
    bool pong = false;
    int fd = conn_dial(load->options.address, load->options.port);

    if (fd < 0)
        return false;
    if (send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof hello - 1)) {
        poll_fd = (struct pollfd){.fd = fd, .events = POLLIN};
        while (!pong && size < sizeof buffer && poll(&poll_fd, 1, 1000) == 1) {
            ssize_t got = read(fd, buffer + size, sizeof buffer - size);

            if (got <= 0)
                break;
            size += (size_t)got;
            pong = memmem(buffer, size, "PONG\r\n", 6) != NULL;
        }
    }
    close(fd);
    return pong;
}

static void stop(pid_t pid)
{
    uint64_t limit = clock_ns() + STOP_SECONDS * 1000000000ull;
    int status;

    kill(pid, SIGTERM);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_ns() > limit) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            die("the server did not end within %u s", STOP_SECONDS);
        }
        nap();
    }
}

void run_start(struct load *load, const struct mode *mode)
{
    uint64_t begun;
    pid_t pid;

    (void)mode;
    if (!load->options.command)
        die("start needs the server's command behind --");
    phase_begin(load);
    begun = clock_ns();
    pid = spawn(load->options.command);
    while (!answers_ping(load)) {
        check_alive(load, pid);
        nap();
    }
    load->now = clock_ns();
    hist_add(&load->result.latency, load->now - begun);
    load->options.servers[0] = pid;
    load->options.server_count = 1;
    phase_end(load); /* the server's clock began at zero with it */
    load->result.messages = 1;
    stop(pid);
    load->options.server_count = 0;
}
