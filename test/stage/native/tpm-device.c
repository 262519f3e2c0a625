/*
 * A /dev/tpm0 for programs that speak TPM 1.2 to the device itself: a pseudo-terminal in raw mode, linked to
 * that name. Each open of it becomes one connection to the software TPM, ended when the last user closes.
 * As with the real device only one can talk at a time: tcsd has to be stopped first.
 *   tpm-device LINK PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int whole(int fd, uint8_t *buffer, size_t size)
{
    /* TPM 1.2 part 3: tag (2), total size (4, big endian), code (4), body */
    size_t got = 0, wanted = 10;
    while (got < wanted) {
        ssize_t n = read(fd, buffer + got, wanted - got);
        if (n <= 0)
            return -1;
        got += n;
        if (got >= 6) {
            uint32_t total = (uint32_t)buffer[2] << 24 | buffer[3] << 16 | buffer[4] << 8 | buffer[5];
            if (total < 10 || total > size)
                return -1;
            wanted = total;
        }
    }
    return got;
}

static int dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    uint8_t buffer[4096];
    struct termios raw;
    int tpm = -1, master = posix_openpt(O_RDWR | O_NOCTTY);

    if (argc != 3 || master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        return 1;
    tcgetattr(master, &raw);
    cfmakeraw(&raw);
    tcsetattr(master, TCSANOW, &raw);
    /* opened and closed once: from then on the master hangs up whenever nobody has the device open */
    close(open(ptsname(master), O_RDWR | O_NOCTTY));
    unlink(argv[1]);
    if (symlink(ptsname(master), argv[1]) < 0)
        return 1;
    for (;;) {
        struct pollfd wait = { master, POLLIN, 0 };
        int n;
        poll(&wait, 1, -1);
        if (!(wait.revents & POLLIN)) { /* closed */
            if (tpm >= 0)
                close(tpm);
            tpm = -1;
            usleep(10000);
            continue;
        }
        if (tpm < 0)
            tpm = dial(atoi(argv[2]));
        if ((n = whole(master, buffer, sizeof buffer)) < 0)
            continue;
        if (write(tpm, buffer, n) != n || (n = whole(tpm, buffer, sizeof buffer)) < 0 || write(master, buffer, n) != n) {
            close(tpm);
            tpm = -1;
        }
    }
}
