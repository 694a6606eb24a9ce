// Linux calls that Swift cannot reach: variadics, macros, and what needs _GNU_SOURCE.
//
// Every function returns -errno on failure, so that no caller reads errno across the language
// border. Symbols are prefixed clinux_. _GNU_SOURCE is defined in the .c files only: in this header
// it would change libc's own types under the Glibc module.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// An IP address and port, the same for both families: IPv4 is mapped (::ffff:a.b.c.d).
struct clinux_address {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port;
    uint8_t family; // 4 or 6
};

// --- sockets (socket.c)

enum clinux_kind { CLINUX_DATAGRAM = 1, CLINUX_STREAM = 2 };

// A bound, non-blocking, close-on-exec socket; a stream socket listens. With `absent`, the address need
// not be on this machine (IP_FREEBIND): the socket serves once it is.
int clinux_bind(enum clinux_kind kind, const struct clinux_address *address, int absent);
// The address of this machine that the kernel's way to another one begins at.
int clinux_source(const struct clinux_address *address, struct clinux_address *from);
// The addresses of this machine's interfaces; how many there are, at most `capacity`.
int clinux_own_addresses(struct clinux_address *addresses, unsigned capacity);
// The addresses of a host's name, for TCP, by the C library's name services, for which it waits; how many there
// are, at most `capacity`, or -ENOENT for none.
int clinux_host_addresses(const char *host, struct clinux_address *addresses, unsigned capacity);
// The same as those of this machine, with how many leading bits each one's network has.
int clinux_own_networks(struct clinux_address *addresses, uint8_t *prefixes, unsigned capacity);
// Has each datagram of a socket come with the address that it was sent to.
int clinux_tell_asked(int fd, int is_v4);
// Has the kernel find out within 75 s that the peer of a connection that a listener accepts is gone.
int clinux_watch_peers(int fd);
// Whether the address is one of this machine's (1) or not (0).
int clinux_is_local(const struct clinux_address *address);
// A stream socket whose connection to the address has been started, without waiting for it; `from` may be NULL.
int clinux_connect(const struct clinux_address *from, const struct clinux_address *to);
// The pending error of a socket (SO_ERROR), as -errno; 0 when connected.
int clinux_socket_error(int fd);
int clinux_accept(int fd, struct clinux_address *peer);
int clinux_local_address(int fd, struct clinux_address *address);
int clinux_peer_address(int fd, struct clinux_address *address);
int clinux_no_delay(int fd);
int clinux_buffer_sizes(int fd, int bytes);
// Makes an inherited IP socket non-blocking and close-on-exec; its kind, and what it is bound to. One at
// [::] that also takes IPv4 gives -EADDRNOTAVAIL.
int clinux_adopt(int fd, struct clinux_address *address);
// Two connected SOCK_SEQPACKET Unix sockets.
int clinux_seqpacket_pair(int out[2]);
// A listening SOCK_SEQPACKET Unix socket at a path of the file system.
int clinux_seqpacket_listen(const char *path);
int clinux_seqpacket_connect(const char *path);
int clinux_seqpacket_accept(int fd);
// The caller's credentials at the moment it connected (SO_PEERCRED).
int clinux_peer_credentials(int fd, uid_t *uid, gid_t *gid, pid_t *pid);
// A Unix datagram socket connected to a path (journald, sd_notify); '@' stands for an abstract name.
int clinux_unix_datagram(const char *path);

// --- frames (frame.c): one message, with at most one descriptor

// passed is -1 for none.
ssize_t clinux_send_frame(int fd, const void *bytes, size_t length, int passed);
// *passed is -1 for none. A frame longer than capacity gives -EMSGSIZE; 0 is the end.
enum { CLINUX_PASSED_CUT = -2 };
// *passed is CLINUX_PASSED_CUT when there was a descriptor that this process has no room for.
ssize_t clinux_receive_frame(int fd, void *buffer, size_t capacity, int *passed);

// --- batches (batch.c): recvmmsg and sendmmsg over buffers allocated once

struct clinux_batch;
struct clinux_batch *clinux_batch_create(unsigned slots, unsigned slot_size);
void clinux_batch_destroy(struct clinux_batch *batch);
// How many messages came, at most the number of slots; with `asked`, each with the address it came to.
int clinux_batch_receive(struct clinux_batch *batch, int fd, int asked);
// The address of ours that a received message came to (1), or 0 when that is not known.
int clinux_batch_asked(const struct clinux_batch *batch, unsigned slot, struct clinux_address *own);
uint8_t *clinux_batch_bytes(struct clinux_batch *batch, unsigned slot);
// The received length; one more than the slot size stands for "longer than the slot".
uint32_t clinux_batch_length(const struct clinux_batch *batch, unsigned slot);
void clinux_batch_source(const struct clinux_batch *batch, unsigned slot,
                         struct clinux_address *source);
// Makes a slot ready to be sent; destination may be NULL on a connected socket. It leaves from `source`,
// an address of this machine of the destination's family; NULL leaves the choice to the kernel.
void clinux_batch_prepare(struct clinux_batch *batch, unsigned slot, uint32_t length,
                          const struct clinux_address *destination,
                          const struct clinux_address *source);
// Sends slots [first, first + count); how many were taken, or -errno of the first. What is to leave from an
// address that this machine has lost leaves from one of the kernel's choice.
int clinux_batch_send(struct clinux_batch *batch, int fd, unsigned first, unsigned count);

// --- process (process.c)

int64_t clinux_monotonic_ms(void);
int64_t clinux_monotonic_us(void);
int64_t clinux_realtime_ms(void);
// How far the local time is ahead of UTC now, in seconds.
long clinux_utc_offset(void);
// The calling thread's errno.
int clinux_errno(void);
int clinux_random(void *bytes, size_t length);
// Whether a descriptor can be opened whose number leaves so many below the limit; fd is any open one.
int clinux_has_spare_descriptors(int fd, int count);
// A pipe, close-on-exec; its reading end, the first, does not block.
int clinux_pipe(int out[2]);
// Blocks the signals and returns a descriptor that reports them; the list ends with 0.
int clinux_signalfd(const int *signals);
// The next signal from a signalfd with its sender's process (0: the kernel) and user, 0 when there is none.
int clinux_next_signal(int fd, pid_t *sender, uid_t *uid);

// --- copies of files (sealed.c)

// A descriptor of a copy in memory of a regular file, from its beginning on, which nobody can change.
// -ESPIPE for what is no regular file, -EFBIG for one longer than limit.
int clinux_sealed_copy(int fd, size_t limit);

// --- starting a child (spawn.c)

enum { CLINUX_SPAWN_DESCRIPTORS = 4 };

// What a child is started with. All memory is the caller's, for the time of the call.
struct clinux_spawn {
    // Path of the program first; the list ends with NULL.
    char *const *arguments;
    // Become the child's descriptors 0 to 3; -1: /dev/null for the first three, nothing for the last.
    int descriptors[CLINUX_SPAWN_DESCRIPTORS];
    // RLIMIT_NOFILE.
    uint64_t files;
    // Whether to become the user below, for good; needs root.
    int drop;
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
    // Whether CAP_NET_ADMIN outlives the drop.
    int keep_net_admin;
};

// Where starting a child failed.
enum clinux_spawn_stage {
    CLINUX_SPAWN_FORK = 1,
    CLINUX_SPAWN_DESCRIPTOR,
    CLINUX_SPAWN_SIGNALS,
    CLINUX_SPAWN_DIRECTORY,
    CLINUX_SPAWN_LIMITS,
    CLINUX_SPAWN_CAPABILITIES,
    CLINUX_SPAWN_GROUPS,
    CLINUX_SPAWN_USER,
    CLINUX_SPAWN_PROOF,
    CLINUX_SPAWN_PRIVILEGES,
    CLINUX_SPAWN_EXEC,
};

// The child's pid once its program runs; else -errno, and the stage that failed.
pid_t clinux_spawn(const struct clinux_spawn *spec, enum clinux_spawn_stage *stage);

enum { CLINUX_GROUPS = 64 };
struct clinux_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[CLINUX_GROUPS];
    unsigned group_count;
};
// The user of a name with all its groups; -ENOENT when there is none.
int clinux_user(const char *name, struct clinux_user *user);
// The next child that ended (0: none) with its exit code, or the signal that ended it.
pid_t clinux_reap(int *code, int *signal);
// Whether CAP_NET_ADMIN is there to be handed to a child.
int clinux_has_net_admin(void);

// The capabilities that this process may use, a bit for each.
uint64_t clinux_permitted_capabilities(void);

// Whether CAP_NET_ADMIN holds for the network that this process is in: 1 or 0. It does not where the network belongs
// to a user namespace above, as the host's does in a rootless container.
int clinux_commands_network(void);

// --- confinement (confine.c)

// The version of Landlock; -ENOSYS or -EOPNOTSUPP where the kernel has none, another -errno where it is
// refused.
int clinux_landlock_version(void);
// A ruleset that denies every file and TCP, but for connections to others when asked for; close it after it is enforced.
int clinux_landlock_create(int connects);
int clinux_landlock_allow(int ruleset, const char *path, int writable);
int clinux_landlock_enforce(int ruleset);
// Gives up every capability, but CAP_NET_ADMIN when named and held.
int clinux_keep_capabilities(int net_admin);
// Sets the name that ps shows, and makes the process undumpable.
int clinux_hide(const char *name);
// Has a system call that the filter traps named on standard error before SIGSYS ends the process.
int clinux_report_refused_calls(const char *name);
